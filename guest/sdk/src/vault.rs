//! Sensitive values: sealed before they are written, opened by rules that are granted it.

use std::fmt;

use crate::bindings::tenet::rule::vault as host;
use crate::{Error, Result};

/// A column whose values are sealed: `bytea` in the database.
///
/// ```no_run
/// # use tenet::{params, vault};
/// const IBAN: vault::Field = vault::Field::of("accounts", "iban");
///
/// # fn main() -> tenet::Result<()> {
/// # let (id, iban) = ("ann", "DE89370400440532013000");
/// let sealed = vault::seal(IBAN.row(id), iban)?;
/// tenet::execute("UPDATE accounts SET iban = $2 WHERE id = $1", params![id, sealed])?;
///
/// let sealed: Vec<u8> = tenet::query_one("SELECT iban FROM accounts WHERE id = $1", params![id])?;
/// let iban = vault::open_text(IBAN.row(id), &sealed)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    table: &'static str,
    column: &'static str,
}

/// Where one value belongs: a column of one row. What was sealed for one place opens as no other's.
///
/// ```
/// use tenet::vault::{Field, Place};
///
/// let place: Place = Field::of("accounts", "iban").row("ann");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Place(host::Field);

impl Field {
    /// The column of this name, of the table by the name under which it is granted.
    pub const fn of(table: &'static str, column: &'static str) -> Self {
        Self { table, column }
    }

    /// The place in the row that is told by this key, 1 to 1,024 bytes of text. It has to be
    /// written the same way each time.
    pub fn row(self, key: impl fmt::Display) -> Place {
        let Self { table, column } = self;
        Place(host::Field { table: table.to_owned(), column: column.to_owned(), row_key: key.to_string() })
    }
}

/// Seals a value, text or bytes, of at most 65,536 bytes. The answer, which is some 250 bytes longer,
/// goes into a column of type `bytea`.
///
/// ```no_run
/// # use tenet::{params, vault};
/// # fn main() -> tenet::Result<()> {
/// let place = vault::Field::of("accounts", "iban").row("ann");
/// let sealed = vault::seal(place, "DE89370400440532013000")?;
/// tenet::execute("UPDATE accounts SET iban = $2 WHERE id = $1", params!["ann", sealed])?;
/// # Ok(())
/// # }
/// ```
///
/// It is the same on every attempt of a request, and another one each time that the value is
/// sealed anew: rows are not found by it.
pub fn seal(place: Place, value: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    host::seal(&place.0, value.as_ref()).map_err(Error::vault)
}

/// Opens what was sealed for this place. [`Error::vault_code`] tells why it cannot be: `elsewhere`,
/// `not-sealed`, `not-granted`.
///
/// ```no_run
/// # use tenet::{params, vault};
/// # fn main() -> tenet::Result<()> {
/// let sealed: Vec<u8> = tenet::query_one("SELECT photo FROM accounts WHERE id = $1", params!["ann"])?;
/// let photo: Vec<u8> = vault::open(vault::Field::of("accounts", "photo").row("ann"), &sealed)?;
/// # Ok(())
/// # }
/// ```
pub fn open(place: Place, sealed: &[u8]) -> Result<Vec<u8>> {
    host::open(&place.0, sealed).map_err(Error::vault)
}

/// The same for a value that is text.
///
/// ```no_run
/// # use tenet::{params, vault};
/// # fn main() -> tenet::Result<()> {
/// let sealed: Vec<u8> = tenet::query_one("SELECT iban FROM accounts WHERE id = $1", params!["ann"])?;
/// let iban: String = vault::open_text(vault::Field::of("accounts", "iban").row("ann"), &sealed)?;
/// # Ok(())
/// # }
/// ```
pub fn open_text(place: Place, sealed: &[u8]) -> Result<String> {
    // What the value is must not be said where this error goes.
    String::from_utf8(open(place, sealed)?).map_err(|_| Error::bug("the vault's value is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_column_of_one_row() {
        const IBAN: Field = Field::of("accounts", "iban");
        let Place(place) = IBAN.row(7);
        assert_eq!((place.table.as_str(), place.column.as_str(), place.row_key.as_str()), ("accounts", "iban", "7"));
        assert_ne!(IBAN.row("ann"), IBAN.row("bob"));
    }
}
