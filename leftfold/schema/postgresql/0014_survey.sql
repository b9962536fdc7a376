-- The horizon, and whether it is still the follower's log: the store's identity and epoch, the event ids at the follower's
-- position and at the horizon. The epoch is read last: a follower that sees an event of a new epoch sees the epoch, too.
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
ALTER FUNCTION {schema}.survey_v1 SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off;
