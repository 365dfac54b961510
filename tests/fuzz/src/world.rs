//! The databases in which statements run, and the grants of the rules in them.
//!
//! Each rule has a world of three databases. They have the same rows as far as the rule may read
//! them. The values that it may not read differ between the first two, in each value and in their
//! order, so that no statement's result may depend on them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

use anyhow::Context;
use tenet_core::bundle::{self, CONTRACT, Index, VERSION};
use tenet_core::{Catalog, CatalogColumn, CatalogTable, Grants, HostSettings, Limits};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::Subject;

/// The tables and all other objects of the team.
const SCHEMA: &str = include_str!("schema.sql");

/// The grants of each rule, by its name.
const RULES: [(&str, &str); 3] = [
    (
        "teller",
        r#"{
            "tables": {
                "accounts": {"select": ["id", "balance", "day", "touch"], "insert": ["id", "balance"], "update": ["balance", "day"]},
                "totals": {"select": ["account", "day", "paid"], "insert": ["account", "day", "paid"], "update": ["paid"], "delete": true},
                "open": {"select": "*", "insert": "*", "update": "*"},
                "diary": {"insert": ["line"]},
                "day": {"select": ["id", "value", "at"]},
                "bank.rates": {"select": ["id", "rate", "day"]},
                "paid_by_day": {"select": ["account", "day", "paid"]}
            },
            "sequences": ["receipts"]
        }"#,
    ),
    (
        "clerk",
        r#"{
            "tables": {
                "accounts": {"select": "*", "update": ["note"]},
                "totals": {"select": ["account", "day", "note"], "update": ["note"], "delete": true},
                "items": {"select": ["id", "value"], "insert": ["id", "account", "note"]},
                "open": {"select": ["id", "note"], "update": "*"},
                "bank.rates": {"select": "*"},
                "secret": {"select": ["id"]},
                "balances": {"select": ["id", "balance"]}
            },
            "sequences": ["bank.receipts"]
        }"#,
    ),
    (
        "writer",
        r#"{
            "tables": {
                "accounts": {"insert": ["id", "note"], "update": ["touch"]},
                "totals": {"select": ["paid", "mood"], "insert": "*"},
                "diary": {"select": ["line", "at"], "insert": ["line", "at"], "delete": true},
                "open": {"select": ["id", "date", "list"], "insert": "*"},
                "day": {"select": ["id", "secret"], "update": ["value"]},
                "bank.accounts": {"select": ["id", "balance"], "update": ["balance"]}
            },
            "sequences": []
        }"#,
    ),
];

/// Columns that identify rows, or that others reference. Their values are the same in every
/// database.
const FIXED: [(&str, &str); 3] = [("accounts", "id"), ("items", "account"), ("items", "id")];

/// The contents of all tables, if a statement has written.
const EVERYTHING: &str = "PREPARE asked_of_everything AS SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL \
                          THEN NULL ELSE trace.everything() END";

/// The timeout of a statement.
pub const TIMEOUT: &str = "SET statement_timeout = '1s'";

/// The initial rows have a `rid` up to this.
const ROWS: u32 = 8;

/// A kind of values, as far as the grammar distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Text,
    Number,
    Int,
    Bool,
    Date,
    Stamp,
    Span,
    Time,
    Json,
    Jsonb,
    Bytes,
    Uuid,
    Texts,
    Ints,
    /// A type of the team's, or one that is not distinguished.
    Other,
}

impl Kind {
    /// The kind of a type, by PostgreSQL's name for it.
    pub fn of(name: &str) -> Self {
        match name {
            "text" | "varchar" | "bpchar" | "character varying" | "name" | "unknown" => Self::Text,
            "numeric" | "float8" | "float4" | "double precision" | "real" => Self::Number,
            "int4" | "int2" | "int8" | "integer" | "smallint" | "bigint" => Self::Int,
            "bool" | "boolean" => Self::Bool,
            "date" => Self::Date,
            "timestamp" | "timestamptz" | "timestamp with time zone" | "timestamp without time zone" => Self::Stamp,
            "time" | "timetz" | "time without time zone" | "time with time zone" => Self::Time,
            "interval" => Self::Span,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "bytea" => Self::Bytes,
            "uuid" => Self::Uuid,
            "_text" | "text[]" => Self::Texts,
            "_int4" | "integer[]" | "_int8" => Self::Ints,
            _ => Self::Other,
        }
    }
}

/// A table of the world, granted or not.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in the grants.
    pub name: String,
    pub schema: String,
    pub bare: String,
    pub columns: Vec<(String, Kind, String)>,
    pub is_view: bool,
    pub constraints: Vec<(String, Vec<String>)>,
    oid: u32,
}

/// One rule, and the tables as it sees them.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: String,
    pub grants: Grants,
    pub tables: Vec<Table>,
    pub sequences: Vec<String>,
    pub index: Index,
}

/// The three databases of a rule, with their connections.
pub struct World {
    pub rule: Rule,
    /// As the owner of the tables.
    pub first: Client,
    /// As the owner, in the database with other hidden values.
    pub second: Client,
    /// As a role with exactly the rule's privileges.
    pub role: Client,
    /// As such a role, in the second database.
    pub limited: Client,
    /// As such a role, with the search path that an author expects.
    pub written: Client,
    /// Every value that the rule may not read, as text.
    pub hidden: BTreeSet<String>,
    /// The days around today, in the server's spelling: no row has one. A run may last that long.
    pub days: Vec<String>,
    /// For each relation that may be locked, by its oid: whether by more than reading.
    pub may_lock: HashMap<u32, bool>,
    /// `table rid` and a digest of the columns that may not change.
    pub kept: BTreeSet<String>,
    /// Tables that may get new rows, and those that may lose rows.
    pub may_grow: BTreeSet<String>,
    pub may_shrink: BTreeSet<String>,
    server: String,
    databases: Vec<String>,
    role_name: String,
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = Config::from_str(url)?.connect(NoTls).await.context("cannot connect")?;
    tokio::spawn(connection);
    Ok(client)
}

/// The rows of a query, as text.
pub async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect::<Vec<_>>())
        }
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn qualified(table: &Table) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.bare))
}

impl World {
    /// The number of rules.
    pub const RULES: usize = RULES.len();

    /// Creates the databases of one rule on a server.
    pub async fn new(server: &str, number: usize) -> anyhow::Result<Self> {
        let admin = connect(server).await?;
        let (rule_name, _) = RULES.get(number % RULES.len()).context("there is no such rule")?;
        let base = format!("fuzz_{}_{number}", std::process::id());
        let role_name = format!("{base}_role");
        let (mut databases, mut urls) = (Vec::<String>::new(), Vec::new());
        for which in ["a", "b", "c"] {
            let name = format!("{base}_{which}");
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
            // The second and the third are copies, so that oids are the same in each.
            let template = databases.first().map_or("template1", String::as_str);
            admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
            let url = format!("{}/{name}", server.rsplit_once('/').context("the URL names no database")?.0);
            if databases.is_empty() {
                // This connection ends here: a database with a connection cannot be copied.
                let (client, connection) = Config::from_str(&url)?.connect(NoTls).await.context("cannot connect")?;
                let ended = tokio::spawn(connection);
                client.batch_execute(SCHEMA).await.context("the schema")?;
                drop(client);
                let _ = ended.await;
            }
            databases.push(name);
            urls.push(url);
        }
        let [a, b, c] = <[String; 3]>::try_from(urls).map_err(|_| anyhow::anyhow!("there are three of them"))?;
        let (first, second, role) = (connect(&a).await?, connect(&b).await?, connect(&c).await?);
        let (limited, written) = (connect(&b).await?, connect(&c).await?);
        let rule = Rule::read(&first, rule_name).await?;
        for (client, is_second) in [(&first, false), (&second, true), (&role, false)] {
            rule.hide(client, is_second).await.context("what is hidden")?;
        }
        admin.batch_execute(&format!("DROP ROLE IF EXISTS {role_name}; CREATE ROLE {role_name}")).await?;
        for privilege in tenet_policy::privileges(&rule.grants, &role_name) {
            role.batch_execute(&privilege).await.context("the privileges")?;
            second.batch_execute(&privilege).await.context("the privileges")?;
        }
        let mut world = Self {
            rule,
            first,
            second,
            role,
            limited,
            written,
            hidden: BTreeSet::new(),
            days: Vec::new(),
            may_lock: HashMap::new(),
            kept: BTreeSet::new(),
            may_grow: BTreeSet::new(),
            may_shrink: BTreeSet::new(),
            server: server.to_owned(),
            databases,
            role_name,
        };
        world.prepare().await?;
        Ok(world)
    }

    async fn prepare(&mut self) -> anyhow::Result<()> {
        let Self { rule, first, second, role, limited, written, .. } = self;
        for client in [&*first, &*second] {
            for table in rule.tables.iter().filter(|table| !table.is_view) {
                for (name, ..) in rule.hidden_columns(table) {
                    let sql = format!("SELECT {}::text FROM {}", quoted(&name), qualified(table));
                    let values = rows(client, &sql).await?.into_iter().flatten().flatten();
                    self.hidden.extend(values.filter(|value| value.len() >= 7));
                }
            }
        }
        let days = "SELECT (current_date + n)::text FROM generate_series(-1, 3) n";
        self.days = rows(first, days).await?.into_iter().flatten().flatten().collect();
        self.may_lock = rule.may_lock(first).await?;
        for (table, grant) in &rule.grants.tables {
            if !grant.insert.is_none() {
                self.may_grow.insert(table.clone());
            }
            if grant.delete {
                self.may_shrink.insert(table.clone());
            }
        }
        // An index over hidden values would return rows in its order where nothing sorts them. The
        // search path is that of the host's connections.
        let settings = "SET statement_timeout = '1s'; SET jit = off; SET client_min_messages = error; SET log_min_messages = panic; SET track_activities = off; \
                        SET max_parallel_workers_per_gather = 0; SET TimeZone = 'UTC'; SET lc_messages = 'C'; \
                        SET search_path = pg_catalog; \
                        SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off";
        let (functions, prepared) = (rule.functions(), rule.prepared());
        for client in [&*limited, &*written] {
            client.batch_execute(settings).await?;
            client.batch_execute("SET default_transaction_read_only = on").await?;
        }
        for client in [&*first, &*second, &*role] {
            client.batch_execute(settings).await?;
            client.batch_execute(&functions).await.context("what is asked of the rows")?;
            client.batch_execute(&prepared).await.context("what is asked after each statement")?;
        }
        let asked = "GRANT USAGE ON SCHEMA trace TO PUBLIC; \
                     GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA trace TO PUBLIC";
        for client in [&*first, &*second, &*role] {
            client.batch_execute(asked).await?;
        }
        // In the database where original texts run too, no object of the team's may be a better
        // match than PostgreSQL's own with the same name.
        let without = "DO $$ DECLARE f text; BEGIN \
                       FOR f IN SELECT oid::regprocedure::text FROM pg_proc WHERE prokind = 'f' AND \
                       (pronamespace = 'public'::regnamespace OR (pronamespace = 'trace'::regnamespace AND pronargs > 0)) \
                       LOOP EXECUTE 'DROP FUNCTION ' || f || ' CASCADE'; END LOOP; END $$";
        role.batch_execute(without).await.context("what the team has")?;
        written.batch_execute(&format!("{EVERYTHING}; SET search_path = public")).await?;
        for client in [&*role, &*limited, &*written] {
            client.batch_execute(&format!("SET SESSION AUTHORIZATION {}", self.role_name)).await?;
        }
        // A statement outside a transaction, because BEGIN timed out, changes nothing.
        for client in [&*first, &*second, &*role] {
            client.batch_execute("SET default_transaction_read_only = on").await?;
        }
        let kept = rows(first, &rule.kept()).await?;
        self.kept = kept
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(|all| all.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        self.tidy().await
    }

    /// The name of the table with this oid, if it is one of the schema's.
    pub fn name_of(&self, oid: u32) -> String {
        let table = self.rule.tables.iter().find(|table| table.oid == oid);
        table.map_or_else(|| oid.to_string(), |table| table.name.clone())
    }

    /// Removes the dead rows of statements that were rolled back.
    pub async fn tidy(&self) -> anyhow::Result<()> {
        let tables: Vec<String> = self.rule.tables.iter().filter(|table| !table.is_view).map(qualified).collect();
        let vacuum = format!("VACUUM FULL {}", tables.join(", "));
        for client in [&self.first, &self.second] {
            client.batch_execute("SET statement_timeout = 0").await?;
            client.batch_execute(&vacuum).await?;
            client.batch_execute(TIMEOUT).await?;
        }
        self.role.batch_execute("SET SESSION AUTHORIZATION DEFAULT").await?;
        self.role.batch_execute("SET statement_timeout = 0").await?;
        self.role.batch_execute(&vacuum).await?;
        self.role.batch_execute(TIMEOUT).await?;
        self.role.batch_execute(&format!("SET SESSION AUTHORIZATION {}", self.role_name)).await?;
        Ok(())
    }

    /// Drops the databases and the role.
    pub async fn end(self) -> anyhow::Result<()> {
        let Self { first, second, role, limited, written, server, databases, role_name, .. } = self;
        drop((first, second, role, limited, written));
        let admin = connect(&server).await?;
        for database in databases {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await?;
        }
        admin.batch_execute(&format!("DROP ROLE {role_name}")).await?;
        Ok(())
    }
}

impl Rule {
    /// Reads the objects of the schema, and the grants of the rule with this name.
    async fn read(client: &Client, name: &str) -> anyhow::Result<Self> {
        let tables = tables(client).await?;
        let sequences = rows(
            client,
            "SELECT CASE schemaname WHEN 'public' THEN '' ELSE schemaname || '.' END || sequencename FROM pg_sequences",
        )
        .await?;
        let mut granted = BTreeMap::new();
        for (rule, grants) in RULES {
            granted.insert(rule.to_owned(), serde_json::from_str::<Grants>(grants)?);
        }
        let catalog = catalog(&tables, &granted);
        let index = Index {
            version: VERSION,
            contract: CONTRACT.to_owned(),
            contract_sha256: String::new(),
            sources: String::new(),
            compiled_for: None,
            bootstrap: None,
            host: HostSettings::default(),
            ceilings: Limits::default(),
            operations: Vec::new(),
            rules: granted
                .iter()
                .map(|(name, grants)| bundle::Rule {
                    name: name.clone(),
                    description: String::new(),
                    component: bundle::File { path: String::new(), sha256: String::new() },
                    compiled: None,
                    limits: Limits::default(),
                    grants: grants.clone(),
                    input: None,
                    output: None,
                })
                .collect(),
            schema: Vec::new(),
            catalog,
            openapi: None,
            api: tenet_core::bundle::Api::default(),
        };
        let grants = granted.remove(name).context("there is no such rule")?;
        let sequences = sequences.into_iter().flatten().flatten().collect();
        Ok(Self { name: name.to_owned(), grants, tables, sequences, index })
    }

    /// The policy under test, with all rules.
    pub fn policy(&self, subject: &Subject) -> std::sync::Arc<dyn tenet_core::Policy> {
        (subject.policy)(&self.index)
    }

    /// Whether the rule may read a column.
    pub fn reads(&self, table: &str, column: &str) -> bool {
        self.grants.tables.get(table).is_some_and(|grant| grant.select.has(column))
    }

    fn hidden_columns(&self, table: &Table) -> Vec<(String, Kind, String)> {
        let is_fixed = |column: &str| {
            column == "rid"
                || FIXED.contains(&(table.name.as_str(), column))
                || (table.name == "accounts" && column == "total")
        };
        table.columns.iter().filter(|(name, ..)| !self.reads(&table.name, name) && !is_fixed(name)).cloned().collect()
    }

    /// Sets the hidden values.
    async fn hide(&self, client: &Client, is_second: bool) -> anyhow::Result<()> {
        // A value that is long or late in one database is short or early in the other.
        let number = if is_second { "(9 - rid)" } else { "rid" };
        let word = if is_second { "hush" } else { "seal" };
        for table in self.tables.iter().filter(|table| !table.is_view) {
            for (column, kind, type_name) in self.hidden_columns(table) {
                let salt = format!("'{word}{}{column}' || rid", table.name);
                let value = match kind {
                    Kind::Text if type_name == "mood" => continue,
                    Kind::Text => format!("substr(md5({salt}), 1, 8 + {number})"),
                    // Small enough for every CHECK.
                    Kind::Number => format!(
                        "{number} + 0.{}7{number_digits}",
                        if is_second { 31 } else { 73 },
                        number_digits = if is_second { "771137" } else { "113377" }
                    ),
                    Kind::Int => format!("7130000 + {number} * 1{}", if is_second { 317 } else { 713 }),
                    Kind::Date if is_second => format!("date '1911-07-13' + {number} * 13"),
                    Kind::Date => format!("date '2231-03-17' + {number} * 17"),
                    Kind::Stamp => format!(
                        "timestamptz '1{}11-07-13T01:02:03Z' + {number} * interval '37 days'",
                        if is_second { 7 } else { 8 }
                    ),
                    Kind::Jsonb => format!("jsonb_build_object(md5({salt}), {number})"),
                    Kind::Bool => format!("{number} % 2 = 0"),
                    Kind::Ints => format!("ARRAY[7190000 + {number}]"),
                    _ => continue,
                };
                let table = qualified(table);
                let column = quoted(&column);
                client
                    .batch_execute(&format!("UPDATE {table} SET {column} = {value}"))
                    .await
                    .with_context(|| format!("{table}.{column}"))?;
            }
            // Another number of rows, if the rule may read none of them.
            let is_granted = self.grants.tables.get(&table.name).is_some_and(|grant| !grant.select.is_none());
            if is_second && !is_granted && !["accounts", "items"].contains(&table.name.as_str()) {
                client.batch_execute(&format!("DELETE FROM {} WHERE rid = 2", qualified(table))).await?;
            }
        }
        self.put_in_order(client).await
    }

    /// Rewrites all rows, so that their physical order is the same in each database.
    async fn put_in_order(&self, client: &Client) -> anyhow::Result<()> {
        let tables: Vec<&Table> = self.tables.iter().filter(|table| !table.is_view).collect();
        let names: Vec<String> = tables.iter().map(|table| qualified(table)).collect();
        let (mut kept, mut back) = (String::new(), String::new());
        for (number, table) in tables.iter().enumerate() {
            let is_made = |column: &str| table.name == "accounts" && column == "total";
            let columns = table.columns.iter().filter(|(name, ..)| !is_made(name)).map(|(name, ..)| quoted(name));
            let columns = columns.collect::<Vec<_>>().join(", ");
            let name = qualified(table);
            kept.push_str(&format!("CREATE TEMP TABLE kept_{number} AS SELECT {columns} FROM {name} ORDER BY rid; "));
            back.push_str(&format!(
                "INSERT INTO {name} ({columns}) SELECT {columns} FROM kept_{number}; DROP TABLE kept_{number}; "
            ));
        }
        client.batch_execute(&format!("{kept} TRUNCATE {}; {back}", names.join(", "))).await?;
        // The statistics of their sizes are the same too.
        for name in names {
            client.batch_execute(&format!("ALTER TABLE {name} SET (autovacuum_enabled = off)")).await?;
        }
        Ok(())
    }

    /// The oids of the relations that may be locked: whether by more than reading.
    async fn may_lock(&self, client: &Client) -> anyhow::Result<HashMap<u32, bool>> {
        let mut locks = HashMap::new();
        for table in &self.tables {
            let Some(grant) = self.grants.tables.get(&table.name) else { continue };
            let writes = !grant.insert.is_none() || !grant.update.is_none() || grant.delete;
            locks.insert(table.oid, writes);
            // The tables that a view reads, and those that a foreign key looks up.
            let beneath = format!(
                "SELECT refobjid::text FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid \
                 WHERE r.ev_class = {0} AND d.refclassid = 'pg_class'::regclass AND refobjid <> {0} \
                 UNION SELECT confrelid::text FROM pg_constraint WHERE conrelid = {0} AND confrelid <> 0 \
                 UNION SELECT conrelid::text FROM pg_constraint WHERE confrelid = {0}",
                table.oid
            );
            for oid in rows(client, &beneath).await?.into_iter().flatten().flatten() {
                *locks.entry(oid.parse()?).or_insert(false) |= writes && !table.is_view;
            }
        }
        for sequence in &self.grants.sequences {
            let oid = rows(client, &format!("SELECT '{sequence}'::regclass::oid")).await?;
            for oid in oid.into_iter().flatten().flatten() {
                locks.insert(oid.parse()?, true);
            }
        }
        Ok(locks)
    }

    /// The columns of a table that no statement of the rule may change.
    fn kept_columns(&self, table: &Table) -> Vec<String> {
        let update = self.grants.tables.get(&table.name).map(|grant| &grant.update);
        let changes = |column: &str| {
            update.is_some_and(|columns| columns.has(column) || (column == "total" && columns.has("balance")))
        };
        table.columns.iter().map(|(name, ..)| name.clone()).filter(|name| !changes(name)).collect()
    }

    /// Whether the rows of a table stay identifiable after any statement of the rule.
    fn is_told_apart(&self, table: &Table) -> bool {
        !table.is_view
            && self.grants.tables.get(&table.name).is_none_or(|grant| !grant.insert.is_all() && !grant.update.is_all())
    }

    /// A query that returns every initial row, with a digest of its columns that may not change,
    /// and every new row.
    fn kept(&self) -> String {
        let mut parts = Vec::new();
        for table in self.tables.iter().filter(|table| self.is_told_apart(table)) {
            let columns: Vec<String> = self.kept_columns(table).iter().map(|name| quoted(name)).collect();
            parts.push(format!(
                "(SELECT string_agg('{name} ' || CASE WHEN rid <= {ROWS} THEN rid || ' ' || md5(ROW({columns})::text) ELSE 'new' END, ',') FROM {table})",
                name = table.name,
                columns = columns.join(", "),
                table = qualified(table)
            ));
        }
        format!("SELECT concat_ws(',', {})", parts.join(", "))
    }

    /// A query for the contents of all tables.
    fn everything(&self) -> String {
        let part = |table: &Table| {
            format!(
                "md5((SELECT string_agg(ROW(t.*)::text COLLATE \"C\", ',' ORDER BY ROW(t.*)::text COLLATE \"C\") FROM {} t))",
                qualified(table)
            )
        };
        let parts: Vec<String> = self.tables.iter().filter(|table| !table.is_view).map(part).collect();
        format!("SELECT concat_ws(',', {})", parts.join(", "))
    }

    /// The queries before and after each statement, prepared.
    fn prepared(&self) -> String {
        let sequences: Vec<String> = self
            .sequences
            .iter()
            .filter(|name| !self.grants.sequences.contains(*name) && !name.starts_with("trace."))
            .map(|name| {
                let (schema, bare) = name.split_once('.').unwrap_or(("public", name));
                format!("(SELECT last_value::text || is_called FROM {}.{})", quoted(schema), quoted(bare))
            })
            .collect();
        format!(
            "PREPARE asked_before AS SELECT '', (SELECT last_value + is_called::int FROM trace.function)::text, \
                 (SELECT last_value + is_called::int FROM trace.operator)::text, (SELECT last_value + is_called::int FROM trace.\"cast\")::text, \
                 {not_granted}; \
             PREPARE asked_of_session AS SELECT now()::text, concat_ws(',', current_setting('search_path'), current_setting('role'), session_user, \
                 current_setting('transaction_isolation'), current_setting('statement_timeout'), current_setting('transaction_read_only'), \
                 (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'asked%'), (SELECT count(*) FROM pg_listening_channels()), \
                 (SELECT count(*) FROM pg_cursors WHERE name <> ''), (SELECT count(*) FROM pg_largeobject_metadata)), \
                 pg_current_xact_id_if_assigned()::text; \
             PREPARE asked_of_locks AS SELECT (SELECT string_agg(DISTINCT CASE locktype WHEN 'relation' THEN relation::text ELSE locktype END || ' ' || mode, ',') FROM pg_locks \
                  WHERE pid = pg_backend_pid() AND (locktype = 'advisory' OR (locktype = 'relation' AND relation >= 16384 AND \
                  (SELECT relkind NOT IN ('i', 't') FROM pg_class WHERE oid = relation)))); \
             PREPARE asked_of_rows AS SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN NULL ELSE trace.locked() END, \
                 CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN NULL ELSE trace.kept() END, \
                 CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN NULL ELSE trace.everything() END",
            not_granted = if sequences.is_empty() { "''".to_owned() } else { sequences.join(" || ") },
        )
    }

    /// Functions for the queries about rows, so that they cost nothing if nothing was written.
    fn functions(&self) -> String {
        let of_others = |table: &&Table| {
            !table.is_view
                && table.name != "accounts"
                && self.grants.tables.get(&table.name).is_none_or(|grant| grant.update.is_none())
        };
        let locked = |table: &Table| {
            let table = qualified(table);
            format!("(SELECT count(*) FROM {table} WHERE xmax = pg_current_xact_id()::xid AND rid <= {ROWS})")
        };
        let locked: Vec<String> = self.tables.iter().filter(of_others).map(locked).collect();
        let locked = format!("SELECT ({})::text", locked.join(" + "));
        let function = |name: &str, body: &str| {
            format!(
                "CREATE FUNCTION trace.{name}() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public \
                 AS $f$ BEGIN RETURN ({body}); END $f$; "
            )
        };
        let again: Vec<String> = self.grants.sequences.iter().map(|name| format!("setval('{name}', 1)")).collect();
        let again = format!("SELECT concat({})", if again.is_empty() { "''".to_owned() } else { again.join(", ") });
        function("again", &again)
            + &function("locked", &locked)
            + &function("kept", &self.kept())
            + &function("everything", &self.everything())
    }
}

async fn tables(client: &Client) -> anyhow::Result<Vec<Table>> {
    let sql = "SELECT c.oid::text, n.nspname, c.relname, (c.relkind = 'v')::text, \
               string_agg(a.attname || E'\\t' || t.typname || E'\\t' || format_type(a.atttypid, a.atttypmod), E'\\n' ORDER BY a.attnum) \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
               JOIN pg_type t ON t.oid = a.atttypid WHERE c.relkind IN ('r', 'v') AND n.nspname IN ('public', 'bank', 'tenet') GROUP BY 1, 2, 3, 4 ORDER BY 2, 3";
    let of = "SELECT coalesce(conrelid, indrelid)::text, name, string_agg(a.attname, E'\\t') FROM ( \
              SELECT conrelid, NULL::oid AS indrelid, conname AS name, conkey FROM pg_constraint WHERE conrelid <> 0 \
              UNION ALL SELECT NULL, i.indrelid, c.relname, string_to_array(i.indkey::text, ' ')::int2[] FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
              WHERE i.indisunique AND i.indrelid >= 16384 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)) x \
              JOIN pg_attribute a ON a.attrelid = coalesce(conrelid, indrelid) AND a.attnum = ANY (conkey) GROUP BY 1, 2";
    let mut constraints: HashMap<String, Vec<(String, Vec<String>)>> = HashMap::new();
    for row in rows(client, of).await? {
        if let [Some(oid), Some(name), Some(columns)] = row.as_slice() {
            constraints
                .entry(oid.clone())
                .or_default()
                .push((name.clone(), columns.split('\t').map(str::to_owned).collect()));
        }
    }
    let mut tables = Vec::new();
    for row in rows(client, sql).await? {
        let [Some(oid), Some(schema), Some(bare), Some(is_view), Some(columns)] = row.as_slice() else { continue };
        let name = if schema == "public" { bare.clone() } else { format!("{schema}.{bare}") };
        // A name that contains a dot cannot be granted.
        let name = if bare.contains('.') { format!("\"{bare}\"") } else { name };
        let columns = columns
            .lines()
            .map(|line| {
                let mut parts = line.split('\t').map(str::to_owned);
                let (name, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                (name, Kind::of(&kind), parts.next().unwrap_or_default())
            })
            .collect();
        tables.push(Table {
            name,
            schema: schema.clone(),
            bare: bare.clone(),
            columns,
            is_view: is_view == "true",
            constraints: constraints.remove(oid).unwrap_or_default(),
            oid: oid.parse()?,
        });
    }
    Ok(tables)
}

/// The tables in the index of a bundle with these rules.
fn catalog(tables: &[Table], granted: &BTreeMap<String, Grants>) -> Catalog {
    let is_granted = |table: &&Table| granted.values().any(|grants| grants.tables.contains_key(&table.name));
    let of = |table: &Table| {
        let column =
            |(name, _, kind): &(String, Kind, String)| CatalogColumn { name: name.clone(), kind: kind.clone() };
        let constraint = |(name, columns): &(String, Vec<String>)| (name.clone(), columns.iter().cloned().collect());
        CatalogTable {
            columns: table.columns.iter().map(column).collect(),
            constraints: table.constraints.iter().map(constraint).collect(),
        }
    };
    Catalog { tables: tables.iter().filter(is_granted).map(|table| (table.name.clone(), of(table))).collect() }
}
