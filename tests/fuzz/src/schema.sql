-- What the statements are about. Tables, columns, constraints, functions and types share names on
-- purpose. Whatever belongs to the team's own code leaves a trace in a sequence when it runs, which
-- no rollback takes back.
CREATE SCHEMA bank;
CREATE SCHEMA tenet;
CREATE SCHEMA trace;
CREATE SEQUENCE trace.function;
CREATE SEQUENCE trace.operator;
CREATE SEQUENCE trace."cast";

CREATE TYPE mood AS ENUM ('sad', 'ok', 'day');

CREATE UNLOGGED TABLE accounts (
    id text,
    balance numeric DEFAULT 0,
    secret text,
    day date,
    touch int,
    note text,
    total numeric GENERATED ALWAYS AS (balance * 2) STORED,
    rid int,
    CONSTRAINT id PRIMARY KEY (id),
    CONSTRAINT note UNIQUE (note, secret),
    CONSTRAINT balance CHECK (balance >= 0),
    CONSTRAINT touch CHECK (balance < 1000 OR CAST(secret AS date) IS NOT NULL)
);
CREATE UNLOGGED TABLE totals (
    account text,
    day date,
    paid numeric,
    note text,
    "bank.rates" text,
    mood mood DEFAULT 'ok',
    rid int,
    PRIMARY KEY (account, day),
    CONSTRAINT paid UNIQUE (account, note),
    CONSTRAINT total CHECK (paid < 1000)
);
CREATE UNLOGGED TABLE items (
    id int PRIMARY KEY,
    account text REFERENCES accounts (id),
    note text,
    value text,
    rid int
);
CREATE UNLOGGED TABLE open (
    id int PRIMARY KEY,
    items jsonb,
    note text,
    date date,
    value numeric,
    flag bool,
    "left" int,
    list int[],
    rid int
);
CREATE UNLOGGED TABLE diary (
    line text DEFAULT '',
    at timestamptz DEFAULT '2026-01-01T00:00:00Z',
    secret text DEFAULT 'unwritten',
    rid int,
    CONSTRAINT line CHECK (length(line) < 40)
);
CREATE UNLOGGED TABLE day (id int, secret date, note text, value text, at timestamptz, rid int);
CREATE UNLOGGED TABLE secret (id int, secret text, note text, rid int);
CREATE UNLOGGED TABLE "bank.rates" (id int, rate numeric, secret text, rid int);
CREATE UNLOGGED TABLE rates (id int, rate numeric, secret text, rid int);
CREATE UNLOGGED TABLE "Accounts" (id text, balance numeric, secret text, rid int);
CREATE UNLOGGED TABLE bank.rates (id int, rate numeric, secret text, day date, rid int);
CREATE UNLOGGED TABLE bank.accounts (id text, balance numeric, secret text, rid int);
CREATE UNLOGGED TABLE tenet.keys (id int, secret text, rid int);
CREATE VIEW balances AS SELECT id, secret, balance, note FROM accounts;
CREATE VIEW paid_by_day AS SELECT account, day, paid, note FROM totals;
CREATE SEQUENCE receipts;
CREATE SEQUENCE bank.receipts;
CREATE SEQUENCE count;

INSERT INTO accounts (id, balance, secret, day, touch, note, rid) VALUES
    ('a', 1, 'x', '2026-01-03', 7, 'n', 1), ('b', 20, 'x', '2026-01-01', 8, 'o', 2),
    ('c', 3.5, 'x', NULL, NULL, 'p', 3), ('d', 20, 'x', '2026-01-02', 7, 'q', 4);
INSERT INTO totals (account, day, paid, note, "bank.rates", rid) VALUES
    ('a', '2026-01-01', 1, 'n', 'r', 1), ('a', '2026-01-02', 2, 'o', 's', 2), ('b', '2026-01-01', 3, 'p', 't', 3);
INSERT INTO items VALUES (1, 'a', 'n', 'v', 1), (2, 'b', 'o', 'w', 2), (3, 'a', 'p', 'u', 3);
INSERT INTO open VALUES (1, '[1, 2]', 'x', '2026-01-01', 1.5, true, 3, '{1,2}', 1),
    (2, '{"id": "b", "day": 2}', 'y', '2026-02-01', 2.5, false, 2, '{3}', 2), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3);
INSERT INTO diary VALUES ('l', '2026-01-01T00:00:00Z', 's', 1), ('m', '2026-01-02T00:00:00Z', 's', 2);
INSERT INTO day VALUES (1, '2026-01-01', 'n', 'v', '2026-01-01T10:00:00Z', 1), (2, '2026-01-02', 'n', 'w', '2026-01-01T09:00:00Z', 2);
INSERT INTO secret VALUES (1, 's', 'n', 1), (2, 's', 'n', 2), (3, 's', 'n', 3);
INSERT INTO "bank.rates" VALUES (1, 1, 's', 1), (2, 2, 's', 2);
INSERT INTO rates VALUES (1, 1, 's', 1), (2, 2, 's', 2);
INSERT INTO "Accounts" VALUES ('a', 1, 's', 1), ('b', 2, 's', 2);
INSERT INTO bank.rates VALUES (1, 1.25, 's', '2026-01-01', 1), (2, 0.5, 's', '2026-01-02', 2), (3, 4, 's', '2026-01-03', 3);
INSERT INTO bank.accounts VALUES ('a', 1, 's', 1), ('b', 2, 's', 2);
INSERT INTO tenet.keys VALUES (1, 's', 1), (2, 's', 2);

-- Functions of the team: with the names of columns, of tables and of PostgreSQL's own functions, of
-- no argument, of any, of a row, of several.
DO $$
DECLARE
    name text;
    arguments text;
BEGIN
    FOREACH name IN ARRAY ARRAY['touch_any', 'id', 'secret', 'note', 'balance', 'value', 'day', 'total', 'count', 'lower', 'left', 'max', 'now', 'rate', 'item', 'date', 'text', 'length'] LOOP
        FOREACH arguments IN ARRAY ARRAY['', 'anyelement', 'accounts', 'totals', 'text', 'text, text', 'bigint'] LOOP
            CONTINUE WHEN name = 'text' AND arguments <> '' AND arguments <> 'accounts';
            EXECUTE format($f$CREATE FUNCTION public.%I(%s) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''trace.function''); RETURN ''ran''; END'$f$, name, arguments);
        END LOOP;
    END LOOP;
END
$$;
CREATE FUNCTION bank.lower(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''trace.function''); RETURN ''ran''; END';

-- Operators of the team, for types that PostgreSQL's own of these names are not for.
CREATE FUNCTION trace.of_text(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''trace.operator''); RETURN ''ran''; END';
CREATE FUNCTION trace.of_json(json, json) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''trace.operator''); RETURN true; END';
CREATE FUNCTION trace.of_row(anyelement, anyelement) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''trace.operator''); RETURN ''ran''; END';
CREATE FUNCTION trace.of_one(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''trace.operator''); RETURN ''ran''; END';
CREATE OPERATOR public.+ (FUNCTION = trace.of_text, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR public.- (FUNCTION = trace.of_one, RIGHTARG = text);
CREATE OPERATOR public.= (FUNCTION = trace.of_json, LEFTARG = json, RIGHTARG = json);
CREATE OPERATOR public.~ (FUNCTION = trace.of_row, LEFTARG = anyelement, RIGHTARG = anyelement);
CREATE OPERATOR public.@@@ (FUNCTION = trace.of_text, LEFTARG = text, RIGHTARG = text);

-- A cast of the team.
CREATE FUNCTION trace.text_of(accounts) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''trace.cast''); RETURN 1; END';
CREATE CAST (accounts AS text) WITH FUNCTION trace.text_of(accounts) AS ASSIGNMENT;
