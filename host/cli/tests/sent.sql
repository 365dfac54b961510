-- guest/rules, count-transactions
SELECT "pg_catalog"."count"(*) FROM "public"."transactions"

-- guest/rules, limits
INSERT INTO "public"."daily_totals" ("account_id", "day", "paid") SELECT "id", $2, $3 FROM "public"."accounts" WHERE "id" = $1 ON CONFLICT ("account_id", "day") DO UPDATE SET "paid" = "daily_totals"."paid" + "excluded"."paid" RETURNING "paid", (SELECT "daily_ceiling" FROM "public"."accounts" WHERE "id" = $1) AS "ceiling"

-- guest/rules, open-account
INSERT INTO "public"."accounts" ("id", "balance", "daily_ceiling", "opened_at") VALUES ($1, $2, $3, $4) ON CONFLICT ("id") DO NOTHING

-- guest/rules, record-transaction
INSERT INTO "public"."transactions" ("id", "amount", "timestamp", "region") VALUES ($1, $2, $3, $4) ON CONFLICT ("id") DO NOTHING

-- guest/rules, show-account
SELECT "id" AS "account", "balance", "daily_ceiling", COALESCE("paid", 0.00) AS "paid_today" FROM "public"."accounts" LEFT JOIN "public"."daily_totals" ON "account_id" = "id" AND "day" = $2 WHERE "id" = $1

-- guest/rules, transfer
UPDATE "public"."accounts" SET "balance" = "balance" + $2 WHERE "id" = $1 AND "balance" + $2 >= 0

-- guest/rules, transfer
INSERT INTO "public"."ledger" ("id", "transfer_id", "payer", "payee", "amount", "posted_at") VALUES ($1, $2, $3, $4, $5, $6)

-- guest/rules, transfer
SELECT "balance" FROM "public"."accounts" WHERE "id" = $1

-- tests/guests, guarded
UPDATE "public"."counters" SET "value" = "value" - $1 WHERE "id" = 0 AND "value" >= $1

-- tests/guests, guarded
UPDATE "public"."counters" SET "value" = "value" - $2 WHERE "id" = $1

-- tests/guests, probe
SELECT 1

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES ($1, $2)

-- tests/guests, probe
SELECT "pg_catalog"."count"(*) FROM "public"."counters"

-- tests/guests, probe
SELECT "value" FROM "public"."counters" WHERE "id" = $1

-- tests/guests, probe
SELECT "value" FROM "public"."counters" WHERE "id" = $1

-- tests/guests, probe
UPDATE "public"."counters" SET "value" = $2 WHERE "id" = $1

-- tests/guests, probe
SELECT $1

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES ($1, 0)

-- tests/guests, probe
SELECT "n" FROM "pg_catalog"."generate_series"(1, $1) AS "n"

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES (- 1, 0), (- 1, 0)

-- tests/guests, probe
SELECT 1

-- tests/guests, probe
SELECT 2

-- tests/guests, probe
SELECT 3

-- tests/guests, probe
SELECT $1::BOOLEAN AS "boolean", $2::SMALLINT AS "int2", $3::INTEGER AS "int4", $4::BIGINT AS "int8", $5::DOUBLE PRECISION AS "float8", $6::NUMERIC AS "numeric", $7::TEXT AS "text", $8::BYTEA AS "bytea", $9::UUID AS "uuid", $10::DATE AS "date", $11::TIME AS "time", $12::TIMESTAMP AS "timestamp", $13::TIMESTAMPTZ AS "timestamptz", $14::INTERVAL AS "interval", $15::JSONB AS "json"

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES ($1, $2)

-- tests/guests, rows
SELECT "n" AS "id", 'owner ' || "n" AS "owner", "n" * 1.25 AS "balance", (TIMESTAMPTZ '2026-01-31 00:00:00+00') + "n" * (INTERVAL '1 hour') AS "opened", "n" % 2 = 0 AS "active" FROM "pg_catalog"."generate_series"((1::BIGINT), ($1::BIGINT)) AS "n"

-- tests/guests, safe
INSERT INTO "public"."secrets" ("id", "iban") VALUES ($1, $2) ON CONFLICT ("id") DO UPDATE SET "iban" = $2

-- tests/guests, safe
SELECT "iban" FROM "public"."secrets" WHERE "id" = $1

-- tests/guests, skewed
SELECT "pg_catalog"."sum"("value")::BIGINT FROM "public"."counters" WHERE "id" IN (1, 2)

-- tests/guests, skewed
UPDATE "public"."counters" SET "value" = "value" - $2 WHERE "id" = $1

-- tests/guests, values
SELECT (1 / $1::BIGINT)::TEXT

-- tests/guests, values
SELECT $1

-- tests/guests, values
SELECT ($1::JSONB)::TEXT

-- tests/guests, veto
SELECT "value" FROM "public"."counters" WHERE "id" = $1

