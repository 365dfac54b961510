CREATE TABLE IF NOT EXISTS ledger (
    id uuid PRIMARY KEY,
    transfer_id varchar(64) NOT NULL,
    payer varchar(64) NOT NULL,
    payee varchar(64) NOT NULL,
    amount numeric(12,2) NOT NULL CHECK (amount > 0),
    posted_at timestamptz NOT NULL
);
