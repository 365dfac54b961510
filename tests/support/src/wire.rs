use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tenet_harm::Harm;
use tokio::sync::watch;

use crate::awaited::{HANGS, awaited, awaited_for};
use crate::mischief::Mischief;

/// How many of the last statements are kept for error messages.
const REMEMBERED: usize = 20;

/// Observes and controls the traffic of a stand-in, over all its connections.
#[derive(Default)]
pub struct Wire {
    pub(crate) round_trips: AtomicU32,
    pub(crate) messages: AtomicU32,
    statements: AtomicU32,
    pub(crate) goodbyes: AtomicU32,
    /// The number of connected clients.
    pub(crate) clients: watch::Sender<u32>,
    pub(crate) refused: Mutex<Vec<String>>,
    /// Faults for the next statement with a given beginning.
    plans: Mutex<Vec<(String, Harm)>>,
    /// The last statements.
    last: Mutex<VecDeque<String>>,
    /// A fault for the statement after a given number of others.
    appointed: Mutex<Option<(u32, Harm)>>,
    mischief: Mutex<Option<Mischief>>,
    harms: watch::Sender<BTreeMap<&'static str, u64>>,
    jobs: Mutex<Vec<Job>>,
    /// Held while an index is built.
    pub(crate) building: Arc<tokio::sync::Mutex<()>>,
    /// How many polls see a job that begins now as unfinished.
    slowness: AtomicU32,
    /// The number of attempted connections.
    knocks: watch::Sender<u32>,
    /// Whether all connections are refused.
    down: AtomicBool,
    heard: watch::Sender<Heard>,
    /// Incremented to cut all connections.
    pub(crate) cuts: watch::Sender<u32>,
    /// Incremented to silence all connections.
    pub(crate) silences: watch::Sender<u32>,
}

/// How far a stand-in responds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Heard {
    #[default]
    All,
    /// Connections and TLS handshakes succeed, but logins get no response.
    NoLogIn,
    /// Connections are accepted, but neither these nor the existing ones get any response.
    Nothing,
}

/// A background index build.
struct Job {
    id: String,
    /// Why the index is invalid, if it is.
    failed: Option<String>,
    /// How many polls see it as unfinished.
    looks: u32,
}

impl Wire {
    /// The number of round trips since the last [`Self::reset`]: how often something was sent when
    /// everything before had been answered. Logins do not count.
    pub fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::SeqCst)
    }

    /// The number of messages from clients since the last [`Self::reset`], without logins.
    pub fn messages(&self) -> u32 {
        self.messages.load(Ordering::SeqCst)
    }

    /// The number of statements among them.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::SeqCst)
    }

    /// How many clients have disconnected properly, in total.
    pub fn goodbyes(&self) -> u32 {
        self.goodbyes.load(Ordering::SeqCst)
    }

    /// Waits until no client is connected.
    pub async fn alone(&self) {
        // This value holds the sender, so waiting cannot fail.
        let mut clients = self.clients.subscribe();
        let _ = awaited(clients.wait_for(|clients| *clients == 0), || {
            format!("{} clients are still there", *self.clients.borrow())
        })
        .await;
    }

    /// Resets the counters.
    pub fn reset(&self) {
        self.round_trips.store(0, Ordering::SeqCst);
        self.messages.store(0, Ordering::SeqCst);
        self.statements.store(0, Ordering::SeqCst);
    }

    /// The refusals of statements outside the stand-in's dialect.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }

    /// Injects a fault into the next statement that begins with this text.
    pub fn harm_once(&self, begins: &str, harm: Harm) {
        self.plans.lock().unwrap().push((begins.to_owned(), harm));
    }

    /// Injects a fault into the statement after this many others, if it applies to that one.
    pub fn harm_after(&self, statements: u32, harm: Harm) {
        *self.appointed.lock().unwrap() = Some((statements, harm));
    }

    /// Injects random faults from now on: into one of `one_in` statements, and three times as often
    /// into those that begin a transaction, store an answer or commit.
    pub fn harm(&self, seed: u64, one_in: u32) {
        *self.mischief.lock().unwrap() = Some(Mischief::new(seed, one_in));
    }

    /// Cancels all faults that have not been injected yet.
    pub fn spare(&self) {
        *self.mischief.lock().unwrap() = None;
        *self.appointed.lock().unwrap() = None;
        self.plans.lock().unwrap().clear();
    }

    /// How often each kind of fault was injected, in total.
    pub fn harms(&self) -> BTreeMap<&'static str, u64> {
        self.harms.borrow().clone()
    }

    /// Waits until faults were injected this often, in total. If the expected statement does not
    /// come, the test fails with the last statements.
    pub async fn until_harmed(&self, times: u64) {
        self.until_harmed_within(HANGS, times).await;
    }

    async fn until_harmed_within(&self, longest: Duration, times: u64) {
        let mut harms = self.harms.subscribe();
        // This value holds the sender, so waiting cannot fail.
        let _ = awaited_for(longest, harms.wait_for(|harms| harms.values().sum::<u64>() >= times), || {
            let planned: Vec<_> = self.plans.lock().unwrap().iter().map(|(begins, _)| begins.clone()).collect();
            let (done, last) = (self.harms(), self.last.lock().unwrap().clone());
            format!("harm done: {done:?}, still to come: {planned:#?}, what came last: {last:#?}")
        })
        .await;
    }

    /// Cuts all current connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// Makes this many polls see each job that begins from now on as unfinished.
    pub fn slow_jobs(&self, looks: u32) {
        self.slowness.store(looks, Ordering::SeqCst);
    }

    /// Records a job and its result.
    pub(crate) fn job(&self, failed: Option<String>) -> String {
        let id: String = std::iter::repeat_with(fastrand::lowercase).take(26).collect();
        let looks = self.slowness.load(Ordering::SeqCst);
        self.jobs.lock().unwrap().push(Job { id: id.clone(), failed, looks });
        id
    }

    /// The contents of `sys.jobs` at this time.
    pub(crate) fn look_at_jobs(&self) -> String {
        let mut rows = vec!["(NULL::text, NULL::text, NULL::text)".to_owned()];
        for Job { id, failed, looks } in self.jobs.lock().unwrap().iter_mut() {
            let status = match (*looks, &failed) {
                (1.., _) => "processing",
                (0, Some(_)) => "failed",
                (0, None) => "completed",
            };
            *looks = looks.saturating_sub(1);
            let details = failed.as_deref().filter(|_| status == "failed").unwrap_or_default().replace('\'', "''");
            rows.push(format!("('{id}', '{status}', '{details}')"));
        }
        format!("(VALUES {}) AS jobs (job_id, status, details)", rows.join(", "))
    }

    /// Cuts all connections and refuses new ones until `come_up`.
    pub fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Accepts connections again.
    pub fn come_up(&self) {
        self.down.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    /// Sends nothing from now on, neither on existing nor on new connections, which are still
    /// accepted, until [`Self::speak`]. Messages from either side are held meanwhile, not dropped.
    /// If a client disconnects, its transaction is rolled back.
    pub fn silence(&self) {
        self.heard.send_replace(Heard::Nothing);
    }

    /// Accepts connections and TLS handshakes, but answers no login until [`Self::speak`]. Existing
    /// connections work.
    pub fn silence_log_ins(&self) {
        self.heard.send_replace(Heard::NoLogIn);
    }

    /// Ends [`Self::silence`]: all held messages are passed on, except those of disconnected
    /// clients.
    pub fn speak(&self) {
        self.heard.send_replace(Heard::All);
    }

    pub(crate) fn is_silent(&self) -> bool {
        *self.heard.borrow() == Heard::Nothing
    }

    /// Waits until it responds again.
    pub(crate) async fn until_heard(&self) {
        // This value holds the sender, so waiting cannot fail.
        let _ = self.heard.subscribe().wait_for(|heard| *heard != Heard::Nothing).await;
    }

    /// Waits until logins are answered.
    pub(crate) async fn until_letting_in(&self) {
        // This value holds the sender, so waiting cannot fail.
        let _ = self.heard.subscribe().wait_for(|heard| *heard == Heard::All).await;
    }

    /// Counts an attempted connection.
    pub(crate) fn knock(&self) {
        self.knocks.send_modify(|knocks| *knocks += 1);
    }

    /// How many connections were attempted, in total, successful or not.
    pub fn knocks(&self) -> u32 {
        *self.knocks.borrow()
    }

    /// Waits until this many connections were attempted.
    pub async fn until_knocked(&self, times: u32) {
        // This value holds the sender, so waiting cannot fail.
        let mut knocks = self.knocks.subscribe();
        let _ = awaited(knocks.wait_for(|knocks| *knocks >= times), || {
            format!("{} connections were asked for, and not {times}", self.knocks())
        })
        .await;
    }

    /// Stops all traffic on the existing connections without closing them, as if a router between
    /// had dropped its state.
    pub fn fall_silent(&self) {
        self.silences.send_modify(|count| *count += 1);
    }

    /// The fault for this statement, if any. Each is used once.
    pub(crate) fn harm_to(&self, statement: &str) -> Option<Harm> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        {
            let mut last = self.last.lock().unwrap();
            if last.len() == REMEMBERED {
                last.pop_front();
            }
            last.push_back(statement.to_owned());
        }
        let harm = self.planned(statement).or_else(|| self.due(statement)).or_else(|| {
            let mut mischief = self.mischief.lock().unwrap();
            mischief.as_mut()?.to(statement)
        })?;
        self.harms.send_modify(|harms| *harms.entry(harm.name()).or_default() += 1);
        Some(harm)
    }

    fn planned(&self, statement: &str) -> Option<Harm> {
        let mut plans = self.plans.lock().unwrap();
        let at = plans.iter().position(|(begins, _)| statement.starts_with(begins))?;
        Some(plans.remove(at).1)
    }

    fn due(&self, statement: &str) -> Option<Harm> {
        let mut appointed = self.appointed.lock().unwrap();
        let (before, harm) = appointed.as_mut()?;
        if *before > 0 {
            *before -= 1;
            return None;
        }
        let harm = *harm;
        *appointed = None;
        harm.can_meet(statement).then_some(harm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "UPDATE")]
    async fn a_wait_for_a_statement_that_does_not_come_ends_with_what_came() {
        let wire = Wire::default();
        wire.harm_once("INSERT", Harm::CutAfter);
        assert_eq!(wire.harm_to("UPDATE t SET a = 1"), None);
        wire.until_harmed_within(Duration::from_millis(1), 1).await;
    }
}
