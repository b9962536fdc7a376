CREATE UNIQUE INDEX events_stream_version ON {schema}.events (stream, version);
CREATE UNIQUE INDEX events_id ON {schema}.events (id);
CREATE INDEX events_type_position ON {schema}.events (type, position);
