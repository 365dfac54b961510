use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

/// PostgreSQL's language, of which only so many expressions are read.
///
/// The parser tries some constructs in one way and then in another: the arguments of a call, parentheses in FROM, and
/// most of what has an error in it. Within each other the time that it takes doubles with each level.
#[derive(Debug)]
pub(crate) struct BoundedDialect {
    inner: PostgreSqlDialect,
    /// The expressions that it still reads.
    left: Cell<usize>,
}

impl BoundedDialect {
    /// The expressions that any statement may have, each as often as it is read. Within each other they are about
    /// thirteen calls.
    const LEAST: usize = 20_000;

    /// How often a statement is read that has no more than a few calls within each other.
    const READINGS: usize = 16;

    /// For a statement of so many tokens.
    pub(crate) fn of(tokens: usize) -> Self {
        let left = tokens.saturating_mul(Self::READINGS).saturating_add(Self::LEAST);
        Self { inner: PostgreSqlDialect {}, left: Cell::new(left) }
    }

    /// Whether there was more to read.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }
}

/// What is as it is in PostgreSQL.
macro_rules! as_in_postgresql {
    ($($method:ident($($name:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $method(&self, $($name: $kind),*) -> $result { self.inner.$method($($name),*) })*
    };
}

impl Dialect for BoundedDialect {
    fn parse_prefix(&self, _parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.left.get().checked_sub(1) {
            Some(left) if left > 0 => {
                self.left.set(left);
                None
            }
            // The parser gives up at this error and tries no other way.
            _ => {
                self.left.set(0);
                Some(Err(ParserError::RecursionLimitExceeded))
            }
        }
    }

    as_in_postgresql! {
        dialect() -> TypeId;
        identifier_quote_style(identifier: &str) -> Option<char>;
        is_delimited_identifier_start(ch: char) -> bool;
        is_identifier_start(ch: char) -> bool;
        is_identifier_part(ch: char) -> bool;
        supports_unicode_string_literal() -> bool;
        is_reserved_for_identifier(kw: Keyword) -> bool;
        is_custom_operator_part(ch: char) -> bool;
        get_next_precedence(parser: &Parser) -> Option<Result<u8, ParserError>>;
        supports_filter_during_aggregation() -> bool;
        supports_group_by_expr() -> bool;
        prec_value(prec: Precedence) -> u8;
        allow_extract_custom() -> bool;
        allow_extract_single_quotes() -> bool;
        supports_create_index_with_clause() -> bool;
        supports_explain_with_utility_options() -> bool;
        supports_listen_notify() -> bool;
        supports_factorial_operator() -> bool;
        supports_bitwise_shift_operators() -> bool;
        supports_comment_on() -> bool;
        supports_aws_iam_statements() -> bool;
        supports_load_extension() -> bool;
        supports_named_fn_args_with_colon_operator() -> bool;
        supports_named_fn_args_with_expr_name() -> bool;
        supports_empty_projections() -> bool;
        supports_nested_comments() -> bool;
        supports_string_escape_constant() -> bool;
        supports_numeric_literal_underscores() -> bool;
        supports_array_typedef_with_brackets() -> bool;
        supports_geometric_types() -> bool;
        supports_order_by_using_operator() -> bool;
        supports_set_names() -> bool;
        supports_alter_column_type_using() -> bool;
        supports_notnull_operator() -> bool;
        supports_interval_options() -> bool;
        supports_insert_table_alias() -> bool;
        supports_create_table_like_parenthesized() -> bool;
        supports_select_wildcard_with_alias() -> bool;
        supports_comma_separated_trim() -> bool;
        supports_xml_expressions() -> bool;
        supports_comment_optimizer_hint() -> bool;
    }
}
