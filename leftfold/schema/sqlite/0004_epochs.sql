-- Who the store is, and its epochs: the last row holds now. An epoch begins when the log may have lost a tail (a restored
-- backup) or when a copy becomes a store of its own: what stands at or below its position is shared with the epoch before,
-- what the former epoch wrote beyond it is not history here.
CREATE TABLE leftfold_epochs (
    epoch    INTEGER PRIMARY KEY,
    store    BLOB    NOT NULL, -- the store's identity in this epoch: the 16 bytes of a UUID
    position INTEGER NOT NULL, -- of the last event when it began
    event_id BLOB,             -- of that event; NULL in an empty log
    reason   TEXT    NOT NULL,
    began_at TEXT    NOT NULL  -- fixed-width UTC
);
INSERT INTO leftfold_epochs
VALUES (1, randomblob(16), 0, NULL, 'the store was made', strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'));
