-- seen --
INSERT INTO {workers} (id, host, pid, serves, started_at, seen_at)
VALUES (:id, :host, :pid, :serves, {now}, {now})
ON CONFLICT (id) DO UPDATE SET serves = excluded.serves, seen_at = excluded.seen_at
-- gone --
DELETE FROM {workers} WHERE id = :id
-- bury --
DELETE FROM {workers} WHERE seen_at < {ahead}
-- all --
SELECT id, host, pid, serves, started_at, seen_at, seen_at > {ahead} AS lives FROM {workers} ORDER BY started_at, id
