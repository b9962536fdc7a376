-- The horizon, and what a follower needs to know that it still follows the same log: the store's identity and epoch, the
-- id of the event at its own position, and that of the event at the horizon. The epoch is read after the horizon, so
-- that whoever is shown an event of a new epoch is shown the epoch, too.
CREATE FUNCTION {schema}.survey_v1(
    p_position bigint, OUT head bigint, OUT head_id uuid, OUT found_id uuid, OUT store uuid, OUT epoch int
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    head := {schema}.head_v1();
    SELECT e.id INTO head_id FROM {schema}.events e WHERE e.position = head;
    IF p_position = head THEN
        found_id := head_id;
    ELSIF p_position > 0 THEN
        SELECT e.id INTO found_id FROM {schema}.events e WHERE e.position = p_position;
    END IF;
    SELECT s.store, s.epoch INTO store, epoch FROM {schema}.epochs s ORDER BY s.epoch DESC LIMIT 1;
END $$;
ALTER FUNCTION {schema}.survey_v1 SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION {schema}.survey_v1 SET enable_seqscan = off;
ALTER FUNCTION {schema}.survey_v1 SET jit = off;
