use std::sync::Arc;

use sqlparser::ast::{
    ColumnOption, ConstraintCharacteristics, CreateTable, DataType, DeferrableInitial, Expr, GeneratedAs, Ident,
    IndexColumn, NullsDistinctOption, TableConstraint,
};

use crate::query::{self, data_type};
use crate::sql_error::SqlError;
use crate::store::catalog::Catalog;
use crate::store::ddl::Change;
use crate::store::ddl::create_sequence::of_options;
use crate::store::ddl::foreign_keys::{self, Asked};
use crate::store::ddl::names::{columns_of, folded, free_name};
use crate::store::sequence::Sequence;
use crate::store::table::{Check, Column, Identity, Table, UniqueIndex};
use crate::values::kind::{Kind, Modifier, pack_numeric_modifier};

/// The most columns of a table.
const COLUMNS: usize = 255;
/// The most columns of a key.
pub(crate) const KEY_COLUMNS: usize = 8;
/// The most indexes of a table, the primary key among them.
pub(crate) const INDEXES: usize = 24;
/// The most tables of a database.
const TABLES: usize = 1_000;

/// Types that PostgreSQL has and DSQL keeps in no column.
const UNSUPPORTED: [&str; 27] = [
    "bit",
    "bit varying",
    "box",
    "cidr",
    "circle",
    "daterange",
    "inet",
    "int4range",
    "int8range",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "numrange",
    "oid",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "regclass",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "varbit",
    "xml",
];

/// Unique constraints of a statement: the name that was given, the columns, whether it is the
/// primary key, and whether NULLs are distinct.
type Keys = Vec<(Option<String>, Vec<String>, bool, bool)>;

pub(crate) fn create(change: &mut Change<'_>, create: &CreateTable) -> Result<(), SqlError> {
    if create.query.is_some() {
        return Err(SqlError::new("0A000", "unsupported statement: CreateTableAs"));
    }
    if create.like.is_some()
        || create.inherits.is_some()
        || create.partition_by.is_some()
        || create.partition_of.is_some()
    {
        return Err(SqlError::unsupported("this form of CREATE TABLE"));
    }
    let (schema, name) = change.new_name(&create.name)?;
    if change.objects.has_relation(&schema, &name) {
        if create.if_not_exists {
            change.notice("42P07", format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(SqlError::new("42P07", format!("relation \"{name}\" already exists")));
    }
    if create.columns.len() > COLUMNS {
        return Err(SqlError::new("54011", format!("tables can have at most {COLUMNS} columns")));
    }
    if change.objects.tables.len() >= TABLES {
        return Err(SqlError::new("54000", format!("creating more than {TABLES} tables not allowed")));
    }
    let id = change.objects.new_oid();
    let owner = change.catalog.user.to_string();
    let mut table = Table {
        id,
        schema: schema.clone(),
        name,
        owner,
        columns: Vec::new(),
        last_number: 0,
        primary_key: None,
        uniques: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
    };
    let (mut keys, mut checks, mut sequences) = (Keys::new(), Vec::new(), Vec::new());
    let mut foreign_keys = Vec::new();
    for definition in &create.columns {
        let name = folded(&definition.name);
        if table.column(&name).is_some() {
            return Err(SqlError::new("42701", format!("column \"{name}\" specified more than once")));
        }
        let (kind, modifier) = column_type(&definition.data_type)?;
        table.last_number += 1;
        let number = table.last_number;
        let mut column = Column {
            name: name.clone(),
            number,
            kind,
            modifier,
            is_not_null: false,
            default: None,
            generated: None,
            identity: None,
        };
        for option in &definition.options {
            let given = option.name.as_ref().map(folded);
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => column.is_not_null = true,
                ColumnOption::Default(expression) => column.default = Some(expression.clone()),
                ColumnOption::PrimaryKey(primary) => {
                    check_characteristics(primary.characteristics.as_ref())?;
                    keys.push((given, vec![name.clone()], true, true));
                }
                ColumnOption::Unique(unique) => {
                    check_characteristics(unique.characteristics.as_ref())?;
                    let distinct = unique.nulls_distinct != NullsDistinctOption::NotDistinct;
                    keys.push((given, vec![name.clone()], false, distinct));
                }
                ColumnOption::ForeignKey(constraint) => {
                    let columns = vec![&definition.name];
                    foreign_keys.push(Asked { name: given, columns, constraint, is_valid: true });
                }
                ColumnOption::Check(check) => checks.push((given, check.expr.as_ref().clone())),
                ColumnOption::Generated { generation_expr: Some(_), .. } => {
                    return Err(SqlError::unsupported("a generated column"));
                }
                ColumnOption::Generated { generated_as, sequence_options, .. } => {
                    let options = sequence_options.as_deref().unwrap_or_default();
                    let sequence = of_options(options, "identity column")?;
                    if kind != Kind::Int8 {
                        let text =
                            format!("datatype {} not supported, identity column type must be bigint", kind.name());
                        return Err(SqlError::new("0A000", text));
                    }
                    let sequence_id = change.objects.new_oid();
                    let is_always = *generated_as == GeneratedAs::Always;
                    column.identity = Some(Identity { is_always, sequence: sequence_id });
                    column.is_not_null = true;
                    sequences.push(Sequence {
                        id: sequence_id,
                        owned_by: Some((id, number)),
                        name: name.clone(),
                        ..sequence
                    });
                }
                ColumnOption::Collation(_) => return Err(SqlError::new("0A000", "COLLATE clause not supported")),
                ColumnOption::Storage(_) => {}
                other => return Err(SqlError::unsupported(format!("the column option {other}"))),
            }
        }
        table.columns.push(column);
    }
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::PrimaryKey(key) if key.include.is_empty() => {
                check_characteristics(key.characteristics.as_ref())?;
                keys.push((key.name.as_ref().map(folded), key_columns(&key.columns)?, true, true));
            }
            TableConstraint::Unique(key) if key.include.is_empty() => {
                check_characteristics(key.characteristics.as_ref())?;
                let distinct = key.nulls_distinct != NullsDistinctOption::NotDistinct;
                keys.push((key.name.as_ref().map(folded), key_columns(&key.columns)?, false, distinct));
            }
            TableConstraint::Check(check) => {
                checks.push((check.name.as_ref().map(folded), check.expr.as_ref().clone()));
            }
            TableConstraint::ForeignKey(constraint) => {
                let (name, columns) = (constraint.name.as_ref().map(folded), constraint.columns.iter().collect());
                foreign_keys.push(Asked { name, columns, constraint, is_valid: true });
            }
            other => return Err(SqlError::unsupported(format!("the constraint {other}"))),
        }
    }
    add_keys(change, &mut table, keys)?;
    for (given, expression) in checks {
        add_check(change, &mut table, given, expression)?;
    }
    for mut sequence in sequences {
        let column = std::mem::take(&mut sequence.name);
        sequence.name = change.objects.free_relation_name(&schema, &table.name, &column, "seq");
        sequence.schema.clone_from(&schema);
        sequence.owner.clone_from(&table.owner);
        change.objects.sequences.insert((schema.clone(), sequence.name.clone()), Arc::new(sequence));
    }
    // What its first INSERT would fail at is refused now.
    let catalog = Catalog { objects: Arc::new(change.objects.clone()), ..change.catalog.clone() };
    query::check_table(&catalog, &Arc::new(table.clone()))?;
    // They come after all else, in the order in which they are written.
    foreign_keys.sort_by_key(|asked| asked.columns.first().map(|column| column.span.start));
    for asked in &foreign_keys {
        foreign_keys::add(change, &mut table, asked)?;
    }
    change.objects.tables.insert((schema, table.name.clone()), Arc::new(table));
    change.has_changed = true;
    Ok(())
}

/// Refuses a constraint that is looked at later than at the end of its statement.
fn check_characteristics(characteristics: Option<&ConstraintCharacteristics>) -> Result<(), SqlError> {
    match characteristics {
        Some(one) if one.deferrable == Some(true) || one.initially == Some(DeferrableInitial::Deferred) => {
            Err(SqlError::unsupported("a DEFERRABLE constraint"))
        }
        Some(one) if one.enforced == Some(false) => Err(SqlError::unsupported("a constraint that is NOT ENFORCED")),
        _ => Ok(()),
    }
}

fn add_keys(change: &mut Change<'_>, table: &mut Table, keys: Keys) -> Result<(), SqlError> {
    if keys.iter().filter(|(_, _, is_primary, _)| *is_primary).count() > 1 {
        let text = format!("multiple primary keys for table \"{}\" are not allowed", table.name);
        return Err(SqlError::new("42P16", text));
    }
    if keys.len() > INDEXES {
        return Err(SqlError::new("54000", format!("more than {INDEXES} indexes per table are not allowed")));
    }
    for (given, names, is_primary, nulls_are_distinct) in keys {
        let what = if is_primary { "primary key" } else { "unique" };
        let mut columns = Vec::new();
        for name in &names {
            let place = table
                .column(name)
                .ok_or_else(|| SqlError::new("42703", format!("column \"{name}\" named in key does not exist")))?;
            if columns.contains(&place) {
                let text = format!("column \"{name}\" appears twice in {what} constraint");
                return Err(SqlError::new("42701", text));
            }
            columns.push(place);
        }
        check_key(table, &columns)?;
        let is_taken = |name: &str| {
            change.objects.has_relation(&table.schema, name) || table.has_constraint(name) || table.name == name
        };
        let name = match given {
            Some(name) if is_taken(&name) => {
                return Err(SqlError::new("42P07", format!("relation \"{name}\" already exists")));
            }
            Some(name) => name,
            None if is_primary => free_name(&table.name, "", "pkey", is_taken),
            None => free_name(&table.name, &names.join("_"), "key", is_taken),
        };
        let (id, constraint) = (change.objects.new_oid(), Some(change.objects.new_oid()));
        if is_primary {
            for place in &columns {
                if let Some(column) = table.columns.get_mut(*place) {
                    column.is_not_null = true;
                }
            }
        }
        let index = UniqueIndex { id, name, columns, constraint, nulls_are_distinct };
        if is_primary { table.primary_key = Some(index) } else { table.uniques.push(index) }
    }
    Ok(())
}

/// Refuses columns that cannot be those of an index.
pub(crate) fn check_key(table: &Table, columns: &[usize]) -> Result<(), SqlError> {
    if columns.len() > KEY_COLUMNS {
        let text = format!("more than {KEY_COLUMNS} column keys in an index are not supported");
        return Err(SqlError::new("54011", text));
    }
    for column in columns.iter().filter_map(|place| table.columns.get(*place)) {
        if matches!(column.kind, Kind::Bytea | Kind::Json | Kind::Jsonb | Kind::Interval) {
            let text = format!("datatype {} not supported for an index", column.kind.name());
            return Err(SqlError::new("0A000", text));
        }
    }
    Ok(())
}

/// Adds a CHECK constraint. A name that the system chooses has that of the column, if it is about
/// one only.
pub(crate) fn add_check(
    change: &mut Change<'_>,
    table: &mut Table,
    given: Option<String>,
    expression: Expr,
) -> Result<(), SqlError> {
    let name = match given {
        Some(name) if table.has_constraint(&name) => {
            let text = format!("constraint \"{name}\" for relation \"{}\" already exists", table.name);
            return Err(SqlError::new("42710", text));
        }
        Some(name) => name,
        None => {
            let columns = columns_of(&expression);
            let column = match columns.as_slice() {
                [column] if table.column(column).is_some() => column.as_str(),
                _ => "",
            };
            free_name(&table.name, column, "check", |name| table.has_constraint(name))
        }
    };
    let id = change.objects.new_oid();
    table.checks.push(Check { id, name, expression });
    Ok(())
}

/// The names of plain columns.
pub(crate) fn key_columns(columns: &[IndexColumn]) -> Result<Vec<String>, SqlError> {
    let name = |column: &IndexColumn| match &column.column.expr {
        Expr::Identifier(name) if column.operator_class.is_none() => Ok(folded(name)),
        _ => Err(SqlError::unsupported(format!("the index column {column}"))),
    };
    columns.iter().map(name).collect()
}

/// The type of a column, as DSQL keeps it: a `numeric` without digits is `numeric(18,6)`
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-postgresql-compatibility-supported-data-types.html>).
pub(crate) fn column_type(data_type: &DataType) -> Result<(Kind, Modifier), SqlError> {
    let name = data_type.to_string().to_lowercase();
    let plain = name.split('(').next().unwrap_or_default();
    if ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"].contains(&plain) {
        return Err(SqlError::new("42704", format!("type \"{plain}\" does not exist")));
    }
    let refused = |name: &str| Err(SqlError::new("0A000", format!("datatype {name} not supported")));
    if UNSUPPORTED.contains(&plain) {
        return refused(if plain == "varbit" { "bit varying" } else { plain });
    }
    match data_type::of(data_type)? {
        (kind @ Kind::Array(_), _) => refused(kind.name()),
        (kind @ (Kind::Name | Kind::Oid | Kind::Record | Kind::Void | Kind::Unknown), _) => refused(kind.name()),
        (Kind::Numeric, -1) => Ok((Kind::Numeric, pack_numeric_modifier(18, 6))),
        of_column => Ok(of_column),
    }
}

/// The names in a list.
pub(crate) fn all_folded(names: &[Ident]) -> Vec<String> {
    names.iter().map(folded).collect()
}
