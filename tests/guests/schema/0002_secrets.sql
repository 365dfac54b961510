CREATE TABLE IF NOT EXISTS secrets (
    id varchar(64) PRIMARY KEY,
    iban bytea,
    bic bytea,
    note varchar(64)
);
