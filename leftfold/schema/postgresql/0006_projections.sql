-- What is known of projections. A generation is one building of a projection's rows from history: the live one is what
-- views show, a shadow is being built beside it, the former one is kept for going back. Their tables are named after it.
CREATE TABLE {schema}.projections (
    name        text COLLATE "C" NOT NULL,
    generation  int  NOT NULL,
    version     int  NOT NULL,
    role        text NOT NULL CHECK (role IN ('live', 'shadow', 'former', 'turning')),
    fingerprint text,          -- of the code and fields that its rows were made by; NULL: whoever comes first says
    tables      text NOT NULL, -- JSON: the names of its tables when it is live
    query       text NOT NULL, -- JSON: which events it is about, for tools that have no code
    mode        text NOT NULL DEFAULT 'async' CHECK (mode IN ('async', 'inline')),
    paused      text,          -- JSON: who, why and when; NULL while it may run
    rebuild     text,          -- why its rows do not follow from the log any more; the next run rebuilds them
    begun_at    text NOT NULL,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX projections_by_role ON {schema}.projections (name, role);
