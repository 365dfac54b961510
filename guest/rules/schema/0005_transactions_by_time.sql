CREATE INDEX ASYNC IF NOT EXISTS idx_transactions_timestamp ON transactions (timestamp);
