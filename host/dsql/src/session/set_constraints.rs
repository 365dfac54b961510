//! SET CONSTRAINTS, which the parser does not know.

use sqlparser::ast::{ObjectName, Set, SetSessionParamGeneric, SetSessionParamKind, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

use crate::session::block::Block;
use crate::session::failure::{Notice, Severity};
use crate::session::state::Session;
use crate::sql_error::SqlError;
use crate::store::catalog::Catalog;
use crate::store::ddl::parts;
use crate::store::table::Table;

const DEFERRED: &str = "DEFERRED";

/// Whether a statement with these words is one.
pub(crate) fn is_one(words: &[String]) -> bool {
    matches!(words, [set, constraints, ..] if set == "SET" && constraints == "CONSTRAINTS")
}

/// Reads it. The result is the form of SET with names and a word, which the language has for nothing else.
pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Statement, ParserError> {
    parser.next_token();
    parser.next_token();
    let names: Vec<ObjectName> = if parser.parse_keyword(Keyword::ALL) {
        Vec::new()
    } else {
        parser.parse_comma_separated(|parser| parser.parse_object_name(false))?
    };
    let mode = parser.expect_one_of_keywords(&[Keyword::DEFERRED, Keyword::IMMEDIATE])?;
    let value = if mode == Keyword::DEFERRED { DEFERRED } else { "IMMEDIATE" }.to_owned();
    let names = names.iter().map(ToString::to_string).collect();
    Ok(Statement::Set(Set::SetSessionParam(SetSessionParamKind::Generic(SetSessionParamGeneric { names, value }))))
}

impl Session {
    /// Says when the constraints of the open transaction are checked. Those that are checked at once from now on
    /// are checked now.
    pub(crate) fn set_constraints(&mut self, set: &SetSessionParamGeneric) -> Result<Option<Notice>, SqlError> {
        let is_deferred = set.value == DEFERRED;
        let catalog = self.catalog();
        let mut ids = Vec::new();
        for name in &set.names {
            ids.extend(deferrable(&catalog, name, is_deferred)?);
        }
        let Block::Open(open) = &mut self.block else { return Ok(None) };
        let ids = (!set.names.is_empty()).then_some(ids);
        open.transaction.set_constraints(ids.as_deref(), is_deferred)?;
        let text = "SET CONSTRAINTS can only be used in transaction blocks";
        Ok((!open.is_explicit).then(|| (Severity::Warning, SqlError::new("25P01", text))))
    }
}

/// The OIDs of the constraints with this name that can be deferred, of the first schema that has any with it.
fn deferrable(catalog: &Catalog, name: &str, is_deferred: bool) -> Result<Vec<u32>, SqlError> {
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(name)
        .map_err(|_| SqlError::unsupported(format!("the name {name}")))?;
    let name = parser.parse_object_name(false).map_err(|_| SqlError::unsupported(format!("the name {name}")))?;
    let (schema, name) = parts(&name)?;
    let schemas = schema.map_or_else(|| catalog.search_path.to_vec(), |schema| vec![schema]);
    for schema in schemas {
        let of_schema = |table: &&Table| table.schema == schema && table.has_constraint(&name);
        let tables: Vec<_> = catalog.objects.tables.values().map(AsRef::as_ref).filter(of_schema).collect();
        if tables.is_empty() {
            continue;
        }
        let keys = tables.iter().flat_map(|table| &table.foreign_keys);
        let ids: Vec<_> = keys.filter(|key| key.name == name && key.is_deferrable).map(|key| key.id).collect();
        if is_deferred && ids.len() < tables.len() {
            return Err(SqlError::new("42809", format!("constraint \"{name}\" is not deferrable")));
        }
        return Ok(ids);
    }
    Err(SqlError::new("42704", format!("constraint \"{name}\" does not exist")))
}
