//! Functions of texts, in UTF-8 and the collation C.

use std::sync::Arc;

use crate::scalars::Call;
use crate::scalars::cast::{self, Context};
use crate::scalars::implementations::{int_at, is_null, text, text_at};
use crate::sql_error::SqlError;
use crate::values::kind::Kind;
use crate::values::text_format;
use crate::values::value::Value;

/// The bytes that PostgreSQL allocates at the most.
const MAX_BYTES: i128 = 0x3fff_ffff;

pub(super) fn parameter_error(message: impl Into<String>) -> SqlError {
    SqlError::new("22023", message)
}

fn count(length: usize) -> Value {
    Value::Int4(i32::try_from(length).unwrap_or(i32::MAX))
}

/// The characters from one place, from 1, to another one that is not included.
fn characters(text: &str, from: i128, to: i128) -> &str {
    let place = |at: i128| {
        let at = usize::try_from((at - 1).clamp(0, i128::from(i64::MAX))).unwrap_or(0);
        text.char_indices().nth(at).map_or(text.len(), |(index, _)| index)
    };
    text.get(place(from)..place(to.max(from))).unwrap_or("")
}

/// The places that a start and a length mean, from 1; no end without a length.
pub(super) fn range(start: i128, length: Option<i128>) -> Result<(i128, i128), SqlError> {
    let end = match length {
        Some(length) if length < 0 => return Err(SqlError::new("22011", "negative substring length not allowed")),
        Some(length) if start + length <= i128::from(i32::MAX) => start + length,
        _ => i128::MAX,
    };
    Ok((start.max(1), end.max(1)))
}

fn substring(values: &[Value], length: Option<i128>) -> Result<Value, SqlError> {
    let (from, to) = range(int_at(values, 1)?, length)?;
    Ok(text(characters(text_at(values, 0)?, from, to)))
}

fn overlay(values: &[Value], length: Option<i128>) -> Result<Value, SqlError> {
    let (whole, new) = (text_at(values, 0)?, text_at(values, 1)?);
    let start = int_at(values, 2)?;
    let length = length.unwrap_or_else(|| i128::try_from(new.chars().count()).unwrap_or(0));
    if start <= 0 {
        return Err(SqlError::new("22011", "negative substring length not allowed"));
    }
    let end = start + length;
    if end > i128::from(i32::MAX) || end < i128::from(i32::MIN) {
        return Err(SqlError::new("22003", "integer out of range"));
    }
    let before = characters(whole, 1, start);
    let after = characters(whole, end.max(1), i128::MAX);
    Ok(text(format!("{before}{new}{after}")))
}

/// The first or the last characters, or all but so many.
fn side(values: &[Value], is_left: bool) -> Result<Value, SqlError> {
    let whole = text_at(values, 0)?;
    let wanted = int_at(values, 1)?;
    let length = i128::try_from(whole.chars().count()).unwrap_or(0);
    // PostgreSQL cannot negate the least integer, and takes all from the right.
    let is_least = !is_left && wanted == i128::from(i32::MIN);
    let size = if is_least {
        length
    } else if wanted < 0 {
        (length + wanted).max(0)
    } else {
        wanted.min(length)
    };
    Ok(text(if is_left { characters(whole, 1, size + 1) } else { characters(whole, length - size + 1, length + 1) }))
}

fn too_large() -> SqlError {
    SqlError::new("54000", "requested length too large")
}

fn pad(values: &[Value], is_left: bool, fill: &str) -> Result<Value, SqlError> {
    let whole = text_at(values, 0)?;
    let wanted = int_at(values, 1)?.max(0);
    let length = whole.chars().count();
    if i128::try_from(length).unwrap_or(0) >= wanted || fill.is_empty() {
        return Ok(text(characters(whole, 1, wanted + 1)));
    }
    if wanted * 4 + 4 > MAX_BYTES {
        return Err(too_large());
    }
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let padding: String = fill.chars().cycle().take(wanted - length).collect();
    Ok(text(if is_left { format!("{padding}{whole}") } else { format!("{whole}{padding}") }))
}

fn trim(values: &[Value], is_left: bool, is_right: bool) -> Result<Value, SqlError> {
    let mut whole = text_at(values, 0)?;
    let set = if values.len() > 1 { text_at(values, 1)? } else { " " };
    if is_left {
        whole = whole.trim_start_matches(|one| set.contains(one));
    }
    if is_right {
        whole = whole.trim_end_matches(|one| set.contains(one));
    }
    Ok(text(whole))
}

fn position(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, part) = (text_at(values, 0)?, text_at(values, 1)?);
    let before = whole.find(part).and_then(|at| whole.get(..at));
    Ok(before.map_or(Value::Int4(0), |before| count(before.chars().count() + 1)))
}

fn repeat(values: &[Value]) -> Result<Value, SqlError> {
    let whole = text_at(values, 0)?;
    let times = int_at(values, 1)?.max(0);
    if i128::try_from(whole.len()).unwrap_or(MAX_BYTES) * times + 4 > MAX_BYTES {
        return Err(too_large());
    }
    Ok(text(whole.repeat(usize::try_from(times).unwrap_or(0))))
}

fn replace(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, from, to) = (text_at(values, 0)?, text_at(values, 1)?, text_at(values, 2)?);
    Ok(text(if from.is_empty() { whole.to_owned() } else { whole.replace(from, to) }))
}

fn translate(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, from, to) = (text_at(values, 0)?, text_at(values, 1)?, text_at(values, 2)?);
    let to: Vec<char> = to.chars().collect();
    let one = |one: char| match from.chars().position(|other| other == one) {
        Some(place) => to.get(place).copied(),
        None => Some(one),
    };
    Ok(text(whole.chars().filter_map(one).collect::<String>()))
}

fn split_part(values: &[Value]) -> Result<Value, SqlError> {
    let (whole, separator) = (text_at(values, 0)?, text_at(values, 1)?);
    let wanted = int_at(values, 2)?;
    if wanted == 0 {
        return Err(parameter_error("field position must not be zero"));
    }
    let parts: Vec<&str> = match (whole, separator) {
        ("", _) => Vec::new(),
        (_, "") => vec![whole],
        _ => whole.split(separator).collect(),
    };
    let place = if wanted > 0 {
        usize::try_from(wanted - 1).ok()
    } else {
        usize::try_from(-wanted).ok().and_then(|back| parts.len().checked_sub(back))
    };
    Ok(text(place.and_then(|place| parts.get(place)).copied().unwrap_or("")))
}

fn character(values: &[Value]) -> Result<Value, SqlError> {
    let code = int_at(values, 0)?;
    let limit = |message: String| SqlError::new("54000", message);
    if code < 0 {
        return Err(parameter_error("character number must be positive"));
    }
    if code == 0 {
        return Err(limit("null character not permitted".to_owned()));
    }
    if code > 0x10_ffff {
        return Err(limit(format!("requested character too large for encoding: {code}")));
    }
    match u32::try_from(code).ok().and_then(char::from_u32) {
        Some(one) => Ok(text(one.to_string())),
        None => Err(limit(format!("requested character not valid for encoding: {code}"))),
    }
}

/// The first letter of each word in upper case, the others in lower case.
fn initial_capitals(values: &[Value]) -> Result<Value, SqlError> {
    let mut is_within = false;
    let one = |one: char| {
        let changed = if is_within { one.to_ascii_lowercase() } else { one.to_ascii_uppercase() };
        is_within = one.is_ascii_alphanumeric();
        changed
    };
    Ok(text(text_at(values, 0)?.chars().map(one).collect::<String>()))
}

/// A value as the text that `concat` makes of it.
fn shown(kinds: &[Kind], values: &[Value], place: usize) -> Result<String, SqlError> {
    match (kinds.get(place), values.get(place)) {
        (Some(kind), Some(value)) => text_format::output(value, *kind),
        _ => Err(super::mismatch()),
    }
}

/// A value as a cast to `text` makes it: not all are as they are shown.
fn cast_to_text(kinds: &[Kind], values: &[Value], place: usize) -> Result<String, SqlError> {
    let (Some(kind), Some(value)) = (kinds.get(place), values.get(place)) else {
        return Err(super::mismatch());
    };
    let cast = cast::find(*kind, Kind::Text, Context::Explicit).ok_or_else(super::mismatch)?;
    match cast::apply(cast, value, -1, true)? {
        Value::Text(own) => Ok(own.to_string()),
        _ => Err(super::mismatch()),
    }
}

fn concatenate(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    let parts: Vec<String> = (0..values.len()).map(|place| shown(kinds, values, place)).collect::<Result<_, _>>()?;
    Ok(text(parts.concat()))
}

fn concatenate_with(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    if is_null(values, 0) {
        return Ok(Value::Null);
    }
    let given = (1..values.len()).filter(|place| !is_null(values, *place));
    let parts: Vec<String> = given.map(|place| shown(kinds, values, place)).collect::<Result<_, _>>()?;
    Ok(text(parts.join(text_at(values, 0)?)))
}

/// A name as SQL writes it.
fn quoted_name(name: &str) -> String {
    let is_plain = name.starts_with(|one: char| one.is_ascii_lowercase() || one == '_')
        && name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
        && KEY_WORDS.binary_search(&name).is_err();
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A text as SQL writes it.
fn quoted_text(text: &str) -> String {
    let prefix = if text.contains('\\') { "E" } else { "" };
    format!("{prefix}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn format(kinds: &[Kind], values: &[Value]) -> Result<Value, SqlError> {
    if is_null(values, 0) {
        return Ok(Value::Null);
    }
    let mut rest = text_at(values, 0)?.chars().peekable();
    let mut out = String::new();
    let mut next = 1_usize;
    let unfinished =
        || parameter_error("unterminated format() type specifier").with_hint("For a single \"%\" use \"%%\".");
    while let Some(one) = rest.next() {
        if one != '%' {
            out.push(one);
            continue;
        }
        let mut number = String::new();
        let mut is_left = false;
        let mut width: Option<usize> = None;
        let mut place = None;
        loop {
            match rest.next().ok_or_else(unfinished)? {
                digit if digit.is_ascii_digit() => number.push(digit),
                '$' if !number.is_empty() && place.is_none() && !is_left && width.is_none() => {
                    let own: usize = number.parse().map_err(|_| parameter_error("number is out of range"))?;
                    if own == 0 {
                        return Err(parameter_error("format specifies argument 0, but arguments are numbered from 1"));
                    }
                    place = Some(own);
                    number.clear();
                }
                '-' if number.is_empty() => is_left = true,
                '*' => return Err(SqlError::unsupported("a width of format() that is an argument")),
                '%' if number.is_empty() && place.is_none() && !is_left => {
                    out.push('%');
                    break;
                }
                form @ ('s' | 'I' | 'L') => {
                    if !number.is_empty() {
                        width = Some(number.parse().map_err(|_| parameter_error("number is out of range"))?);
                    }
                    let at = place.unwrap_or(next);
                    next = at + 1;
                    if at >= values.len() {
                        return Err(parameter_error("too few arguments for format()"));
                    }
                    let own = if is_null(values, at) {
                        match form {
                            's' => String::new(),
                            'L' => "NULL".to_owned(),
                            _ => {
                                let message = "null values cannot be formatted as an SQL identifier";
                                return Err(SqlError::new("22004", message));
                            }
                        }
                    } else {
                        let own = shown(kinds, values, at)?;
                        match form {
                            's' => own,
                            'L' => quoted_text(&own),
                            _ => quoted_name(&own),
                        }
                    };
                    let padding = " ".repeat(width.unwrap_or(0).saturating_sub(own.chars().count()));
                    out.push_str(&if is_left { format!("{own}{padding}") } else { format!("{padding}{own}") });
                    break;
                }
                other => {
                    return Err(parameter_error(format!("unrecognized format() type specifier \"{other}\""))
                        .with_hint("For a single \"%\" use \"%%\"."));
                }
            }
        }
    }
    Ok(text(out))
}

fn split(values: &[Value], null: Option<&str>) -> Result<Vec<Value>, SqlError> {
    let whole = text_at(values, 0)?;
    let parts: Vec<String> = if whole.is_empty() {
        Vec::new()
    } else if is_null(values, 1) {
        whole.chars().map(String::from).collect()
    } else {
        match text_at(values, 1)? {
            "" => vec![whole.to_owned()],
            separator => whole.split(separator).map(str::to_owned).collect(),
        }
    };
    Ok(parts.into_iter().map(|part| if Some(part.as_str()) == null { Value::Null } else { text(part) }).collect())
}

/// The parts of a text; none if it is NULL.
pub(super) fn parts(values: &[Value]) -> Result<Option<Vec<Value>>, SqlError> {
    if is_null(values, 0) {
        return Ok(None);
    }
    let null = if values.len() > 2 && !is_null(values, 2) { Some(text_at(values, 2)?) } else { None };
    split(values, null).map(Some)
}

fn to_array(values: &[Value]) -> Result<Value, SqlError> {
    Ok(parts(values)?.map_or(Value::Null, |parts| Value::Array(parts.into())))
}

fn of_kind(kinds: &[Kind], values: &[Value], quote: fn(&str) -> String) -> Result<Value, SqlError> {
    Ok(text(quote(&cast_to_text(kinds, values, 0)?)))
}

pub(super) fn find(source: &str) -> Option<Call> {
    let plain: fn(&[Value]) -> Result<Value, SqlError> = match source {
        "textcat" => |values| Ok(text(format!("{}{}", text_at(values, 0)?, text_at(values, 1)?))),
        "textlen" => |values| Ok(count(text_at(values, 0)?.chars().count())),
        "bpcharlen" => |values| Ok(count(text_at(values, 0)?.trim_end_matches(' ').chars().count())),
        "textoctetlen" | "bpcharoctetlen" => |values| Ok(count(text_at(values, 0)?.len())),
        "bit_length/text" => |values| Ok(count(text_at(values, 0)?.len() * 8)),
        "lower" => |values| Ok(text(text_at(values, 0)?.to_ascii_lowercase())),
        "upper" => |values| Ok(text(text_at(values, 0)?.to_ascii_uppercase())),
        "initcap" => initial_capitals,
        "text_substr" => |values| substring(values, Some(int_at(values, 2)?)),
        "text_substr_no_len" => |values| substring(values, None),
        "textoverlay" => |values| overlay(values, Some(int_at(values, 3)?)),
        "textoverlay_no_len" => |values| overlay(values, None),
        "text_left" => |values| side(values, true),
        "text_right" => |values| side(values, false),
        "lpad" => |values| pad(values, true, text_at(values, 2)?),
        "rpad" => |values| pad(values, false, text_at(values, 2)?),
        "lpad/text,int4" => |values| pad(values, true, " "),
        "rpad/text,int4" => |values| pad(values, false, " "),
        "btrim" | "btrim1" => |values| trim(values, true, true),
        "ltrim" | "ltrim1" => |values| trim(values, true, false),
        "rtrim" | "rtrim1" => |values| trim(values, false, true),
        "textpos" => position,
        "repeat" => repeat,
        "replace_text" => replace,
        "translate" => translate,
        "split_part" => split_part,
        "text_reverse" => |values| Ok(text(text_at(values, 0)?.chars().rev().collect::<String>())),
        "text_starts_with" | "starts_with" => {
            |values| Ok(Value::Bool(text_at(values, 0)?.starts_with(text_at(values, 1)?)))
        }
        "ascii" => |values| {
            let first = text_at(values, 0)?.chars().next().map_or(0, u32::from);
            Ok(Value::Int4(i32::try_from(first).unwrap_or(0)))
        },
        "chr" => character,
        "quote_ident" => |values| Ok(text(quoted_name(text_at(values, 0)?))),
        "quote_literal" => |values| Ok(text(quoted_text(text_at(values, 0)?))),
        "quote_nullable" => |values| {
            if is_null(values, 0) { Ok(text("NULL")) } else { Ok(text(quoted_text(text_at(values, 0)?))) }
        },
        "text_to_array" | "text_to_array_null" => to_array,
        _ => {
            return Some(Call::Kinds(match source {
                "text_concat" => concatenate,
                "text_concat_ws" => concatenate_with,
                "text_format" | "text_format_nv" => format,
                "quote_literal/anyelement" => |kinds, values| of_kind(kinds, values, quoted_text),
                "quote_nullable/anyelement" => |kinds, values| {
                    if is_null(values, 0) { Ok(text("NULL")) } else { of_kind(kinds, values, quoted_text) }
                },
                "textanycat/text,anynonarray" | "anytextcat/anynonarray,text" => |kinds, values| {
                    Ok(text(format!("{}{}", cast_to_text(kinds, values, 0)?, cast_to_text(kinds, values, 1)?)))
                },
                _ => return None,
            }));
        }
    };
    Some(Call::Plain(plain))
}

/// The texts of an array of texts; none for NULL.
pub(super) fn texts(value: &Value) -> Result<Vec<Option<Arc<str>>>, SqlError> {
    let Value::Array(elements) = value else {
        return Err(super::mismatch());
    };
    let one = |element: &Value| match element {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text.clone())),
        _ => Err(super::mismatch()),
    };
    elements.iter().map(one).collect()
}

/// The words that are quoted as names: all key words but those that PostgreSQL reserves nowhere.
const KEY_WORDS: &[&str] = &[
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
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
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
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json_array",
    "json_arrayagg",
    "json_object",
    "json_objectagg",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];
