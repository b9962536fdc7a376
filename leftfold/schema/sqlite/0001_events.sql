CREATE TABLE leftfold_events (
    position       INTEGER PRIMARY KEY,
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    id             BLOB    NOT NULL, -- the 16 bytes of a UUID
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    data           TEXT    NOT NULL, -- JSON, byte for byte as it was given
    metadata       TEXT    NOT NULL, -- a JSON object
    tags           TEXT    NOT NULL, -- a JSON array of strings
    occurred_at    TEXT    NOT NULL, -- fixed-width UTC: 2026-01-16T00:00:00.000000Z
    recorded_at    TEXT    NOT NULL
);
CREATE UNIQUE INDEX leftfold_events_stream_version ON leftfold_events (stream, version);
CREATE UNIQUE INDEX leftfold_events_id ON leftfold_events (id);
CREATE INDEX leftfold_events_type ON leftfold_events (type, position);
