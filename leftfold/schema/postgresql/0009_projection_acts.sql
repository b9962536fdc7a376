-- The audit log: operators paused a projection, skipped an event, rebuilt, …
CREATE TABLE {schema}.projection_acts (
    id      text PRIMARY KEY, -- a UUID that grows
    name    text NOT NULL,
    act     text NOT NULL,
    who     text NOT NULL,
    why     text NOT NULL,
    details text NOT NULL, -- JSON
    done_at text NOT NULL
);
