-- Whether anybody listens. Two that ask at the same time may take each other for a listener, which costs a needless
-- notification and nothing else. One expression: a statement that is cancelled ends between two of them, and the session
-- would keep the lock.
CREATE FUNCTION {schema}.listened_v1() RETURNS bool LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN NOT (pg_try_advisory_lock({schema}.listener_space_v1(), 0)
                AND pg_advisory_unlock({schema}.listener_space_v1(), 0));
END $$;
