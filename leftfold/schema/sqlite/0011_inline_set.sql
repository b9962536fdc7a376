-- Which projections are maintained inline, in the append's own transaction. One row: every append brings the digest of the
-- set that its process knows, and is refused if it is another, so that nobody writes past a row.
CREATE TABLE leftfold_inline_set (
    digest  TEXT NOT NULL, -- empty for the empty set
    members TEXT NOT NULL  -- a JSON array of [name, version]
);
INSERT INTO leftfold_inline_set VALUES ('', '[]');
