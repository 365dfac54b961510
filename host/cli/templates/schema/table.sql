CREATE TABLE IF NOT EXISTS {{table}} (
    customer varchar(255) PRIMARY KEY,
    balance bigint NOT NULL
);
