use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;

/// What passes through a stand-in, on all its connections, and what is to become of it.
#[derive(Default)]
pub struct Wire {
    pub(crate) round_trips: AtomicU32,
    pub(crate) messages: AtomicU32,
    pub(crate) goodbyes: AtomicU32,
    /// Clients that are there.
    pub(crate) clients: watch::Sender<u32>,
    pub(crate) refused: Mutex<Vec<String>>,
    plans: Mutex<Vec<(String, Action)>>,
    /// Counts up when all connections are to be cut.
    pub(crate) cuts: watch::Sender<u32>,
    /// Counts up when all connections are to fall silent.
    pub(crate) silences: watch::Sender<u32>,
}

#[derive(Clone, Copy)]
pub(crate) enum Action {
    Refuse([u8; 5]),
    CutBefore,
    CutAfter,
}

impl Wire {
    /// How often, since the last [`Self::reset`], something was sent when everything sent
    /// before had been answered. Log-ins do not count.
    pub fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::SeqCst)
    }

    /// The messages that clients have sent since the last [`Self::reset`], log-ins aside.
    pub fn messages(&self) -> u32 {
        self.messages.load(Ordering::SeqCst)
    }

    /// How many clients have said goodbye, ever.
    pub fn goodbyes(&self) -> u32 {
        self.goodbyes.load(Ordering::SeqCst)
    }

    /// Waits until no client is there.
    pub async fn alone(&self) {
        // The sender is part of this value.
        let _ = self.clients.subscribe().wait_for(|clients| *clients == 0).await;
    }

    /// Counts from nothing again.
    pub fn reset(&self) {
        self.round_trips.store(0, Ordering::SeqCst);
        self.messages.store(0, Ordering::SeqCst);
    }

    /// What was said to the statements that are not in the stand-in's dialect.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }

    /// Answers the next statement that begins like this with an error, and does not let
    /// the server see it.
    pub fn refuse_once(&self, begins: &str, sqlstate: &str) {
        self.plan(begins, Action::Refuse(sqlstate.as_bytes().try_into().unwrap()));
    }

    /// Cuts the connection in place of the next statement that begins like this.
    pub fn cut_before_once(&self, begins: &str) {
        self.plan(begins, Action::CutBefore);
    }

    /// Cuts the connection once the server has done the next statement that begins like
    /// this, and keeps its answer back.
    pub fn cut_after_once(&self, begins: &str) {
        self.plan(begins, Action::CutAfter);
    }

    /// Cuts all connections there are.
    pub fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// Lets nothing through any more on the connections there are, and does not close
    /// them: as when the way between has forgotten them.
    pub fn fall_silent(&self) {
        self.silences.send_modify(|count| *count += 1);
    }

    /// TEMP
    pub fn harm(&self, _seed: u64, _one_in: u32) {}
    /// TEMP
    pub fn spare(&self) {}
    /// TEMP
    pub fn harms(&self) -> std::collections::BTreeMap<&'static str, u64> {
        Default::default()
    }

    fn plan(&self, begins: &str, action: Action) {
        self.plans.lock().unwrap().push((begins.to_owned(), action));
    }

    /// What is planned for this statement, once.
    pub(crate) fn planned(&self, statement: &str) -> Option<Action> {
        let mut plans = self.plans.lock().unwrap();
        let at = plans.iter().position(|(begins, _)| statement.starts_with(begins))?;
        Some(plans.remove(at).1)
    }
}
