CREATE TABLE IF NOT EXISTS tenet.steps (
    name varchar(255) PRIMARY KEY,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL
)
