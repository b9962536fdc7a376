CREATE UNIQUE INDEX leftfold_events_stream_version ON leftfold_events (stream, version);
CREATE UNIQUE INDEX leftfold_events_id ON leftfold_events (id);
CREATE INDEX leftfold_events_type ON leftfold_events (type, position);
