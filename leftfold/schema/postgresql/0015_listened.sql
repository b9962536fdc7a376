-- Whether a process listens. Two concurrent appends may take each other for a listener: a needless notification. A single
-- expression, because a statement may be cancelled between two of them, and the session would keep the lock.
CREATE FUNCTION {schema}.listened_v1() RETURNS bool LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN NOT (pg_try_advisory_lock({schema}.listener_space_v1(), 0)
                AND pg_advisory_unlock({schema}.listener_space_v1(), 0));
END $$;
