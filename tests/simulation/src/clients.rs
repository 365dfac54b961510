use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::{join, join_all};
use serde_json::Value;
use tenet_audit::{Ask, Heard, Journal, Kind, Name, Tally};
use tokio::time::{Instant, sleep, sleep_until};

use crate::claims::{Claims, Since};
use crate::plan::{CLIENTS, Deed, Plan, Step};
use crate::question::Question;
use crate::sandbox::{Call, Ended, Leaves, Sandbox, Sent};
use crate::story::Story;

/// How often a client retries by itself.
const PERSISTENCE: u32 = 4;

/// One of this many requests is abandoned before its response.
const IMPATIENCE: u32 = 10;

/// The longest wait before an abandoned request, in milliseconds.
const LEAVES: u64 = 800;

/// The pause before a question is asked again that has no answer although all is well. It doubles each time.
const PAUSE: Duration = Duration::from_millis(200);

/// With so many violations no more are needed.
const MANY: usize = 50;

/// The callers' side of a story.
pub(crate) struct Clients<'a> {
    pub(crate) sandboxes: &'a [Vec<Arc<Sandbox>>; 2],
    pub(crate) journal: &'a Journal,
    pub(crate) tally: &'a Tally,
    pub(crate) story: &'a Story,
    pub(crate) plan: &'a Plan,
    pub(crate) began: Instant,
    pub(crate) claims: &'a Claims,
    pub(crate) notes: Notes,
}

/// What clients note.
#[derive(Default)]
pub(crate) struct Notes {
    steps: Mutex<VecDeque<(Duration, Step)>>,
    asked: Mutex<BTreeSet<usize>>,
}

impl Clients<'_> {
    /// All clients do what is planned.
    pub(crate) async fn act(&self) {
        self.notes.steps.lock().unwrap().extend(self.plan.steps.iter().cloned());
        join_all((0..CLIENTS).map(|_| self.client())).await;
    }

    async fn client(&self) {
        loop {
            let next = self.notes.steps.lock().unwrap().pop_front();
            let Some((at, Step { seed, deed })) = next else { return };
            sleep_until(self.began + at).await;
            let mut random = Rng::with_seed(seed);
            match deed {
                Deed::Insist(question) => self.insist(question, &mut random).await,
                Deed::Believe(question) => {
                    self.ask(question, self.sandbox(&mut random), Leaves::Never).await;
                }
                Deed::Twins(question) => {
                    let of = |region: usize, random: &mut Rng| {
                        let sandboxes = &self.sandboxes[region];
                        &sandboxes[random.usize(0..sandboxes.len())]
                    };
                    let (east, west) = (of(0, &mut random), of(1, &mut random));
                    join(self.ask(question, east, Leaves::Never), self.ask(question, west, Leaves::Never)).await;
                }
                Deed::Suspend(questions) => {
                    let sandbox = self.sandbox(&mut random);
                    for question in questions.iter().chain(questions.first()) {
                        self.ask(*question, sandbox, Leaves::Never).await;
                    }
                }
                Deed::Batch(questions) => self.batch(&questions, &mut random).await,
                Deed::Read => self.read(&mut random).await,
            }
        }
    }

    /// Repeats all questions without a final answer until they have one, and some answered ones again. Returns how many
    /// have none in the end.
    pub(crate) async fn settle(&self, random: &mut Rng, again: usize, until: Instant) -> usize {
        let asked: Vec<_> = self.notes.asked.lock().unwrap().iter().copied().collect();
        let is_open = |question: &usize| {
            self.plan.questions[*question].asks.iter().any(|ask| !ask.may_fail && self.journal.answer(ask).is_none())
        };
        let (open, mut closed): (Vec<_>, Vec<_>) = asked.into_iter().partition(is_open);
        random.shuffle(&mut closed);
        let left = Mutex::new(open.into_iter().chain(closed.into_iter().take(again)).collect::<Vec<_>>());
        let askers = (0..8).map(|_| {
            let (left, mut random) = (&left, random.fork());
            async move {
                let mut open = 0;
                loop {
                    let next = left.lock().unwrap().pop();
                    let Some(question) = next else { return open };
                    let mut pause = PAUSE;
                    loop {
                        let is_final = self.ask(question, self.sandbox(&mut random), Leaves::Never).await;
                        let may_fail = self.plan.questions[question].asks.iter().any(|ask| ask.may_fail);
                        if is_final || may_fail {
                            break;
                        }
                        if Instant::now() >= until || self.journal.wrongs().len() > MANY {
                            open += 1;
                            break;
                        }
                        // A host leaves an endpoint alone for a while that was away.
                        sleep(pause).await;
                        pause *= 2;
                    }
                }
            }
        });
        join_all(askers).await.into_iter().sum()
    }

    async fn insist(&self, question: usize, random: &mut Rng) {
        for _ in 0..PERSISTENCE {
            let sandbox = self.sandbox(random);
            if random.u32(0..IMPATIENCE) == 0 {
                let patience = Duration::from_millis(random.u64(1..LEAVES));
                let leaves = [Leaves::Unseen(patience), Leaves::Seen(patience), Leaves::Dropped(patience)];
                self.ask(question, sandbox, leaves[random.usize(0..leaves.len())]).await;
            } else if self.ask(question, sandbox, Leaves::Never).await || random.bool() {
                return;
            }
        }
    }

    fn sandbox(&self, random: &mut Rng) -> &Arc<Sandbox> {
        let sandboxes = &self.sandboxes[random.usize(0..2)];
        // The first sandbox gets several at once.
        &sandboxes[random.usize(0..sandboxes.len() + 2) % sandboxes.len()]
    }

    /// Asks once. Returns whether everything has a final answer.
    async fn ask(&self, question: usize, sandbox: &Arc<Sandbox>, leaves: Leaves) -> bool {
        self.notes.asked.lock().unwrap().insert(question);
        let Question { asks, .. } = &self.plan.questions[question];
        let known: Vec<_> = asks.iter().map(|ask| self.begin(ask, sandbox)).collect();
        let since = self.claims.ask();
        let ended = sandbox.invoke(self.plan.questions[question].call(), leaves).await;
        let answers = match ended {
            Ended::Answered(answers) => answers,
            Ended::Unheard(why) => {
                asks.iter().for_each(|ask| self.hear(ask, sandbox, since, &Heard::Nothing(why.to_owned())));
                return false;
            }
            Ended::Relayed(_) => return false,
        };
        let mut all = true;
        for ((ask, (status, body)), known) in asks.iter().zip(answers).zip(known) {
            if let Some(known) = known.filter(|_| status == 500 || body.contains(r#""code":"rule-out""#)) {
                let text = format!("was answered {known:?}, and then {status} {body}");
                self.journal.wrong(Kind::Lost, Some(ask.name.clone()), text);
            }
            self.hear(ask, sandbox, since, &Heard::Answer { status, body });
            all &= self.journal.answer(ask).is_some();
        }
        all
    }

    /// Notes that it is about to be asked. Returns the answer that is known.
    fn begin(&self, ask: &Ask, sandbox: &Sandbox) -> Option<(u64, String)> {
        self.story.note("client", format_args!("asks {} for {}: {}", sandbox.name, ask.name, ask.payload));
        let known = self.journal.answer(ask);
        self.journal.ask(ask, &sandbox.name);
        known
    }

    /// Notes a response.
    fn hear(&self, ask: &Ask, sandbox: &Sandbox, since: Since, heard: &Heard) {
        self.story.note("client", format_args!("hears of {} from {}: {heard:?}", ask.name, sandbox.name));
        self.count(heard);
        self.journal.hear(ask, &sandbox.name, heard);
        self.claims.hear(ask, since, heard);
    }

    fn count(&self, heard: &Heard) {
        match heard {
            Heard::Answer { status: 503, body } => {
                let problem: Value = serde_json::from_str(body).unwrap_or_default();
                self.tally.count(&format!("answer: 503 {}", problem["code"].as_str().unwrap_or("without a code")));
            }
            Heard::Answer { status, .. } => self.tally.count(&format!("answer: {status}")),
            Heard::Settled => self.tally.count("answer: a queue may forget it"),
            Heard::Nothing(why) => self.tally.count(&format!("no answer: {why}")),
        }
    }

    /// Sends questions as messages of a queue. The queue receives no answers, only which messages it has to keep.
    async fn batch(&self, questions: &[usize], random: &mut Rng) {
        if questions.is_empty() {
            return;
        }
        self.notes.asked.lock().unwrap().extend(questions);
        let sandbox = self.sandbox(random);
        let asked: Vec<_> = questions.iter().map(|question| self.plan.questions[*question].clone()).collect();
        let asks = || asked.iter().flat_map(|question| &question.asks);
        asks().for_each(|ask| drop(self.begin(ask, sandbox)));
        let since = self.claims.ask();
        match sandbox.invoke(Question::batch(&asked), Leaves::Never).await {
            Ended::Answered(answers) => {
                for (ask, (status, _)) in asks().zip(answers) {
                    let heard = match status {
                        500 | 503 => Heard::Nothing("the queue keeps it".to_owned()),
                        _ => Heard::Settled,
                    };
                    self.hear(ask, sandbox, since, &heard);
                }
            }
            Ended::Unheard(why) => {
                asks().for_each(|ask| self.hear(ask, sandbox, since, &Heard::Nothing(why.to_owned())));
            }
            Ended::Relayed(_) => {}
        }
    }

    /// A read that begins after a success sees it, in either region.
    async fn read(&self, random: &mut Rng) {
        self.read_at(self.sandbox(random)).await;
    }

    /// Returns whether it was answered.
    pub(crate) async fn read_at(&self, sandbox: &Arc<Sandbox>) -> bool {
        let written = self.journal.written.load(std::sync::atomic::Ordering::SeqCst);
        let name = Name::of("read", None, "");
        let call = Call::Direct(Sent { name, caller: None, key: None, payload: "{}".to_owned() });
        let Ended::Answered(answers) = sandbox.invoke(call, Leaves::Never).await else { return false };
        let Some((200, body)) = answers.first() else { return false };
        self.tally.count("answer: read");
        let output: Value = serde_json::from_str(body).unwrap_or_default();
        let counted = output["transaction_count"].as_i64().unwrap_or_default();
        self.story.note("client", format_args!("reads {counted} from {} after {written}", sandbox.name));
        if counted < written {
            let text = format!("{} counts {counted} transactions after {written} were confirmed", sandbox.name);
            self.journal.wrong(Kind::Lost, None, text);
        }
        true
    }
}
