use std::sync::Arc;

use sqlparser::ast::{DataType, Expr, ObjectName, SequenceOptions, UnaryOperator, Value};

use crate::query::data_type;
use crate::sql_error::SqlError;
use crate::store::ddl::Change;
use crate::store::sequence::Sequence;
use crate::values::kind::Kind;

pub(crate) fn create(
    change: &mut Change<'_>,
    name: &ObjectName,
    if_not_exists: bool,
    data_type: Option<&DataType>,
    options: &[SequenceOptions],
) -> Result<(), SqlError> {
    let (schema, name) = change.new_name(name)?;
    if change.objects.has_relation(&schema, &name) {
        if if_not_exists {
            change.notice("42P07", format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(SqlError::new("42P07", format!("relation \"{name}\" already exists")));
    }
    if let Some(data_type) = data_type {
        let (kind, _) = data_type::of(data_type)?;
        if kind != Kind::Int8 {
            let text = format!("datatype {} not supported, sequence type must be bigint", kind.name());
            return Err(SqlError::new("0A000", text));
        }
    }
    let id = change.objects.new_oid();
    let mut sequence = of_options(options, "CREATE SEQUENCE")?;
    (sequence.id, sequence.schema, sequence.name) = (id, schema.clone(), name.clone());
    sequence.owner = change.catalog.user.to_string();
    change.objects.sequences.insert((schema, name), Arc::new(sequence));
    change.has_changed = true;
    Ok(())
}

/// A sequence with these options, without its name. `what` needs an explicit cache size.
pub(crate) fn of_options(options: &[SequenceOptions], what: &str) -> Result<Sequence, SqlError> {
    let (mut increment, mut min, mut max, mut start, mut cache, mut cycle) = (1, None, None, None, None, false);
    for option in options {
        match option {
            SequenceOptions::IncrementBy(value, _) => increment = number(value)?,
            SequenceOptions::MinValue(value) => min = value.as_ref().map(number).transpose()?,
            SequenceOptions::MaxValue(value) => max = value.as_ref().map(number).transpose()?,
            SequenceOptions::StartWith(value, _) => start = Some(number(value)?),
            SequenceOptions::Cache(value) => cache = Some(number(value)?),
            // The option's value says whether NO stands before it.
            SequenceOptions::Cycle(no) => cycle = !no,
            SequenceOptions::Restart(..) => return Err(SqlError::unsupported(option)),
        }
    }
    let cache = cache.filter(|cache| *cache == 1 || *cache >= 65_536).ok_or_else(|| {
        let text = "please define CACHE greater than or equal to 65536 or equal to 1";
        SqlError::new("0A000", format!("{what} is not supported without an explicit cache size. {text}"))
    })?;
    if increment == 0 {
        return Err(SqlError::new("22023", "INCREMENT must not be zero"));
    }
    let max = max.unwrap_or(if increment > 0 { i64::MAX } else { -1 });
    let min = min.unwrap_or(if increment > 0 { 1 } else { i64::MIN });
    if min >= max {
        return Err(SqlError::new("22023", format!("MINVALUE ({min}) must be less than MAXVALUE ({max})")));
    }
    let start = start.unwrap_or(if increment > 0 { min } else { max });
    if start < min {
        return Err(SqlError::new("22023", format!("START value ({start}) cannot be less than MINVALUE ({min})")));
    }
    if start > max {
        return Err(SqlError::new("22023", format!("START value ({start}) cannot be greater than MAXVALUE ({max})")));
    }
    let (schema, name, owner) = (String::new(), String::new(), String::new());
    Ok(Sequence { id: 0, schema, name, owner, start, increment, min, max, cycle, cache, owned_by: None })
}

fn number(value: &Expr) -> Result<i64, SqlError> {
    let parsed = match value {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => format!("-{digits}").parse().ok(),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    parsed.ok_or_else(|| SqlError::unsupported(format!("the number {value} of a sequence")))
}
