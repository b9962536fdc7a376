-- Jumps from one stream's name to the next in the index, so that it costs what is shown, not what the log has.
WITH RECURSIVE names (stream, number) AS (
    SELECT (SELECT min(stream) FROM {schema}.events WHERE stream > :after AND stream < :below), 1
    UNION ALL
    SELECT (SELECT min(e.stream) FROM {schema}.events e WHERE e.stream > names.stream AND e.stream < :below), number + 1
    FROM names
    WHERE names.stream IS NOT NULL AND number < :limit
)
SELECT last.stream, last.version, last.type, last.occurred_at, last.recorded_at
FROM names
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.events e WHERE e.stream = names.stream ORDER BY e.version DESC LIMIT 1
) AS last
ORDER BY last.stream
