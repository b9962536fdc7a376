SELECT status, version, position, listened
FROM {schema}.append_one_v1(%s, %s, %s, %s::uuid, %s, %s, %s, %s, %s::timestamptz)
