-- The store's identity and its epochs; the last row is the present one. An epoch begins when a restore may have lost a tail
-- of the log, or a copy becomes another store. What an older epoch wrote beyond this position is not history here.
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
