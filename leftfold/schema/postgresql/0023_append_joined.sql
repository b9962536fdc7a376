-- append_v1 inside a user's transaction. Two things differ there.
--
-- An error would end the user's transaction, so errors about the append come back as a status. A unique index may refuse an
-- event id that another stream got meanwhile, which no lock covers: that is judged again in a new snapshot. A failed
-- subtransaction gives up its locks, the horizon's too, with its rows; those of a successful one stay until the transaction,
-- or a savepoint around it, is undone.
--
-- REPEATABLE READ and SERIALIZABLE see nothing newer than the transaction's snapshot: conditions and inline projections are
-- refused, and the unique indexes alone judge what has come since.
--
-- Statuses beside those of append_v1, for the whole batch: 6 a collision, to be judged in a new transaction, 7 refused by
-- the server (refusal says why), 8 impossible at this isolation level (refusal names it).
CREATE FUNCTION {schema}.append_joined_v1(
    p_together bool, p_wait bool, p_unless jsonb[], p_firsts text[], p_after bigint[], p_seen text[],
    p_streams text[], p_expected bigint[], p_counts int[],
    p_ids uuid[], p_types text[], p_schema_versions int[], p_datas text[], p_metadatas text[],
    p_tags text[], p_occurred timestamptz[], p_inline text, p_rows text[],
    OUT statuses int[], OUT versions bigint[], OUT positions bigint[], OUT listened bool,
    OUT event_positions bigint[], OUT recorded timestamptz, OUT refusal text
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    isolation text := current_setting('transaction_isolation');
    fixed     bool := isolation <> 'read committed';
    attempts  int := CASE WHEN fixed THEN 1 ELSE 3 END;
    status    int;
BEGIN
    IF fixed AND (p_unless IS NOT NULL OR p_inline <> '') THEN
        status := 8;
        refusal := isolation;
        attempts := 0;
    ELSIF fixed THEN
        PERFORM set_config('leftfold.joined', 'on', true);
    END IF;
    FOR attempt IN 1 .. attempts LOOP
        BEGIN
            SELECT a.statuses, a.versions, a.positions, a.listened, a.event_positions, a.recorded
              INTO statuses, versions, positions, listened, event_positions, recorded
              FROM {schema}.append_v1(p_together, p_wait, p_unless, p_firsts, p_after, p_seen, p_streams, p_expected, p_counts,
                                      p_ids, p_types, p_schema_versions, p_datas, p_metadatas, p_tags, p_occurred,
                                      p_inline, p_rows) a;
            status := NULL;
            EXIT;
        EXCEPTION
            WHEN unique_violation THEN
                status := 6;
            WHEN data_exception OR program_limit_exceeded THEN
                status := 7;
                refusal := SQLERRM;
                EXIT;
        END;
    END LOOP;
    IF fixed THEN
        PERFORM set_config('leftfold.joined', '', true);
    END IF;
    IF status IS NOT NULL THEN
        statuses := array_fill(status, ARRAY[cardinality(p_streams)]);
        versions := array_fill(0::bigint, ARRAY[cardinality(p_streams)]);
        positions := versions;
    END IF;
END $$;
