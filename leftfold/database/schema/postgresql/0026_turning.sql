-- While two generations change places, the one is neither: no two of a projection may have the same role at any time.
ALTER TABLE {schema}.projections DROP CONSTRAINT projections_role_check;
ALTER TABLE {schema}.projections ADD CONSTRAINT projections_role_check
    CHECK (role IN ('live', 'shadow', 'former', 'turning'));
