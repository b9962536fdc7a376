-- find --
SELECT s.state, s.version, s.position, s.occurred_max, s.recorded_max FROM {snapshots} s
WHERE s.stream = :stream AND s.fingerprint = :fingerprint AND EXISTS
(SELECT 1 FROM {events} e WHERE e.stream = s.stream AND e.version = s.version AND e.position = s.position)
-- save --
INSERT INTO {snapshots} AS s (stream, version, position, occurred_max, recorded_max, state, fingerprint, created_at)
VALUES (:stream, :version, :position, :occurred, :recorded, :state, :fingerprint, :now)
ON CONFLICT (stream) DO UPDATE SET version = excluded.version, position = excluded.position,
  occurred_max = excluded.occurred_max, recorded_max = excluded.recorded_max, state = excluded.state,
  fingerprint = excluded.fingerprint, created_at = excluded.created_at
WHERE excluded.version > s.version OR excluded.fingerprint <> s.fingerprint
