-- The projections that are maintained inline, in the append's own transaction: a single row. Every append sends the digest
-- of its process's set; a mismatch is refused.
CREATE TABLE leftfold_inline_set (
    digest  TEXT NOT NULL, -- empty for the empty set
    members TEXT NOT NULL  -- a JSON array of [name, version]
);
INSERT INTO leftfold_inline_set VALUES ('', '[]');
