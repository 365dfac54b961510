CREATE TABLE IF NOT EXISTS transactions (
    id varchar(255) PRIMARY KEY,
    amount decimal(10,2) NOT NULL,
    timestamp timestamp NOT NULL,
    region varchar(50) NOT NULL,
    status varchar(50) DEFAULT 'pending'
);
