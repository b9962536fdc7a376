-- Takes the write lock of a transaction that may only have read so far, and changes nothing.
DELETE FROM leftfold_migrations WHERE 0
