//! The statement policy: which statements a rule may send.
//!
//! A statement is parsed as PostgreSQL parses it, for the subset that is supported here: split into
//! tokens, parsed into a tree, and the tree checked against the rule's grants. Accepted is one
//! statement of SELECT, VALUES, INSERT, UPDATE or DELETE, with tables, columns and verbs that are
//! granted, wherever they occur, and with functions, operators and types from lists of those that
//! access nothing else. Anything unsupported or ambiguous is refused, with its place.
//!
//! Why not a library: a general SQL parser accepts syntax whose meaning it does not know, and
//! differs from PostgreSQL's scanner in places (names of more than 63 bytes, strings under a
//! setting, a `"` after a letter). The check is only safe if both parse the text in the same way,
//! so this parser supports less and guesses nothing. Tests compare it with PostgreSQL itself.
//!
//! The text that is sent is printed from that tree, so that PostgreSQL's parser cannot read it
//! differently. The length of the text, its depth, and the scopes of look-ups are bounded, and the
//! cost of a text is linear in its length.
//!
//! Names are looked up in the bundle's catalog, by PostgreSQL's rules. Each refers to one column of
//! one relation and is sent with both, and `*` is sent as the list of its columns. So only what was
//! granted is accessed, even if a table gets more columns later.
//!
//! This crate must never know about sessions, the network or the database. The host checks that the
//! tables match the catalog. The roles of the database are the second line of defence.

mod advice;
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
mod untyped;
mod uses;
mod words;

use tenet_core::{Catalog, Grants};

pub use moment::{frozen_default, is_default_of_the_moment, moment_in_parameters};
pub use policy::StatementPolicy;
pub use privileges::privileges;
pub use refusal::Refusal;
pub use statement_cache::StatementCache;
pub use uses::{TableUse, Uses};
pub use words::{
    Group, functions, gives_scalar, may_give_text, of_the_moment, operators, takes_text, takes_types, types,
};

use crate::check::Checker;
use crate::parser::Parser;
use crate::print::Printed;

/// Checks a statement against `grants`, and returns what it uses of them. Its names are looked up
/// in `catalog`.
pub fn check(sql: &str, grants: &Grants, catalog: &Catalog) -> Result<Uses, Refusal> {
    printed(sql, grants, catalog).map(|(_, uses)| uses)
}

/// The text that is sent for a statement: printed from the tree that was checked against `grants`,
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

/// The place of the second statement in a text, if there is one. The statements only have to be
/// valid tokens.
pub fn second_statement(sql: &str) -> Result<Option<usize>, Refusal> {
    let tokens = token::tokens(sql)?;
    let mut after = tokens.iter().skip_while(|token| token.kind != token::Kind::Sign(';'));
    Ok(after.find(|token| !matches!(token.kind, token::Kind::Sign(';') | token::Kind::End)).map(|token| token.at))
}

/// The place where a GRANT or a REVOKE names the schema `public`, which Aurora DSQL refuses, if this
/// text is one that does.
pub fn grant_on_public(sql: &str) -> Option<usize> {
    let tokens = token::tokens(sql).ok()?;
    let is = |token: &token::Token, word: &str| matches!(&token.kind, token::Kind::Word(text) if text == word);
    tokens.first().filter(|first| is(first, "grant") || is(first, "revoke"))?;
    let schema = tokens.windows(2).position(|pair| matches!(pair, [on, of] if is(on, "on") && is(of, "schema")))?;
    let names = tokens.iter().skip(schema).take_while(|token| !is(token, "to") && !is(token, "from"));
    let mut public = names
        .filter(|token| matches!(&token.kind, token::Kind::Word(name) | token::Kind::Quoted(name) if name == "public"));
    public.next().map(|token| token.at)
}

/// Whether running this text is certain to write nothing and change no session, whatever is
/// granted: it is supported, only reads, and calls only listed functions.
///
/// False may be wrong: an unsupported text counts as one that may write. True does not cover what
/// the text cannot show: a view or an operator of the team's own schema that calls a writing
/// function, or a function that is called as `ROW.NAME`, where [`check`] requires a column of that
/// name.
pub fn only_reads(sql: &str) -> bool {
    let Ok(tokens) = token::tokens(sql) else { return false };
    let mut parser = Parser::new(sql, &tokens);
    parser::parse(&mut parser).is_ok() && !parser.writes && parser.calls.iter().all(|name| words::is_function(name))
}
