use std::sync::Arc;

use crate::sql_error::SqlError;
use crate::store::link::Link;
use crate::store::referential_check::ReferentialCheck;
use crate::store::table::Row;
use crate::store::transaction::Transaction;

impl Transaction {
    /// Fails with 23503 if a row references nothing. What it references is locked, so that another transaction
    /// that deletes it, or changes its key, conflicts with this one.
    pub(crate) fn check(&mut self, check: &ReferentialCheck) -> Result<(), SqlError> {
        match check {
            ReferentialCheck::Referencing { link, key, row } => {
                // A row that has been changed since has checks of its own.
                let is_newest = self.get_newest(&link.child, key).is_some_and(|newest| Arc::ptr_eq(&newest, row));
                if !is_newest {
                    return Ok(());
                }
                let Some(wanted) = link.wanted(row)? else { return Ok(()) };
                match self.holder(&link.parent, &link.index, &wanted) {
                    Some(parent) => self.share(&link.parent, &parent),
                    None => Err(link.missing(row)),
                }
            }
            ReferentialCheck::Referenced { link, row } => {
                let is_there_again = self.holder(&link.parent, &link.index, &link.index.raw_key(row)).is_some();
                if is_there_again { Ok(()) } else { self.restrict(link, row) }
            }
        }
    }

    /// Fails with 23503 if a referenced row is referenced.
    pub(crate) fn restrict(&self, link: &Link, row: &Row) -> Result<(), SqlError> {
        let is_referenced = !self.newest_rows(&link.child, |child| link.references(child, row)).is_empty();
        if is_referenced { Err(link.referenced(row)) } else { Ok(()) }
    }
}
