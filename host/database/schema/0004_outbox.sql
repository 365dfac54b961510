CREATE TABLE IF NOT EXISTS tenet.outbox (
    id uuid PRIMARY KEY,
    operation varchar(255) NOT NULL,
    caller varchar(32) NOT NULL,
    key varchar(255) NOT NULL,
    ordinal int NOT NULL,
    source text NOT NULL,
    detail_type text NOT NULL,
    detail text NOT NULL,
    region varchar(64) NOT NULL,
    at timestamptz NOT NULL,
    trace varchar(100),
    parked varchar(500)
)
