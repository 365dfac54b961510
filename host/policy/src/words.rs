//! The known words: key words in PostgreSQL's categories
//! (<https://www.postgresql.org/docs/16/sql-keywords-appendix.html>), and the functions, operators
//! and types that statements may use.

/// Words for one purpose, as the documentation groups them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The purpose: `Texts`.
    pub about: &'static str,
    /// The words, in lower case. Each is in one group only.
    pub words: &'static [&'static str],
}

/// Words that cannot name a column or a table unless they are quoted: those that PostgreSQL
/// reserves, and those that it reserves for functions and types.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// Further words that cannot name a result column without AS.
const NO_LABELS: &[&str] = &[
    "char",
    "character",
    "day",
    "filter",
    "hour",
    "minute",
    "month",
    "over",
    "precision",
    "second",
    "varying",
    "within",
    "without",
    "year",
];

/// The types that a value may be cast to. Types that look something up, as `regclass` does, are
/// excluded.
const TYPES: &[Group] = &[
    Group { about: "Logical", words: &["bool", "boolean"] },
    Group {
        about: "Numbers",
        words: &[
            "bigint", "dec", "decimal", "double", "float", "float4", "float8", "int", "int2", "int4", "int8",
            "integer", "numeric", "real", "smallint",
        ],
    },
    Group { about: "Texts", words: &["bpchar", "char", "character", "text", "varchar"] },
    Group { about: "Bytes", words: &["bytea"] },
    Group {
        about: "Dates, times and intervals",
        words: &["date", "interval", "time", "timestamp", "timestamptz", "timetz"],
    },
    Group { about: "JSON", words: &["json", "jsonb"] },
    Group { about: "UUIDs", words: &["uuid"] },
];

/// PostgreSQL's operators on values of those types.
const OPERATORS: &[Group] = &[
    Group { about: "Comparison", words: &["=", "<>", "!=", "<", ">", "<=", ">="] },
    Group { about: "Arithmetic", words: &["+", "-", "*", "/", "%", "^"] },
    Group { about: "Texts and patterns", words: &["||", "~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*"] },
    Group { about: "Bits", words: &["&", "|", "#", "<<", ">>"] },
    Group { about: "JSON and arrays", words: &["->", "->>", "#>", "#>>", "@>", "<@", "?", "?|", "?&", "&&", "#-"] },
];

/// PostgreSQL's functions that change nothing, look nothing up, never wait, and reveal nothing
/// about the server or the session.
const FUNCTIONS: &[Group] = &[
    Group { about: "Of any value", words: &["coalesce", "greatest", "least", "nullif"] },
    Group {
        about: "Numbers",
        words: &[
            "abs",
            "cbrt",
            "ceil",
            "ceiling",
            "degrees",
            "div",
            "exp",
            "factorial",
            "floor",
            "gcd",
            "lcm",
            "ln",
            "log",
            "log10",
            "mod",
            "pi",
            "power",
            "radians",
            "round",
            "scale",
            "sign",
            "sqrt",
            "trim_scale",
            "trunc",
            "width_bucket",
        ],
    },
    Group {
        about: "Texts",
        words: &[
            "ascii",
            "bit_length",
            "btrim",
            "char_length",
            "character_length",
            "chr",
            "concat",
            "concat_ws",
            "format",
            "initcap",
            "left",
            "length",
            "lower",
            "lpad",
            "ltrim",
            "octet_length",
            "overlay",
            "position",
            "regexp_match",
            "regexp_replace",
            "regexp_split_to_array",
            "repeat",
            "replace",
            "reverse",
            "right",
            "rpad",
            "rtrim",
            "split_part",
            "starts_with",
            "string_to_array",
            "strpos",
            "substr",
            "substring",
            "to_hex",
            "translate",
            "trim",
            "upper",
        ],
    },
    Group {
        about: "Bytes and digests",
        words: &["decode", "encode", "get_byte", "md5", "sha224", "sha256", "sha384", "sha512"],
    },
    Group {
        about: "Dates, times and intervals",
        words: &[
            "age",
            "date_bin",
            "date_part",
            "date_trunc",
            "extract",
            "isfinite",
            "justify_days",
            "justify_hours",
            "justify_interval",
            "make_date",
            "make_interval",
            "make_time",
            "make_timestamp",
            "make_timestamptz",
        ],
    },
    Group { about: "To and from text of a format", words: &["to_char", "to_date", "to_number", "to_timestamp"] },
    Group {
        about: "JSON",
        words: &[
            "json_array_elements",
            "json_array_elements_text",
            "json_array_length",
            "json_build_array",
            "json_build_object",
            "json_each",
            "json_each_text",
            "json_extract_path",
            "json_extract_path_text",
            "json_object_keys",
            "json_typeof",
            "jsonb_array_elements",
            "jsonb_array_elements_text",
            "jsonb_array_length",
            "jsonb_build_array",
            "jsonb_build_object",
            "jsonb_each",
            "jsonb_each_text",
            "jsonb_extract_path",
            "jsonb_extract_path_text",
            "jsonb_insert",
            "jsonb_object_keys",
            "jsonb_set",
            "jsonb_strip_nulls",
            "jsonb_typeof",
            "to_json",
            "to_jsonb",
        ],
    },
    Group {
        about: "Arrays and rows of values",
        words: &[
            "array_append",
            "array_cat",
            "array_length",
            "array_position",
            "array_remove",
            "array_to_string",
            "cardinality",
            "generate_series",
            "unnest",
        ],
    },
    Group {
        about: "Aggregates",
        words: &[
            "array_agg",
            "avg",
            "bit_and",
            "bit_or",
            "bool_and",
            "bool_or",
            "corr",
            "count",
            "every",
            "grouping",
            "json_agg",
            "json_object_agg",
            "jsonb_agg",
            "jsonb_object_agg",
            "max",
            "min",
            "mode",
            "percentile_cont",
            "percentile_disc",
            "stddev",
            "string_agg",
            "sum",
            "variance",
        ],
    },
    Group {
        about: "Windows",
        words: &[
            "cume_dist",
            "dense_rank",
            "first_value",
            "lag",
            "last_value",
            "lead",
            "nth_value",
            "ntile",
            "percent_rank",
            "rank",
            "row_number",
        ],
    },
];

/// Functions that return a text or rows of texts. A test compares these lists with the functions of
/// a server.
const GIVES_TEXT: &[&str] = &[
    "array_to_string",
    "btrim",
    "chr",
    "concat",
    "concat_ws",
    "encode",
    "format",
    "initcap",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_extract_path_text",
    "json_object_keys",
    "json_typeof",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_extract_path_text",
    "jsonb_object_keys",
    "jsonb_typeof",
    "left",
    "lpad",
    "ltrim",
    "md5",
    "overlay",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "rpad",
    "rtrim",
    "split_part",
    "string_agg",
    "substr",
    "substring",
    "to_char",
    "to_hex",
    "translate",
    "trim",
];

/// Functions that return an array of texts.
const GIVES_TEXTS: &[&str] = &["regexp_match", "regexp_split_to_array", "string_to_array"];

/// Functions that return a text unless the first argument is a range.
const GIVES_TEXT_OR_BOUND: &[&str] = &["lower", "upper"];

/// Functions that return the type of the first argument.
const GIVES_FIRST: &[&str] = &["first_value", "lag", "last_value", "lead", "max", "min", "nth_value", "nullif"];

/// Functions that return the common type of all arguments, or an array of it.
const GIVES_ONE_OF_ALL: &[&str] =
    &["array_agg", "array_append", "array_cat", "array_remove", "coalesce", "greatest", "least", "unnest"];

/// Functions that take a string without a type as a text in each place. A test compares this with
/// the functions of a server.
const TAKES_TEXT: &[&str] = &[
    "char_length",
    "character_length",
    "concat",
    "concat_ws",
    "format",
    "initcap",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "left",
    "lpad",
    "regexp_match",
    "regexp_replace",
    "regexp_split_to_array",
    "repeat",
    "replace",
    "right",
    "rpad",
    "split_part",
    "starts_with",
    "string_to_array",
    "strpos",
    "translate",
];

/// Functions that take strings without a type as these types, by the place of the argument; a `?`
/// depends on the other arguments. A test compares this with the functions of a server.
const TAKES: &[(&str, &[&str])] = &[
    ("array_to_string", &["?", "TEXT", "TEXT"]),
    ("date_part", &["TEXT"]),
    ("date_trunc", &["TEXT", "?", "TEXT"]),
    ("decode", &["TEXT", "TEXT"]),
    ("encode", &["?", "TEXT"]),
    ("json_extract_path", &["?", "TEXT", "TEXT", "TEXT", "TEXT"]),
    ("json_extract_path_text", &["?", "TEXT", "TEXT", "TEXT", "TEXT"]),
    ("jsonb_array_elements", &["JSONB"]),
    ("jsonb_array_elements_text", &["JSONB"]),
    ("jsonb_array_length", &["JSONB"]),
    ("jsonb_each", &["JSONB"]),
    ("jsonb_each_text", &["JSONB"]),
    ("jsonb_extract_path", &["JSONB", "TEXT", "TEXT", "TEXT", "TEXT"]),
    ("jsonb_extract_path_text", &["JSONB", "TEXT", "TEXT", "TEXT", "TEXT"]),
    ("jsonb_insert", &["JSONB", "TEXT[]", "JSONB"]),
    ("jsonb_object_keys", &["JSONB"]),
    ("jsonb_set", &["JSONB", "TEXT[]", "JSONB"]),
    ("jsonb_strip_nulls", &["JSONB"]),
    ("jsonb_typeof", &["JSONB"]),
    ("to_char", &["?", "TEXT"]),
    ("to_date", &["TEXT", "TEXT"]),
    ("to_number", &["TEXT", "TEXT"]),
    ("to_timestamp", &["?", "TEXT"]),
];

/// Functions that take a string without a type as a text where another argument is a text. A test
/// tries each on a server.
const TAKES_ALIKE: &[&str] = &["btrim", "ltrim", "position", "rtrim", "string_agg", "substr", "substring", "trim"];

/// Functions that return neither texts, arrays, `jsonb` nor bytes. A test compares this with the
/// functions of a server.
const GIVES_SCALAR: &[&str] = &[
    "abs",
    "age",
    "array_length",
    "array_position",
    "ascii",
    "avg",
    "bit_length",
    "bool_and",
    "bool_or",
    "cardinality",
    "cbrt",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "count",
    "cume_dist",
    "date_bin",
    "date_part",
    "date_trunc",
    "dense_rank",
    "div",
    "every",
    "exp",
    "extract",
    "factorial",
    "floor",
    "gcd",
    "grouping",
    "isfinite",
    "json_array_length",
    "jsonb_array_length",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "lcm",
    "length",
    "ln",
    "log",
    "log10",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "mod",
    "ntile",
    "octet_length",
    "percent_rank",
    "pi",
    "position",
    "power",
    "rank",
    "round",
    "row_number",
    "scale",
    "sign",
    "sqrt",
    "starts_with",
    "stddev",
    "strpos",
    "sum",
    "to_date",
    "to_number",
    "to_timestamp",
    "trim_scale",
    "trunc",
    "variance",
    "width_bucket",
];

/// Functions that return the type of what WITHIN GROUP sorts.
const GIVES_ORDERED: &[&str] = &["mode", "percentile_disc"];

/// Column types that are not texts and cannot contain one, by the first word of their name.
const NO_TEXTS: &[&str] = &[
    "bigint",
    "boolean",
    "bytea",
    "date",
    "datemultirange",
    "daterange",
    "double",
    "int4multirange",
    "int4range",
    "int8multirange",
    "int8range",
    "integer",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "nummultirange",
    "numrange",
    "real",
    "smallint",
    "time",
    "timestamp",
    "tsmultirange",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "uuid",
];

/// All names of text types, in upper case, as they are printed.
const TEXTS: &[&str] = &["BPCHAR", "CHAR", "CHARACTER", "TEXT", "VARCHAR"];

/// All names of types of dates and times, in upper case, as they are printed.
const TIMES: &[&str] = &["DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "TIMETZ"];

/// The functions above that are part of the grammar and have no schema.
const GRAMMAR: &[&str] = &["coalesce", "greatest", "grouping", "least", "nullif"];

/// Columns that every table has in addition to its own
/// (<https://www.postgresql.org/docs/16/ddl-system-columns.html>).
const SYSTEM_COLUMNS: &[&str] = &["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// Whether a word can name a result column without AS.
pub(crate) fn is_label(word: &str) -> bool {
    !is_reserved(word) && !NO_LABELS.contains(&word)
}

/// The functions that a statement may call.
pub fn functions() -> &'static [Group] {
    FUNCTIONS
}

/// The operators that a statement may use, in addition to words of the grammar such as LIKE and
/// BETWEEN.
pub fn operators() -> &'static [Group] {
    OPERATORS
}

/// The types that a statement may cast to, each with all of its names.
pub fn types() -> &'static [Group] {
    TYPES
}

/// Functions and words that are refused because they return the database's time or a random value.
pub fn of_the_moment() -> &'static [&'static str] {
    OF_THE_MOMENT
}

fn has(groups: &[Group], word: &str) -> bool {
    groups.iter().any(|group| group.words.contains(&word))
}

pub(crate) fn is_type(word: &str) -> bool {
    has(TYPES, word)
}

/// The listed type with this name in upper case.
pub(crate) fn type_named(upper: &str) -> &'static str {
    let mut words = TYPES.iter().flat_map(|group| group.words);
    words.find(|name| name.eq_ignore_ascii_case(upper)).copied().unwrap_or_default()
}

pub(crate) fn is_operator(text: &str) -> bool {
    has(OPERATORS, text)
}

/// Functions and words that return the database's time or a random value, which differ between
/// attempts and tests. A rule uses the values of its request.
const OF_THE_MOMENT: &[&str] = &[
    "clock_timestamp",
    "current_date",
    "current_time",
    "current_timestamp",
    "gen_random_uuid",
    "localtime",
    "localtimestamp",
    "now",
    "random",
    "random_normal",
    "statement_timestamp",
    "timeofday",
    "transaction_timestamp",
    "uuid_generate_v4",
];

/// Whether a function or a word of PostgreSQL returns the database's time or a random value.
pub(crate) fn is_of_the_moment(word: &str) -> bool {
    OF_THE_MOMENT.contains(&word)
}

/// The advice what to use instead of such a word.
pub(crate) fn instead_of_the_moment(word: &str) -> String {
    let own = match word {
        "gen_random_uuid" | "uuid_generate_v4" => "a UUID",
        "random" | "random_normal" => "random bytes",
        _ => "the time",
    };
    format!(
        "{word} is another one on each attempt and in each test: send {own} of the request's context as a parameter"
    )
}

/// The type that a function returns, as far as it may be a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Certainly not a text.
    Other,
    Text,
    /// An array of texts.
    Texts,
    /// A text, unless the first argument is not one.
    TextUnlessOther,
    /// The type of the first argument.
    First,
    /// The common type of all arguments.
    OneOfAll,
    /// The type of what WITHIN GROUP sorts.
    Ordered,
}

/// The type that a listed function returns.
pub(crate) fn gives(function: &str) -> Gives {
    let lists = [
        (GIVES_TEXT, Gives::Text),
        (GIVES_TEXTS, Gives::Texts),
        (GIVES_TEXT_OR_BOUND, Gives::TextUnlessOther),
        (GIVES_FIRST, Gives::First),
        (GIVES_ONE_OF_ALL, Gives::OneOfAll),
        (GIVES_ORDERED, Gives::Ordered),
    ];
    lists.into_iter().find(|(list, _)| list.contains(&function)).map_or(Gives::Other, |(_, gives)| gives)
}

/// Whether a listed function may return a text.
pub fn may_give_text(function: &str) -> bool {
    gives(function) != Gives::Other
}

/// Whether a listed function takes a string without a type as a text in each place.
pub fn takes_text(function: &str) -> bool {
    TAKES_TEXT.contains(&function)
}

/// Functions that take a string without a type as a certain type in some places, with these types.
pub fn takes_types() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    TAKES.iter().copied()
}

/// The type as which a listed function takes a string without a type in this place, from 0.
pub(crate) fn takes(function: &str, place: usize) -> Option<&'static str> {
    let (_, places) = TAKES.iter().find(|(name, _)| *name == function)?;
    places.get(place).copied().filter(|kind| *kind != "?")
}

/// Whether a listed function takes a string without a type as a text where another argument is a
/// text.
pub(crate) fn takes_alike(function: &str) -> bool {
    TAKES_ALIKE.contains(&function)
}

/// Whether a listed function returns neither texts, arrays, `jsonb` nor bytes.
pub fn gives_scalar(function: &str) -> bool {
    GIVES_SCALAR.contains(&function)
}

/// Whether a column type with this first word is certainly not a text.
pub(crate) fn is_no_text(word: &str) -> bool {
    NO_TEXTS.contains(&word)
}

/// Whether a type, as it is printed, is a text type.
pub(crate) fn is_text(word: &str) -> bool {
    TEXTS.contains(&word)
}

/// Whether a type, as it is printed, is a date or a time.
pub(crate) fn is_time(word: &str) -> bool {
    TIMES.contains(&word)
}

pub(crate) fn is_function(name: &str) -> bool {
    has(FUNCTIONS, name)
}

/// Whether a function is part of the grammar and has no schema.
pub(crate) fn is_grammar(name: &str) -> bool {
    GRAMMAR.contains(&name)
}

/// Whether a word before a parenthesis can name a function.
pub(crate) fn may_call(word: &str) -> bool {
    !is_reserved(word) || matches!(word, "left" | "right")
}

pub(crate) fn is_system_column(name: &str) -> bool {
    SYSTEM_COLUMNS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_out_of_a_statement_is_on_no_list() {
        for function in [
            "nextval",
            "setval",
            "currval",
            "lastval",
            "set_config",
            "current_setting",
            "pg_sleep",
            "pg_notify",
            "pg_advisory_lock",
            "pg_read_file",
            "pg_ls_dir",
            "lo_import",
            "lo_get",
            "dblink",
            "query_to_xml",
            "table_to_xml",
            "has_table_privilege",
            "to_regclass",
            "txid_current",
            "pg_current_xact_id",
            "version",
            "inet_server_addr",
            "pg_backend_pid",
            "pg_terminate_backend",
            "current_database",
            "random",
            "setseed",
            "clock_timestamp",
            "pg_stat_get_activity",
            "pg_get_userbyid",
            "obj_description",
            "xpath",
        ] {
            assert!(!is_function(function), "{function}");
        }
        for name in ["regclass", "regrole", "regproc", "oid", "xml", "name", "pg_lsn", "record", "refcursor"] {
            assert!(!is_type(name), "{name}");
        }
    }

    #[test]
    fn a_list_has_each_word_once_and_in_order() {
        let grouped = [TYPES, FUNCTIONS].into_iter().flatten().map(|group| group.words);
        let gives = [GIVES_TEXT, GIVES_TEXTS, GIVES_TEXT_OR_BOUND, GIVES_FIRST, GIVES_ONE_OF_ALL, GIVES_ORDERED];
        let takes: Vec<&str> = TAKES.iter().map(|(name, _)| *name).collect();
        let own = [
            RESERVED,
            NO_LABELS,
            GRAMMAR,
            SYSTEM_COLUMNS,
            OF_THE_MOMENT,
            NO_TEXTS,
            TEXTS,
            TIMES,
            TAKES_TEXT,
            TAKES_ALIKE,
            GIVES_SCALAR,
            &takes,
        ];
        for list in own.into_iter().chain(gives).chain(grouped) {
            assert!(list.is_sorted_by(|one, next| one < next), "{list:?}");
        }
        for groups in [TYPES, OPERATORS, FUNCTIONS] {
            let mut words: Vec<_> = groups.iter().flat_map(|group| group.words).collect();
            let count = words.len();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), count);
        }
        assert!(GRAMMAR.iter().all(|name| is_function(name)));
        assert!(gives.iter().flat_map(|list| *list).all(|name| is_function(name)));
        assert!([TAKES_TEXT, TAKES_ALIKE, GIVES_SCALAR, &takes].into_iter().flatten().all(|name| is_function(name)));
        assert!(GIVES_SCALAR.iter().all(|name| !may_give_text(name)));
        assert!(TEXTS.iter().chain(TIMES).all(|name| is_type(&name.to_ascii_lowercase())));
    }
}
