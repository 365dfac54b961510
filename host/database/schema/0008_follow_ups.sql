CREATE TABLE IF NOT EXISTS tenet.follow_ups (
    id uuid PRIMARY KEY,
    bucket int2 NOT NULL,
    due timestamptz NOT NULL,
    operation varchar(255) NOT NULL,
    payload text NOT NULL,
    caller text,
    chain uuid NOT NULL,
    parent uuid,
    on_rejection varchar(255),
    rejection_payload text,
    on_failure varchar(255),
    failure_payload text,
    label varchar(200),
    region varchar(64) NOT NULL,
    trace varchar(100),
    failures int NOT NULL,
    parked varchar(500)
)
