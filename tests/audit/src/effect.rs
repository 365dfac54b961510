use crate::chains::{CHAIN, STEP};

/// What an accepted request of an operation leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A row of `ledger`, and an event.
    Ledger,
    /// A row of `transactions`, and an event.
    Transaction,
    /// A counter that is greater by one, and an event.
    Counter,
    /// Nothing.
    Nothing,
}

/// The operation whose rule fails at a cost, unless its counter does not exist.
const LIMITED: &str = "limited";

impl Effect {
    /// The effect of this operation. Every operation that is not known posts transfers.
    pub fn of(operation: &str) -> Self {
        match operation {
            "write" => Self::Transaction,
            "increment" => Self::Counter,
            LIMITED | CHAIN | STEP => Self::Nothing,
            _ => Self::Ledger,
        }
    }

    /// The member of the answer that the event has too.
    pub(crate) fn shown_by(self) -> &'static str {
        match self {
            Self::Ledger | Self::Nothing => "ledger_id",
            Self::Transaction => "transaction_id",
            Self::Counter => "value",
        }
    }
}
