-- Name, declared type, NOT NULL and place in the key of a table's columns. An int2vector counts from 0.
SELECT a.attname,
       format_type(a.atttypid, a.atttypmod) || coalesce(' COLLATE "' || c.collname || '"', ''),
       a.attnotnull,
       coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)
FROM pg_attribute a
LEFT JOIN pg_collation c ON c.oid = a.attcollation AND c.collname <> 'default'
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
