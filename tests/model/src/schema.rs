//! The tables that generated statements use.

use crate::kind::Kind;

/// A table and its columns.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// The columns of its unique indexes, the primary key first.
    pub(crate) keys: &'static [&'static [&'static str]],
}

/// The statements that make the tables. `ASYNC` is only for the model.
pub(crate) const STATEMENTS: &[&str] = &[
    "CREATE TABLE t (id int PRIMARY KEY, a int, b bigint, n numeric(12,2) NOT NULL DEFAULT 0, s varchar(8), \
     f boolean DEFAULT true, d date, at timestamptz, CONSTRAINT t_small CHECK (a < 1000))",
    "CREATE TABLE u (k text, id int, v numeric(24,9), j jsonb, w double precision, PRIMARY KEY (k, id), \
     CONSTRAINT u_positive CHECK (v >= 0))",
    "CREATE TABLE w (id int PRIMARY KEY, code text, t_id int NOT NULL, i interval, ts timestamp, b bigint DEFAULT 7)",
    "CREATE UNIQUE INDEX ASYNC w_code ON w (code)",
];

/// The table `t`.
pub(crate) const FIRST: &Table = &Table {
    name: "t",
    columns: &[
        ("id", Kind::Int),
        ("a", Kind::Int),
        ("b", Kind::Big),
        ("n", Kind::Numeric),
        ("s", Kind::Text),
        ("f", Kind::Bool),
        ("d", Kind::Date),
        ("at", Kind::Timestamptz),
    ],
    keys: &[&["id"]],
};

/// The other tables, too.
pub(crate) const TABLES: &[&Table] = &[
    FIRST,
    &Table {
        name: "u",
        columns: &[("k", Kind::Text), ("id", Kind::Int), ("v", Kind::Numeric), ("j", Kind::Json), ("w", Kind::Float)],
        keys: &[&["k", "id"]],
    },
    &Table {
        name: "w",
        columns: &[
            ("id", Kind::Int),
            ("code", Kind::Text),
            ("t_id", Kind::Int),
            ("i", Kind::Interval),
            ("ts", Kind::Timestamp),
            ("b", Kind::Big),
        ],
        keys: &[&["id"], &["code"]],
    },
];
