-- A single row: decoding JSON costs less than fetching rows.
SELECT l.position,
       (SELECT digest FROM leftfold_inline_set),
       json_group_array(json_array(j.value, coalesce(t.version, 0), coalesce(t.position, 0), coalesce(t.recorded_at, '')))
FROM (SELECT coalesce(max(position), 0) AS position FROM leftfold_events) AS l
CROSS JOIN json_each(?) AS j
LEFT JOIN leftfold_events AS t
    ON t.stream = j.value AND t.version = (SELECT max(m.version) FROM leftfold_events AS m WHERE m.stream = j.value)
