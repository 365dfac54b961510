CREATE INDEX ASYNC IF NOT EXISTS idx_transactions_region ON transactions (region);
