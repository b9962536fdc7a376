CREATE FUNCTION {schema}.refuse_change_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'leftfold: events are immutable; append a correcting event instead of %', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER events_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change_v1();
CREATE TRIGGER event_tags_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.event_tags
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change_v1();
