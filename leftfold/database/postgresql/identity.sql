SELECT store FROM {schema}.epochs ORDER BY epoch DESC LIMIT 1
