INSERT INTO leftfold_event_tags (tag, position) VALUES (?, ?)
