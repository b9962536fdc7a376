-- Projections and their generations. Each generation's rows were built from history in tables of its own: views show the
-- live generation, a rebuild makes a shadow, and the former generation is kept for going back.
CREATE TABLE {schema}.projections (
    name        text COLLATE "C" NOT NULL,
    generation  int  NOT NULL,
    version     int  NOT NULL,
    role        text NOT NULL CHECK (role IN ('live', 'shadow', 'former', 'turning')),
    fingerprint text,          -- of the code and fields that its rows were made by; NULL until the first run
    tables      text NOT NULL, -- JSON: the names of its tables when it is live
    query       text NOT NULL, -- JSON: which events it is about, for tools that have no code
    mode        text NOT NULL DEFAULT 'async' CHECK (mode IN ('async', 'inline')),
    paused      text,          -- JSON: who, why and when; NULL while it may run
    rebuild     text,          -- why its rows do not follow from the log any more; the next run rebuilds them
    begun_at    text NOT NULL,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX projections_by_role ON {schema}.projections (name, role);
