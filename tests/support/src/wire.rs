use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::awaited::{HANGS, awaited, awaited_for};
use crate::harm::{Harm, Mischief};

/// How many of the statements that came last are remembered, for a test that waits for another one.
const REMEMBERED: usize = 20;

/// What passes through a stand-in, on all its connections, and what is to become of it.
#[derive(Default)]
pub struct Wire {
    pub(crate) round_trips: AtomicU32,
    pub(crate) messages: AtomicU32,
    statements: AtomicU32,
    pub(crate) goodbyes: AtomicU32,
    /// Clients that are there.
    pub(crate) clients: watch::Sender<u32>,
    pub(crate) refused: Mutex<Vec<String>>,
    /// Harm to the first statement that begins like this.
    plans: Mutex<Vec<(String, Harm)>>,
    /// The statements that came last.
    last: Mutex<VecDeque<String>>,
    /// Harm to the statement that comes after so many others.
    appointed: Mutex<Option<(u32, Harm)>>,
    mischief: Mutex<Option<Mischief>>,
    harms: watch::Sender<BTreeMap<&'static str, u64>>,
    jobs: Mutex<Vec<Job>>,
    /// Held while an index is built.
    pub(crate) building: Arc<tokio::sync::Mutex<()>>,
    /// How many looks at a job that is begun now find it unfinished.
    slowness: AtomicU32,
    /// Connections that were asked for.
    knocks: watch::Sender<u32>,
    /// Whether nobody is let in.
    down: AtomicBool,
    heard: watch::Sender<Heard>,
    /// Counts up when all connections are to be cut.
    pub(crate) cuts: watch::Sender<u32>,
    /// Counts up when all connections are to fall silent.
    pub(crate) silences: watch::Sender<u32>,
}

/// How much is heard of a stand-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Heard {
    #[default]
    All,
    /// Connections are taken, TLS is agreed on, and then nothing comes.
    NoLogIn,
    /// Connections are taken, and nothing comes on these nor on those there are.
    Nothing,
}

/// The building of an index in the background.
struct Job {
    id: String,
    /// Why there is no valid index.
    failed: Option<String>,
    /// How many looks find it unfinished.
    looks: u32,
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

    /// The statements among them.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::SeqCst)
    }

    /// How many clients have said goodbye, ever.
    pub fn goodbyes(&self) -> u32 {
        self.goodbyes.load(Ordering::SeqCst)
    }

    /// Waits until no client is there.
    pub async fn alone(&self) {
        // The sender is part of this value.
        let mut clients = self.clients.subscribe();
        let _ = awaited(clients.wait_for(|clients| *clients == 0), || {
            format!("{} clients are still there", *self.clients.borrow())
        })
        .await;
    }

    /// Counts from nothing again.
    pub fn reset(&self) {
        self.round_trips.store(0, Ordering::SeqCst);
        self.messages.store(0, Ordering::SeqCst);
        self.statements.store(0, Ordering::SeqCst);
    }

    /// What was said to the statements that are not in the stand-in's dialect.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }

    /// Does harm to the next statement that begins like this.
    pub fn harm_once(&self, begins: &str, harm: Harm) {
        self.plans.lock().unwrap().push((begins.to_owned(), harm));
    }

    /// Does harm to the statement that comes after so many others, if it can meet that.
    pub fn harm_after(&self, statements: u32, harm: Harm) {
        *self.appointed.lock().unwrap() = Some((statements, harm));
    }

    /// Does harm at random from now on, to one statement in so many, and to one in a third of it
    /// that begins, stores or ends.
    pub fn harm(&self, seed: u64, one_in: u32) {
        *self.mischief.lock().unwrap() = Some(Mischief::new(seed, one_in));
    }

    /// Does no harm any more that it was not yet told to do.
    pub fn spare(&self) {
        *self.mischief.lock().unwrap() = None;
        *self.appointed.lock().unwrap() = None;
        self.plans.lock().unwrap().clear();
    }

    /// How often each kind of harm was done, ever.
    pub fn harms(&self) -> BTreeMap<&'static str, u64> {
        self.harms.borrow().clone()
    }

    /// Waits until harm was done so often, ever. Where the statement that it was meant for does not come,
    /// the test ends with those that came.
    pub async fn until_harmed(&self, times: u64) {
        self.until_harmed_within(HANGS, times).await;
    }

    async fn until_harmed_within(&self, longest: Duration, times: u64) {
        let mut harms = self.harms.subscribe();
        // The sender is part of this value.
        let _ = awaited_for(longest, harms.wait_for(|harms| harms.values().sum::<u64>() >= times), || {
            let planned: Vec<_> = self.plans.lock().unwrap().iter().map(|(begins, _)| begins.clone()).collect();
            let (done, last) = (self.harms(), self.last.lock().unwrap().clone());
            format!("harm done: {done:?}, still to come: {planned:#?}, what came last: {last:#?}")
        })
        .await;
    }

    /// Cuts all connections there are.
    pub fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// Lets so many looks at each job that is begun from now on find it unfinished.
    pub fn slow_jobs(&self, looks: u32) {
        self.slowness.store(looks, Ordering::SeqCst);
    }

    /// Notes a job, and what came of it.
    pub(crate) fn job(&self, failed: Option<String>) -> String {
        let id: String = std::iter::repeat_with(fastrand::lowercase).take(26).collect();
        let looks = self.slowness.load(Ordering::SeqCst);
        self.jobs.lock().unwrap().push(Job { id: id.clone(), failed, looks });
        id
    }

    /// What `sys.jobs` is to whoever looks at it now.
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

    /// Cuts all connections and takes no new ones until it comes up again.
    pub fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Takes connections again.
    pub fn come_up(&self) {
        self.down.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    /// Says nothing any more, neither on the connections there are nor on new ones, which are taken
    /// all the same: until [`Self::speak`]. What is said meanwhile, by either side, is held and not
    /// dropped. A client that leaves has its transaction rolled back.
    pub fn silence(&self) {
        self.heard.send_replace(Heard::Nothing);
    }

    /// Takes connections and agrees on TLS, and lets nobody in until [`Self::speak`]. The connections
    /// there are go on.
    pub fn silence_log_ins(&self) {
        self.heard.send_replace(Heard::NoLogIn);
    }

    /// Ends [`Self::silence`]: all that was held passes, but for what came from clients that have left.
    pub fn speak(&self) {
        self.heard.send_replace(Heard::All);
    }

    pub(crate) fn is_silent(&self) -> bool {
        *self.heard.borrow() == Heard::Nothing
    }

    /// Waits until something is heard of it again.
    pub(crate) async fn until_heard(&self) {
        // The sender is part of this value.
        let _ = self.heard.subscribe().wait_for(|heard| *heard != Heard::Nothing).await;
    }

    /// Waits until log-ins are answered.
    pub(crate) async fn until_letting_in(&self) {
        // The sender is part of this value.
        let _ = self.heard.subscribe().wait_for(|heard| *heard == Heard::All).await;
    }

    /// Notes that a connection was asked for.
    pub(crate) fn knock(&self) {
        self.knocks.send_modify(|knocks| *knocks += 1);
    }

    /// How many connections were asked for, ever, in vain or not.
    pub fn knocks(&self) -> u32 {
        *self.knocks.borrow()
    }

    /// Waits until so many were.
    pub async fn until_knocked(&self, times: u32) {
        // The sender is part of this value.
        let mut knocks = self.knocks.subscribe();
        let _ = awaited(knocks.wait_for(|knocks| *knocks >= times), || {
            format!("{} connections were asked for, and not {times}", self.knocks())
        })
        .await;
    }

    /// Lets nothing through any more on the connections there are, and does not close
    /// them: as when the way between has forgotten them.
    pub fn fall_silent(&self) {
        self.silences.send_modify(|count| *count += 1);
    }

    /// What becomes of this statement, once.
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
