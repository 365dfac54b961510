CREATE INDEX ASYNC IF NOT EXISTS follow_ups_by_due ON tenet.follow_ups (bucket, due)
