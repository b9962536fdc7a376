CREATE TRIGGER leftfold_events_no_update BEFORE UPDATE ON leftfold_events
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable; append a correcting event instead of UPDATE');
END;
CREATE TRIGGER leftfold_events_no_delete BEFORE DELETE ON leftfold_events
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable; append a correcting event instead of DELETE');
END;
-- INSERT OR REPLACE deletes without firing delete triggers, so whatever it would replace is refused first.
CREATE TRIGGER leftfold_events_no_replace BEFORE INSERT ON leftfold_events
WHEN EXISTS (SELECT 1 FROM leftfold_events WHERE position = NEW.position)
  OR EXISTS (SELECT 1 FROM leftfold_events WHERE stream = NEW.stream AND version = NEW.version)
  OR EXISTS (SELECT 1 FROM leftfold_events WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable; an event with this position, version or id exists');
END;
CREATE TRIGGER leftfold_event_tags_no_update BEFORE UPDATE ON leftfold_event_tags
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable, and so are their tags');
END;
CREATE TRIGGER leftfold_event_tags_no_delete BEFORE DELETE ON leftfold_event_tags
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable, and so are their tags');
END;
