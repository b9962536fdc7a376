-- all --
SELECT epoch, store, position, event_id, reason, began_at FROM {epochs} ORDER BY epoch
-- last_event --
SELECT position, id FROM {events} ORDER BY position DESC LIMIT 1
-- begin --
INSERT INTO {epochs} (epoch, store, position, event_id, reason, began_at)
VALUES (:epoch, :store, :position, :event_id, :reason, :began_at)
