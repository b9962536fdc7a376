SELECT current_setting('transaction_isolation'),
       CASE current_setting('transaction_isolation') WHEN 'read committed' THEN {schema}.head_v1() END
