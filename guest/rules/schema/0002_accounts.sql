CREATE TABLE IF NOT EXISTS accounts (
    id varchar(64) PRIMARY KEY,
    balance numeric(38,2) NOT NULL CHECK (balance >= 0),
    daily_ceiling numeric(12,2) NOT NULL CHECK (daily_ceiling >= 0),
    opened_at timestamptz NOT NULL
);
