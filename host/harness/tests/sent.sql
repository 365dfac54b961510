-- guest/rules, count-transactions
SELECT "pg_catalog"."count"(*) AS "count" FROM "public"."transactions"

-- guest/rules, limits
INSERT INTO "public"."daily_totals" ("account_id", "day", "paid") SELECT "accounts"."id", $2 AS "?column?", $3 AS "?column?" FROM "public"."accounts" WHERE "accounts"."id" = $1 ON CONFLICT ("account_id", "day") DO UPDATE SET "paid" = "daily_totals"."paid" + "excluded"."paid" RETURNING "daily_totals"."paid", (SELECT "accounts"."daily_ceiling" FROM "public"."accounts" WHERE "accounts"."id" = $1) AS "ceiling"

-- guest/rules, open-account
INSERT INTO "public"."accounts" ("id", "balance", "daily_ceiling", "opened_at") VALUES ($1, $2, $3, $4) ON CONFLICT ("id") DO NOTHING

-- guest/rules, record-transaction
INSERT INTO "public"."transactions" ("id", "amount", "timestamp", "region") VALUES ($1, $2, $3, $4) ON CONFLICT ("id") DO NOTHING

-- guest/rules, show-account
SELECT "accounts"."id" AS "account", "accounts"."balance", "accounts"."daily_ceiling", COALESCE("daily_totals"."paid", 0.00) AS "paid_today" FROM "public"."accounts" LEFT JOIN "public"."daily_totals" ON "daily_totals"."account_id" = "accounts"."id" AND "daily_totals"."day" = $2 WHERE "accounts"."id" = $1

-- guest/rules, transfer
UPDATE "public"."accounts" SET "balance" = "accounts"."balance" + $2 WHERE "accounts"."id" = $1 AND "accounts"."balance" + $2 >= 0

-- guest/rules, transfer
INSERT INTO "public"."ledger" ("id", "transfer_id", "payer", "payee", "amount", "posted_at") VALUES ($1, $2, $3, $4, $5, $6)

-- guest/rules, transfer
SELECT "accounts"."balance" FROM "public"."accounts" WHERE "accounts"."id" = $1

-- tests/guests, guarded
UPDATE "public"."counters" SET "value" = "counters"."value" - $1 WHERE "counters"."id" = 0 AND "counters"."value" >= $1

-- tests/guests, guarded
UPDATE "public"."counters" SET "value" = "counters"."value" - $2 WHERE "counters"."id" = $1

-- tests/guests, probe
SELECT 1 AS "?column?"

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES ($1, $2)

-- tests/guests, probe
SELECT "pg_catalog"."count"(*) AS "count" FROM "public"."counters"

-- tests/guests, probe
SELECT "counters"."value" FROM "public"."counters" WHERE "counters"."id" = $1

-- tests/guests, probe
SELECT "counters"."value" FROM "public"."counters" WHERE "counters"."id" = $1

-- tests/guests, probe
UPDATE "public"."counters" SET "value" = $2 WHERE "counters"."id" = $1

-- tests/guests, probe
SELECT $1 AS "?column?"

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES ($1, 0)

-- tests/guests, probe
SELECT "n"."n" FROM "pg_catalog"."generate_series"(1, $1) AS "n"

-- tests/guests, probe
UPDATE "public"."counters" SET "value" = "counters"."value" + 1 WHERE "counters"."id" = $1

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES (- 1, 0), (- 1, 0)

-- tests/guests, probe
SELECT 1 AS "?column?"

-- tests/guests, probe
SELECT 2 AS "?column?"

-- tests/guests, probe
SELECT 3 AS "?column?"

-- tests/guests, probe
SELECT $1::BOOLEAN AS "boolean", $2::SMALLINT AS "int2", $3::INTEGER AS "int4", $4::BIGINT AS "int8", $5::DOUBLE PRECISION AS "float8", $6::NUMERIC AS "numeric", $7::TEXT AS "text", $8::BYTEA AS "bytea", $9::UUID AS "uuid", $10::DATE AS "date", $11::TIME AS "time", $12::TIMESTAMP AS "timestamp", $13::TIMESTAMPTZ AS "timestamptz", $14::INTERVAL AS "interval", $15::JSONB AS "json"

-- tests/guests, probe
INSERT INTO "public"."counters" ("id", "value") VALUES ($1, $2)

-- tests/guests, rows
SELECT "n"."n" AS "id", 'owner ' || "n"."n" AS "owner", "n"."n" * 1.25 AS "balance", (TIMESTAMPTZ '2026-01-31 00:00:00+00') + "n"."n" * (INTERVAL '1 hour') AS "opened", "n"."n" % 2 = 0 AS "active" FROM "pg_catalog"."generate_series"((1::BIGINT), ($1::BIGINT)) AS "n"

-- tests/guests, safe
INSERT INTO "public"."secrets" ("id", "iban") VALUES ($1, $2) ON CONFLICT ("id") DO UPDATE SET "iban" = $2

-- tests/guests, safe
SELECT "secrets"."iban" FROM "public"."secrets" WHERE "secrets"."id" = $1

-- tests/guests, skewed
SELECT "pg_catalog"."sum"("counters"."value")::BIGINT AS "sum" FROM "public"."counters" WHERE "counters"."id" IN (1, 2)

-- tests/guests, skewed
UPDATE "public"."counters" SET "value" = "counters"."value" - $2 WHERE "counters"."id" = $1

-- tests/guests, values
SELECT "pg_catalog"."jsonb_build_object"('is', $1)::TEXT AS "jsonb_build_object"

-- tests/guests, values
SELECT (1 / $1::BIGINT)::TEXT AS "text"

-- tests/guests, values
SELECT $1 AS "?column?"

-- tests/guests, values
SELECT ($1::JSONB)::TEXT AS "text"

-- tests/guests, veto
SELECT "counters"."value" FROM "public"."counters" WHERE "counters"."id" = $1

