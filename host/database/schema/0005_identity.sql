CREATE TABLE IF NOT EXISTS tenet.identity (
    one int PRIMARY KEY CHECK (one = 1),
    id uuid NOT NULL
)
