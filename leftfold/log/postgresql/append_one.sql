SELECT status, version, position, listened
FROM {schema}.append_one_v3(%s, %s, %s, %s::uuid, %s, %s, %s, %s, %s::timestamptz)
