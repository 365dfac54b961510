CREATE TABLE IF NOT EXISTS held (
    id varchar(64) PRIMARY KEY,
    of_boolean boolean,
    of_int2 smallint,
    of_int4 integer,
    of_int8 bigint,
    of_float8 double precision,
    of_numeric numeric(38, 10),
    of_text text,
    of_bytea bytea,
    of_uuid uuid,
    of_date date,
    of_time time,
    of_timestamp timestamp,
    of_timestamptz timestamptz,
    of_interval interval
);
