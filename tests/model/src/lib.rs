//! Holds the model of Aurora DSQL against what is not ours: PostgreSQL, for transactions that run
//! one after the other, and snapshot isolation, for those that run at the same time.

mod changes;
mod concurrent;
mod expressions;
mod history;
mod kind;
mod linked_tables;
mod queries;
mod references;
mod schema;
mod serial;
mod side;
mod sides;
mod snapshot_isolation;

pub use concurrent::Concurrent;
pub use history::{History, Operation, Transaction};
pub use references::References;
pub use serial::{Difference, Fresh, Serial, SerialReport};
pub use side::{Outcome, Parameter, Side};
pub use sides::{ModelSide, PostgresSide};
pub use snapshot_isolation::{Anomaly, Verdict, check};
