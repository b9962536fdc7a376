SELECT head, head_id, found_id, store, epoch FROM {schema}.survey_v1(%s)
