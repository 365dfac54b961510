CREATE INDEX ASYNC IF NOT EXISTS keys_by_age ON tenet.keys (accepted, stored_at)
