-- record --
INSERT INTO {projection_acts} (id, name, act, who, why, details, done_at)
VALUES (:id, :name, :act, :who, :why, :details, :now)
-- latest --
SELECT done_at, name, act, who, why, details FROM {projection_acts} ORDER BY id DESC LIMIT :limit
-- latest_of --
SELECT done_at, name, act, who, why, details FROM {projection_acts} WHERE name = :name ORDER BY id DESC LIMIT :limit
