-- The audit log: operators paused a projection, skipped an event, rebuilt, …
CREATE TABLE leftfold_projection_acts (
    id          TEXT PRIMARY KEY, -- a UUID that grows
    name        TEXT    NOT NULL,
    act         TEXT    NOT NULL,
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    details     TEXT    NOT NULL, -- JSON
    done_at     TEXT    NOT NULL
);
