CREATE TABLE IF NOT EXISTS counters (
    id int PRIMARY KEY,
    value bigint NOT NULL
);
