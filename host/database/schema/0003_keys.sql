CREATE TABLE IF NOT EXISTS tenet.keys (
    operation varchar(255) NOT NULL,
    caller varchar(32) NOT NULL,
    key varchar(255) NOT NULL,
    digest bytea NOT NULL,
    accepted boolean NOT NULL,
    answer text NOT NULL,
    now timestamptz NOT NULL,
    stored_at timestamptz NOT NULL,
    region varchar(64) NOT NULL,
    PRIMARY KEY (operation, caller, key)
)
