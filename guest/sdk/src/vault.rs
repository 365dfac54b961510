//! Seals sensitive values before they are written, and opens them again. Both need grants.

use std::fmt;

use crate::bindings::tenet::rule::vault as host;
use crate::{Error, Result};

/// A column with sealed values: `bytea` in the database.
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

/// The place of one value: a column of one row. A value sealed for one place cannot be opened in
/// another.
///
/// ```
/// use tenet::vault::{Field, Place};
///
/// let place: Place = Field::of("accounts", "iban").row("ann");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Place(host::Field);

impl Field {
    /// The column of this name. The table has its name in the grants.
    pub const fn of(table: &'static str, column: &'static str) -> Self {
        Self { table, column }
    }

    /// The place in the row with this key, 1 to 1,024 bytes of text. Always format the key in the
    /// same way.
    pub fn row(self, key: impl fmt::Display) -> Place {
        let Self { table, column } = self;
        Place(host::Field { table: table.to_owned(), column: column.to_owned(), row_key: key.to_string() })
    }
}

/// Seals a value, text or bytes, of at most 65,536 bytes. The result, which is about 250 bytes
/// longer, is stored in a column of type `bytea`.
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
/// It is the same on every attempt of a request, but differs each time that the value is sealed
/// again: rows cannot be looked up by it.
pub fn seal(place: Place, value: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    host::seal(&place.0, value.as_ref()).map_err(Error::vault)
}

/// Opens a value that was sealed for this place. If it fails, [`Error::vault_code`] is the reason:
/// `elsewhere`, `not-sealed`, `not-granted`.
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

/// Opens a value that is text.
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
    // The error must not contain the value.
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
