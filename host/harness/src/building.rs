//! A bundle's sources made into what a host loads.

mod built;
mod made;
mod metered;

pub use built::{Built, MANIFEST, Opened, Wanted, default_out, make, make_for, open, open_beside, open_for, read};
pub(crate) use metered::compiled as metered;
