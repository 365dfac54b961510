//! Statements by the thousand, from a seed: some honest, most of them not.

use fastrand::Rng;

/// What the statements are about: made by whoever wants to run them. `canary` is granted to
/// nobody, and what touches it by a function leaves its trace in the sequence `canary_trace`,
/// rolled back or not.
pub const SCHEMA: &str = "
    CREATE TABLE accounts (id text PRIMARY KEY, balance numeric DEFAULT 0, secret text DEFAULT 'canary');
    CREATE TABLE totals (account text, day date, paid numeric, PRIMARY KEY (account, day));
    CREATE TABLE open (id int, items jsonb, note text);
    CREATE TABLE diary (line text DEFAULT '', at timestamptz DEFAULT now());
    CREATE TABLE canary (id int PRIMARY KEY, secret text);
    CREATE SCHEMA bank;
    CREATE SCHEMA tenet;
    CREATE TABLE tenet.keys (id int, secret text);
    CREATE TABLE bank.rates (rate numeric, secret text);
    CREATE SEQUENCE receipts;
    CREATE SEQUENCE canary_trace;
    CREATE FUNCTION canary_touch() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT nextval(''canary_trace'')::int';
    CREATE FUNCTION canary_touch(text) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT nextval(''canary_trace'')::int';
    CREATE FUNCTION touch(accounts) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT nextval(''canary_trace'')::int';
    INSERT INTO accounts (id, balance) VALUES ('a', 1), ('b', 2);
    INSERT INTO totals VALUES ('a', '2026-01-01', 1);
    INSERT INTO open VALUES (1, '[1, 2]', 'x');
    INSERT INTO bank.rates VALUES (1.5, 'canary');
    INSERT INTO canary VALUES (1, 'canary');
";

/// What is granted of it, as an index has it.
pub const GRANTS: &str = r#"{
    "tables": {
        "accounts": { "select": ["id", "balance"], "insert": ["id", "balance"], "update": ["balance"] },
        "totals": { "select": ["account", "day", "paid"], "insert": ["account", "day", "paid"], "update": ["paid"], "delete": true },
        "open": { "select": "*", "insert": "*", "update": "*" },
        "diary": { "insert": ["line"] },
        "bank.rates": { "select": ["rate"] }
    },
    "sequences": ["receipts"]
}"#;

/// Statements to begin with, for parts of them to be mixed.
const SEEDS: &[&str] = &[
    "SELECT balance FROM accounts WHERE id = $1",
    "SELECT a.id, t.paid FROM accounts a LEFT JOIN totals t ON t.account = a.id WHERE a.balance > 0 ORDER BY t.paid DESC LIMIT 3",
    "SELECT sum(paid) AS total, day FROM totals GROUP BY day HAVING sum(paid) > 0 ORDER BY total",
    "SELECT * FROM open o, jsonb_array_elements(o.items) AS e(item)",
    "SELECT rate FROM bank.rates",
    "SELECT count(*) FILTER (WHERE balance > 0) OVER (PARTITION BY id ORDER BY balance) FROM accounts",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
    "WITH gone AS (DELETE FROM totals WHERE day < now() RETURNING paid) SELECT sum(paid) FROM gone",
    "WITH accounts AS (SELECT paid AS secret FROM totals) SELECT secret FROM accounts",
    "INSERT INTO totals AS t (account, day, paid) SELECT id, '2026-01-01', 1 FROM accounts ON CONFLICT (account, day) DO UPDATE SET paid = t.paid + excluded.paid RETURNING paid, (SELECT balance FROM accounts WHERE id = t.account) AS b",
    "INSERT INTO accounts (id, balance) VALUES ($1, DEFAULT), ('z', 3) ON CONFLICT DO NOTHING RETURNING id",
    "INSERT INTO diary (line) VALUES ('x')",
    "INSERT INTO diary DEFAULT VALUES",
    "UPDATE accounts SET balance = balance + 1 WHERE id = 'a' RETURNING balance",
    "UPDATE totals t SET (paid) = ROW(0) FROM accounts a WHERE t.account = a.id",
    "DELETE FROM totals USING accounts WHERE account = id",
    "SELECT id FROM accounts FOR UPDATE SKIP LOCKED",
    "SELECT nextval('receipts')",
    "SELECT CASE WHEN balance IS NULL THEN 1 ELSE 2 END, coalesce(balance, 0)::int, CAST(id AS varchar(3)) FROM accounts",
    "SELECT x.id FROM (SELECT id FROM accounts UNION SELECT account FROM totals) x(id) WHERE id IN (SELECT account FROM totals)",
    "SELECT l.paid FROM accounts a, LATERAL (SELECT paid FROM totals WHERE account = a.id) l",
    "SELECT paid FROM totals JOIN totals u USING (account, day, paid)",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT extract(year FROM day), substring(account FROM 1 FOR 2), trim(BOTH ' ' FROM account), position('a' IN account) FROM totals",
    "SELECT array_agg(id ORDER BY id), ARRAY[1, 2], ARRAY(SELECT 1) FROM accounts",
    "SELECT DISTINCT ON (account) account, paid FROM totals ORDER BY account, paid",
];

/// What honest statements lack.
const TEMPTATIONS: &[&str] = &[
    "canary",
    "public.canary",
    "tenet.keys",
    "pg_catalog.pg_class",
    "pg_class",
    "pg_roles",
    "information_schema.tables",
    "secret",
    "a.secret",
    "accounts.secret",
    "accounts",
    "a",
    "a.*",
    "*",
    "ctid",
    "xmin",
    "\"secret\"",
    "\"accounts\"",
    "canary_touch()",
    "public.canary_touch()",
    "\"canary_touch\"()",
    "canary_touch('x')",
    "touch(a)",
    "a.touch",
    "accounts.touch",
    "touch(accounts)",
    "(a).touch",
    "pg_sleep(0)",
    "set_config('search_path', 'bank', false)",
    "nextval('canary_trace')",
    "setval('receipts', 9)",
    "txid_current()",
    "pg_notify('x', 'y')",
    "row_to_json(a)",
    "to_json(accounts)",
    "query_to_xml('SELECT 1', true, true, '')",
    "lo_creat(1)",
    "'canary'::regclass",
    "current_setting('role')",
    "(SELECT secret FROM canary)",
    "(SELECT max(secret) FROM bank.rates)",
    "; COMMIT",
    "; SELECT 1",
    "COMMIT",
    "ROLLBACK",
    "SET",
    "INTO canary",
    "FROM canary",
    "JOIN canary ON true",
    ", canary",
    "NATURAL JOIN canary",
    "UNION SELECT secret FROM canary",
    "RETURNING secret",
    "RETURNING *",
    "FOR UPDATE",
    "FOR UPDATE OF a",
    "FOR SHARE",
    "AS accounts(secret, id)",
    "AS a(secret)",
    "ONLY",
    "TABLESAMPLE SYSTEM (9)",
    "$$",
    "$a$",
    "$1",
    "$2",
    "'",
    "''",
    "\"",
    "\\",
    "E'\\''",
    "E'",
    "U&'\\0027'",
    "U&\"secret\"",
    "/*",
    "*/",
    "/**/",
    "--",
    "--\n",
    "--\r",
    "\r",
    "\t",
    "\u{b}",
    "\u{a0}",
    "\u{feff}",
    "(",
    ")",
    "((",
    "))",
    ",",
    ".",
    "..",
    "::",
    ":",
    "[",
    "]",
    "[1]",
    "+",
    "-",
    "*",
    "||",
    "->",
    "->>",
    "=",
    "=>",
    "<",
    "OPERATOR(pg_catalog.=)",
    "COLLATE \"C\"",
    "1",
    "1a",
    "0x1",
    "1_0",
    ".5",
    "1.",
    "1e",
    "NULL",
    "DEFAULT",
    "NOT",
    "AND",
    "OR",
    "IN",
    "IS",
    "AS",
    "ON",
    "USING (id)",
    "USING (secret)",
    "WHERE",
    "ORDER BY secret",
    "GROUP BY secret",
    "HAVING",
    "LIMIT 1",
    "OFFSET 1",
    "WINDOW w AS ()",
    "OVER ()",
    "OVER w",
    "FILTER (WHERE true)",
    "WITHIN GROUP (ORDER BY secret)",
    "LATERAL",
    "WITH canary AS (SELECT 1 AS secret)",
    "VALUES (1)",
    "TABLE canary",
    "SELECT secret FROM canary",
    "INSERT INTO canary VALUES (2)",
    "UPDATE canary SET secret = 'x'",
    "DELETE FROM canary",
    "ON CONFLICT (secret) DO NOTHING",
    "ON CONFLICT DO UPDATE SET secret = 1",
    "SET secret = 'x'",
    "excluded.secret",
    "excluded.balance",
    "open.note",
    "open",
    "o",
    "o.*",
    "t.paid",
    "t",
    "day",
    "paid",
    "id",
    "balance",
    "rate",
    "bank.rates",
    "totals",
    "diary",
    "line",
    "date",
    "time",
    "timestamp",
    "interval '1' day",
    "date '2026-01-01'",
    "left",
    "right",
];

/// Statements with places for expressions (`{e}`) and for tables that are called `a` (`{t}`), so
/// that what is not honest stands where it would work.
const FRAMES: &[&str] = &[
    "SELECT {e} FROM {t}",
    "SELECT {e}, {e} FROM {t} WHERE {e} IS NOT NULL ORDER BY {e} LIMIT 5",
    "SELECT a.id FROM accounts a, {t2} WHERE {e} IS NOT NULL",
    "SELECT count(*) FILTER (WHERE {e} IS NULL) FROM {t} GROUP BY {e}",
    "SELECT x.v FROM (SELECT {e} AS v FROM {t}) x",
    "SELECT x.* FROM (SELECT {e} FROM {t}) x",
    "WITH w AS (SELECT {e} AS v FROM {t}) SELECT v FROM w",
    "SELECT id FROM accounts a WHERE EXISTS (SELECT {e} FROM totals t WHERE t.account = a.id)",
    "SELECT CASE WHEN {e} IS NULL THEN 1 ELSE 2 END, coalesce({e}, {e}) FROM {t}",
    "SELECT 1 FROM accounts a JOIN totals t ON {e} IS NOT NULL",
    "SELECT l.v FROM {t}, LATERAL (SELECT {e} AS v) l",
    "SELECT max({e}) OVER (PARTITION BY {e} ORDER BY a.id) FROM accounts a",
    "UPDATE accounts a SET balance = 1 WHERE {e} IS NULL RETURNING {e}",
    "UPDATE totals t SET paid = 1 FROM {t} WHERE {e} IS NOT NULL",
    "DELETE FROM totals USING {t} WHERE {e} IS NULL RETURNING {e}",
    "INSERT INTO accounts AS a (id) SELECT {e}::text FROM {t2} ON CONFLICT (id) DO UPDATE SET balance = 2 WHERE {e} IS NULL RETURNING {e}",
    "INSERT INTO diary (line) SELECT {e}::text FROM {t}",
    "SELECT {e} FROM {t} UNION ALL SELECT {e} FROM {t}",
    "SELECT a.id FROM {t} WHERE EXISTS (SELECT {e} FROM open o)",
    "VALUES ({e}), ({e})",
    "(SELECT a.id FROM {t}) ORDER BY {e}",
    "SELECT ((SELECT a.id FROM {t}) ORDER BY {e} LIMIT 1) FROM totals",
    "SELECT a.id FROM {t} FOR UPDATE",
];

/// What may stand for `{e}`: the first are honest.
const EXPRESSIONS: &[&str] = &[
    "a.id",
    "id",
    "balance",
    "a.balance",
    "1",
    "$1",
    "lower(a.id)",
    "(SELECT max(paid) FROM totals)",
    "a.note",
    "count(*)",
    "secret",
    "a.secret",
    "accounts.secret",
    "a",
    "accounts",
    "to_json(a)",
    "row(a)",
    "a.*",
    "(a).secret",
    "a.touch",
    "touch(a)",
    "canary_touch()",
    "public.canary_touch()",
    "canary_touch('x')",
    "\"canary_touch\"()",
    "nextval('canary_trace')",
    "(SELECT secret FROM canary)",
    "(SELECT max(secret) FROM bank.rates)",
    "(SELECT count(*) FROM tenet.keys)",
    "(SELECT count(*) FROM pg_class)",
    "(SELECT count(*) FROM diary)",
    "(SELECT secret)",
    "(SELECT a.secret)",
    "(SELECT count(*) FROM accounts WHERE secret = 'x')",
    "ARRAY(SELECT secret FROM canary)",
    "a.ctid",
    "xmin",
    "a.tableoid",
    "'canary'::regclass",
    "current_setting('role')",
    "txid_current()",
    "lo_creat(1)",
    "pg_notify('a', 'b')",
    "set_config('role', 'none', true)",
    "string_agg(secret, ',')",
    "count(DISTINCT a.secret)",
    "max(id ORDER BY secret)",
    "extract(year FROM secret)",
    "substring(secret FROM 1)",
    "excluded.secret",
    "line",
];

/// What may stand for `{t}`, and for `{t2}` under another name.
const TABLES: &[&str] = &[
    "accounts a",
    "accounts a",
    "open a",
    "accounts AS a",
    "(SELECT id, balance FROM accounts) a",
    "canary a",
    "public.canary a",
    "tenet.keys a",
    "pg_class a",
    "information_schema.tables a",
    "bank.rates a",
    "diary a",
    "(SELECT * FROM accounts) a",
    "(SELECT secret AS id FROM canary) a",
    "accounts a(secret, id)",
    "accounts a (secret)",
    "(TABLE canary) a",
    "canary_touch() a",
    "public.canary_touch() AS a",
    "generate_series(1, 2) a",
    "accounts a JOIN canary ON true",
    "accounts a CROSS JOIN canary",
    "accounts a JOIN canary USING (id)",
    "accounts a NATURAL JOIN canary",
    "ONLY accounts a",
    "accounts a TABLESAMPLE SYSTEM (50)",
    "LATERAL (SELECT * FROM canary) a",
    "totals a",
    "\"canary\" a",
    "\"accounts\" a",
    "\"Accounts\" a",
];

/// A source of statements.
pub struct Sentences {
    rng: Rng,
}

impl Sentences {
    /// The same ones for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed) }
    }

    /// One more.
    pub fn next_one(&mut self) -> String {
        let framed = self.rng.bool();
        let text = if framed { self.framed() } else { self.one_of(SEEDS).to_owned() };
        let mut parts = pieces(&text);
        for _ in 0..self.rng.usize(0..if framed { 2 } else { 5 }) {
            self.change(&mut parts);
        }
        let mut text = parts.concat();
        if self.rng.u8(0..8) == 0 {
            self.damage(&mut text);
        }
        text
    }

    /// A frame with its places filled, most of them honestly.
    fn framed(&mut self) -> String {
        let mut text = self.one_of(FRAMES).to_owned();
        for (place, list, honest) in [("{e}", EXPRESSIONS, 10), ("{t}", TABLES, 5), ("{t2}", TABLES, 5)] {
            while text.contains(place) {
                let most = if self.rng.u8(0..3) == 0 { list.len() } else { honest };
                let mut filling = list[self.rng.usize(0..most)].to_owned();
                if place == "{t2}" {
                    filling = filling.replace(" a", " b");
                }
                text = text.replacen(place, &filling, 1);
            }
        }
        text
    }

    fn one_of(&mut self, list: &[&'static str]) -> &'static str {
        list.get(self.rng.usize(0..list.len())).copied().unwrap_or_default()
    }

    fn change(&mut self, parts: &mut Vec<String>) {
        let at = self.rng.usize(0..=parts.len());
        match self.rng.u8(0..9) {
            0 if at < parts.len() => {
                parts.remove(at);
            }
            1 | 2 => {
                let spaced = format!(" {} ", self.one_of(TEMPTATIONS));
                parts.insert(at, spaced);
            }
            3 => parts.insert(at, self.one_of(TEMPTATIONS).to_owned()),
            4 | 5 if at < parts.len() => {
                let other = self.one_of(TEMPTATIONS);
                parts[at] = other.to_owned();
            }
            6 if at < parts.len() => {
                let from = self.rng.usize(0..parts.len());
                let copied = parts[from].clone();
                parts[at] = copied;
            }
            7 => {
                // A stretch of another one.
                let other = pieces(self.one_of(SEEDS));
                let from = self.rng.usize(0..other.len());
                let to = self.rng.usize(from..=other.len());
                parts.splice(at..at, other[from..to].iter().cloned());
            }
            _ if at < parts.len() => {
                parts[at] = if self.rng.bool() { parts[at].to_uppercase() } else { format!("/* x */{}", parts[at]) };
            }
            _ => {}
        }
    }

    /// Puts one sign somewhere.
    fn damage(&mut self, text: &mut String) {
        let signs = ['\'', '"', '\\', '$', ';', '/', '*', '-', '(', ')', '.', ':', ' ', '\n', '\0', 'E', 'é', '0'];
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = places.get(self.rng.usize(0..places.len().max(1))).copied().unwrap_or(0);
        text.insert(at, signs[self.rng.usize(0..signs.len())]);
    }
}

/// A text cut into words, runs of white space and single signs.
fn pieces(text: &str) -> Vec<String> {
    let kind = |c: char| match c {
        _ if c.is_alphanumeric() || c == '_' => 0,
        _ if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut pieces: Vec<String> = Vec::new();
    let mut last = 2;
    for c in text.chars() {
        match pieces.last_mut() {
            Some(piece) if kind(c) == last && last != 2 => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
        last = kind(c);
    }
    pieces
}
