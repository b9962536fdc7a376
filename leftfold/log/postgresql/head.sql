SELECT {schema}.head_v1()
