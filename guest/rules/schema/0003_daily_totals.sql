CREATE TABLE IF NOT EXISTS daily_totals (
    account_id varchar(64) NOT NULL,
    day date NOT NULL,
    paid numeric(38,2) NOT NULL CHECK (paid >= 0),
    PRIMARY KEY (account_id, day)
);
