-- Which projections are maintained inline, in the append's own transaction. One row. Every append brings the digest of
-- the set that its process knows, and a different digest is refused: no append writes past a read model's row. Appends
-- read it under the shared lock of the whole log; a change of the set takes that lock exclusively.
CREATE TABLE {schema}.inline_set (
    digest  text NOT NULL, -- empty for the empty set
    members text NOT NULL  -- a JSON array of [name, version]
);
INSERT INTO {schema}.inline_set VALUES ('', '[]');
