-- Projections and their generations. Each generation's rows were built from history in tables of its own: views show the
-- live generation, a rebuild makes a shadow, and the former generation is kept for going back.
CREATE TABLE leftfold_projections (
    name        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    role        TEXT    NOT NULL CHECK (role IN ('live', 'shadow', 'former', 'turning')),
    fingerprint TEXT,          -- of the code and fields that its rows were made by; NULL until the first run
    tables      TEXT    NOT NULL, -- JSON: the names of its tables when it is live
    query       TEXT    NOT NULL, -- JSON: which events it is about, for tools that have no code
    mode        TEXT    NOT NULL DEFAULT 'async' CHECK (mode IN ('async', 'inline')),
    paused      TEXT,          -- JSON: who, why and when; NULL while it may run
    rebuild     TEXT,          -- why its rows do not follow from the log any more; the next run rebuilds them
    begun_at    TEXT    NOT NULL,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX projections_by_role ON leftfold_projections (name, role);
