-- Jumps from one stream's name to the next in the index, so that it costs what is shown, not what the log has.
WITH RECURSIVE names (stream, number) AS (
    SELECT (SELECT min(stream) FROM leftfold_events WHERE stream > :after AND stream < :below), 1
    UNION ALL
    SELECT (SELECT min(e.stream) FROM leftfold_events e WHERE e.stream > names.stream AND e.stream < :below), number + 1
    FROM names
    WHERE names.stream IS NOT NULL AND number < :limit
)
SELECT e.stream, e.version, e.type, e.occurred_at, e.recorded_at
FROM names
JOIN leftfold_events e ON e.stream = names.stream
    AND e.version = (SELECT max(version) FROM leftfold_events WHERE stream = names.stream)
ORDER BY e.stream
