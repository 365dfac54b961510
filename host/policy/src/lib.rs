//! The statement policy: which statements a rule may send.
//!
//! A statement is read as PostgreSQL reads it, as far as that is understood here: cut into
//! tokens, made into a tree, and the tree held against what the rule is granted. One statement
//! of SELECT, VALUES, INSERT, UPDATE or DELETE; tables, columns and verbs that are granted,
//! wherever they stand; functions, operators and types from lists of those that touch nothing
//! else. Whatever is not understood, or could be read in two ways, is refused with its place.
//!
//! Why a reader of its own and no library: a general parser of SQL accepts what it does not
//! know the meaning of, and reads a text in its own way where PostgreSQL's scanner has another
//! (names of more than 63 bytes, strings under a setting, a `"` after a letter). What is decided
//! here is only as safe as both read the same, so this reads less, and nothing by guess. The
//! tests hold it against PostgreSQL itself.
//!
//! What is sent is printed from that tree, so that PostgreSQL's own reader has nothing left to take
//! in another way. Text, depth, and what names are looked up in are bounded, and what a text costs
//! grows with its length and no faster.
//!
//! Names are looked up in the catalog of the bundle, by PostgreSQL's rules: each stands for one
//! column of one relation and is sent with both, and `*` as the columns that it stands for. So what
//! was granted is what is touched, whatever is added to a table later.
//!
//! What it must never know: sessions, the network, the database. That the tables are as the catalog
//! has them is the host's to compare; the roles of the database are the second wall.

#[cfg(test)]
mod bounds;
mod check;
mod dml;
mod expression;
mod from;
mod kind;
mod label;
mod moment;
mod names;
mod parser;
mod policy;
mod print;
mod privileges;
mod refusal;
mod resolved;
mod scope;
mod shown;
mod statement_cache;
mod steps;
mod token;
mod tree;
mod uses;
mod words;

use tenet_core::{Catalog, Grants};

pub use moment::{frozen_default, is_default_of_the_moment, moment_in_parameters};
pub use policy::StatementPolicy;
pub use privileges::privileges;
pub use refusal::Refusal;
pub use statement_cache::StatementCache;
pub use uses::{TableUse, Uses};
pub use words::{Group, functions, may_give_text, of_the_moment, operators, types};

use crate::check::Checker;
use crate::parser::Parser;
use crate::print::Printed;

/// Checks a statement against `grants`, and gives what it uses of them. Its names are those of the
/// tables of `catalog`.
pub fn check(sql: &str, grants: &Grants, catalog: &Catalog) -> Result<Uses, Refusal> {
    printed(sql, grants, catalog).map(|(_, uses)| uses)
}

/// The text that is sent for a statement, printed from the tree that was checked against `grants`,
/// with the names of `catalog`.
pub fn canonical(sql: &str, grants: &Grants, catalog: &Catalog) -> Result<String, Refusal> {
    printed(sql, grants, catalog).map(|(printed, _)| printed.text)
}

fn printed(sql: &str, grants: &Grants, catalog: &Catalog) -> Result<(Printed, Uses), Refusal> {
    let tokens = token::tokens(sql)?;
    let statement = parser::parse(&mut Parser::new(sql, &tokens))?;
    let mut checker = Checker::new(grants, catalog);
    checker.check(&statement)?;
    Ok((print::print(&statement, &checker.resolved)?, checker.uses))
}

/// Where the second statement of a text begins, if there is one. Of the statements nothing is
/// asked but that their words can be told apart.
pub fn second_statement(sql: &str) -> Result<Option<usize>, Refusal> {
    let tokens = token::tokens(sql)?;
    let mut after = tokens.iter().skip_while(|token| token.kind != token::Kind::Sign(';'));
    Ok(after.find(|token| !matches!(token.kind, token::Kind::Sign(';') | token::Kind::End)).map(|token| token.at))
}

/// Whether running this text certainly writes nothing and changes no session, whatever is
/// granted: it is understood, only reads, and calls only what is on the list.
///
/// The answer may be wrong in one direction only: what is not understood may write. What a text
/// cannot show, a view or an operator of the team's own schema with a writing function behind
/// it, is not seen; nor is a function that is called as `ROW.NAME`, where [`check`] wants a column
/// of that name.
pub fn only_reads(sql: &str) -> bool {
    let Ok(tokens) = token::tokens(sql) else { return false };
    let mut parser = Parser::new(sql, &tokens);
    parser::parse(&mut parser).is_ok() && !parser.writes && parser.calls.iter().all(|name| words::is_function(name))
}
