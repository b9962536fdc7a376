-- The projections that are maintained inline, in the append's own transaction: a single row. Every append sends the digest
-- of its process's set; a mismatch is refused. Appends read it under the shared lock of the whole log, which a change takes
-- exclusively.
CREATE TABLE {schema}.inline_set (
    digest  text NOT NULL, -- empty for the empty set
    members text NOT NULL  -- a JSON array of [name, version]
);
INSERT INTO {schema}.inline_set VALUES ('', '[]');
