use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join;
use serde_json::{Value, json};
use tenet_audit::{Ask, Heard, Journal, Kind, Name, Tally, accounts, chains};
use tokio::time::{Instant, timeout};

use crate::pace::Pace;
use crate::region::Region;
use crate::sandbox::{Ended, Sandbox};

/// The operations that handle the same event.
pub(crate) const TAKERS: [&str; 2] = ["post-a", "post-b"];

/// The longest wait of a client before it repeats something instead of asking something new, in milliseconds.
const CATCH_UP: u64 = 200;

/// How often a client retries by itself.
const PERSISTENCE: u32 = 4;

/// One of this many requests is abandoned before its response.
const IMPATIENCE: u32 = 10;

/// The longest wait before an abandoned request, in milliseconds.
const LEAVES: u64 = 800;

/// The most messages in one batch of a queue.
const MESSAGES: usize = 8;

/// So many answered questions are all asked again in the end.
const FEW: usize = 300;

/// The state shared by all clients.
pub(crate) struct Clients<'a> {
    pub(crate) regions: &'a [Region; 2],
    pub(crate) journal: &'a Journal,
    pub(crate) tally: &'a Tally,
    asked: Mutex<Vec<Question>>,
    number: AtomicU64,
    pub(crate) pace: Pace,
}

/// A request and its contents: one question, or several for an event that several operations handle.
#[derive(Clone, Debug)]
struct Question {
    event: Value,
    asks: Vec<Ask>,
}

impl<'a> Clients<'a> {
    pub(crate) fn new(regions: &'a [Region; 2], journal: &'a Journal, tally: &'a Tally) -> Self {
        Self { regions, journal, tally, asked: Mutex::default(), number: AtomicU64::default(), pace: Pace::default() }
    }

    /// One client, until the given time.
    pub(crate) async fn client(&self, seed: u64, until: Instant) {
        let mut random = Rng::with_seed(seed);
        while Instant::now() < until {
            self.pace.catch_up(Duration::from_millis(random.u64(1..CATCH_UP))).await;
            let may_be_new = self.may_be_new();
            match random.u32(if may_be_new { 0..100 } else { 65..100 }) {
                0..27 => self.insist(&self.fresh(&mut random), &mut random).await,
                27..30 => self.insist(&self.chain(&mut random), &mut random).await,
                30..36 => self.insist(&self.write(), &mut random).await,
                36..42 => self.insist(&self.event(&mut random), &mut random).await,
                42..65 => self.twins(&mut random).await,
                65..85 => {
                    if let Some(question) = self.known(&mut random) {
                        self.insist(&question, &mut random).await;
                    }
                }
                85..93 => {
                    if let Some(question) = self.contradiction(&mut random) {
                        self.insist(&question, &mut random).await;
                    }
                }
                93..97 => self.batch(&mut random).await,
                _ => self.read(&mut random).await,
            }
        }
    }

    fn may_be_new(&self) -> bool {
        let may = self.pace.may_be_new();
        self.tally.count(if may { "client: may ask something new" } else { "client: lets the buses catch up" });
        may
    }

    /// Repeats all questions without a final answer until they have one, and half of the answered ones again, or all of
    /// a few.
    pub(crate) async fn settle(&self, seed: u64, until: Instant) -> usize {
        let mut random = Rng::with_seed(seed);
        let entries = self.journal.entries();
        let is_open = |ask: &Ask| match entries.get(&ask.name) {
            Some(entry) => entry.asked.get(&ask.payload.to_string()).is_none_or(Option::is_none),
            None => true,
        };
        let all = self.asked.lock().unwrap().clone();
        let (mut open, mut closed): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|question| question.asks.iter().any(is_open));
        random.shuffle(&mut closed);
        let again = (closed.len() / 2).max(FEW);
        open.extend(closed.into_iter().take(again));
        let open = Mutex::new(open);
        let ask = |mut random: Rng| {
            let open = &open;
            async move {
                let mut left = 0;
                loop {
                    let next = open.lock().unwrap().pop();
                    let Some(question) = next else { return left };
                    while !self.ask(&question, self.sandbox(&mut random)).await {
                        if Instant::now() >= until {
                            left += 1;
                            break;
                        }
                    }
                }
            }
        };
        let askers = (0..8).map(|_| ask(random.fork()));
        futures_util::future::join_all(askers).await.into_iter().sum()
    }

    /// Asks, and mostly retries after an uncertain answer.
    async fn insist(&self, question: &Question, random: &mut Rng) {
        for _ in 0..PERSISTENCE {
            if random.u32(0..IMPATIENCE) == 0 {
                self.give_up(question, random).await;
                continue;
            }
            if self.ask(question, self.sandbox(random)).await || random.u32(0..10) < 3 {
                return;
            }
        }
    }

    /// Sends the same request to both regions at the same time.
    async fn twins(&self, random: &mut Rng) {
        let question = if random.bool() { self.fresh(random) } else { self.event(random) };
        let [east, west] = self.regions.each_ref().map(|region| region.sandbox(random));
        join(self.ask(&question, east), self.ask(&question, west)).await;
    }

    /// A sandbox at random.
    pub(crate) fn sandbox(&self, random: &mut Rng) -> &Sandbox {
        self.regions[random.usize(0..2)].sandbox(random)
    }

    /// Asks once. Returns whether everything has a final answer.
    async fn ask(&self, question: &Question, sandbox: &Sandbox) -> bool {
        self.note(question, sandbox);
        let heard = self.heard(question, sandbox.invoke(&question.event).await);
        self.hear(question, sandbox, &heard)
    }

    /// Asks, and leaves before or just around the time of the response.
    async fn give_up(&self, question: &Question, random: &mut Rng) {
        let sandbox = self.sandbox(random);
        let patience = Duration::from_millis(random.u64(1..LEAVES));
        self.note(question, sandbox);
        let ended = timeout(patience, sandbox.invoke(&question.event)).await;
        let heard = self.heard(question, ended.unwrap_or(Ended::Unheard("its client has left")));
        self.hear(question, sandbox, &heard);
    }

    /// Sends several questions as messages of a queue. The queue receives no answers, only which messages it has to
    /// keep.
    async fn batch(&self, random: &mut Rng) {
        let questions: Vec<_> = (0..random.usize(2..=MESSAGES)).filter_map(|_| self.message(random)).collect();
        let sandbox = self.sandbox(random);
        let records: Vec<_> = questions.iter().enumerate().map(|(place, question)| record(place, question)).collect();
        questions.iter().for_each(|question| self.note(question, sandbox));
        let ended = sandbox.invoke(&json!({ "Records": records })).await;
        let kept: Vec<_> = match &ended {
            Ended::Answered(reply) => {
                let failures = reply["batchItemFailures"].as_array();
                failures.into_iter().flatten().filter_map(|failure| failure["itemIdentifier"].as_str()).collect()
            }
            _ => Vec::new(),
        };
        for (place, question) in questions.iter().enumerate() {
            let heard = match &ended {
                Ended::Answered(_) if kept.contains(&name_of(place).as_str()) => {
                    Heard::Nothing("the queue keeps it".to_owned())
                }
                Ended::Answered(_) => Heard::Settled,
                Ended::Failed(text) => Heard::Nothing(text.clone()),
                Ended::Unheard(why) => Heard::Nothing((*why).to_owned()),
            };
            self.hear(question, sandbox, &vec![heard; question.asks.len()]);
        }
    }

    /// A message of a queue: something new, or a repetition.
    fn message(&self, random: &mut Rng) -> Option<Question> {
        match random.u32(if self.may_be_new() { 0..10 } else { 6..10 }) {
            0..4 => Some(self.fresh(random)),
            4 => Some(self.write()),
            5 => Some(self.event(random)),
            _ => self.known(random),
        }
    }

    /// Records that it is about to be asked.
    fn note(&self, question: &Question, sandbox: &Sandbox) {
        for ask in &question.asks {
            self.journal.ask(ask, &sandbox.name);
        }
    }

    /// Records the response. Returns whether everything has a final answer.
    fn hear(&self, question: &Question, sandbox: &Sandbox, heard: &[Heard]) -> bool {
        let mut all = true;
        for (ask, heard) in question.asks.iter().zip(heard) {
            self.count(heard);
            all &= self.journal.hear(ask, &sandbox.name, heard);
        }
        all
    }

    fn heard(&self, question: &Question, ended: Ended) -> Vec<Heard> {
        let nothing = |text: String| vec![Heard::Nothing(text); question.asks.len()];
        let answer = |answer: &Value| Heard::Answer {
            status: answer["statusCode"].as_u64().unwrap_or_default(),
            body: answer["body"].as_str().unwrap_or_default().to_owned(),
        };
        match ended {
            Ended::Answered(reply) => match reply["answers"].as_array() {
                Some(answers) => answers.iter().map(answer).collect(),
                None => vec![answer(&reply)],
            },
            // An unsettled event fails the invocation.
            Ended::Failed(text) => {
                if text.contains("answered 500") {
                    self.journal.wrong(Kind::Blamed, Some(question.asks[0].name.clone()), text.clone());
                }
                nothing(text)
            }
            Ended::Unheard(why) => nothing(why.to_owned()),
        }
    }

    fn count(&self, heard: &Heard) {
        match heard {
            Heard::Answer { status: 503, body } => {
                let problem: Value = serde_json::from_str(body).unwrap_or_default();
                self.tally.count(&format!("answer: 503 {}", problem["code"].as_str().unwrap_or("without a code")));
            }
            Heard::Answer { status, .. } => self.tally.count(&format!("answer: {status}")),
            Heard::Settled => self.tally.count("answer: a queue may forget it"),
            Heard::Nothing(why) => {
                self.tally.count(&format!("no answer: {}", why.split([':', '(']).next().unwrap_or_default()))
            }
        }
    }

    /// A read that begins after a success sees it, in either region.
    async fn read(&self, random: &mut Rng) {
        let written = self.journal.written.load(Ordering::SeqCst);
        let sandbox = self.sandbox(random);
        if let Ended::Answered(reply) = sandbox.invoke(&json!({ "operation": "read" })).await
            && reply["statusCode"] == 200
        {
            self.tally.count("answer: read");
            let output: Value = serde_json::from_str(reply["body"].as_str().unwrap_or_default()).unwrap_or_default();
            let counted = output["transaction_count"].as_i64().unwrap_or_default();
            if counted < written {
                let text = format!("{} counts {counted} transactions after {written} were confirmed", sandbox.name);
                self.journal.wrong(Kind::Lost, None, text);
            }
        }
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// A payment between two accounts: usually a small one.
    fn payment(&self, random: &mut Rng) -> (String, Value) {
        let id = format!("t-{}", self.next());
        let payment = accounts::payment(&id, random);
        (id, payment)
    }

    /// A transfer, with its own id or a separate key.
    fn fresh(&self, random: &mut Rng) -> Question {
        let (id, payload) = self.payment(random);
        let key = if random.bool() { id.clone() } else { format!("k-{id}") };
        self.keep(transfer(key, id, payload))
    }

    fn write(&self) -> Question {
        let id = format!("w-{}", self.next());
        let payload = json!({ "transaction_id": id, "amount": 100.5 });
        let mut event = payload.clone();
        event["operation"] = "write".into();
        let name = Name::of("write", None, &id);
        let ask = Ask { name, nonce: Some(("transaction_id", id)), payload, may_fail: false };
        self.keep(Question { event, asks: vec![ask] })
    }

    /// A chain of operations that follow.
    fn chain(&self, random: &mut Rng) -> Question {
        let key = format!("c-{}", self.next());
        let payload = chains::payload(random.i32(chains::COUNTERS), &key);
        let mut event = payload.clone();
        event["operation"] = chains::CHAIN.into();
        event["idempotency_key"] = key.as_str().into();
        let ask = Ask { name: Name::of(chains::CHAIN, None, &key), nonce: None, payload, may_fail: false };
        self.keep(Question { event, asks: vec![ask] })
    }

    /// An event that two operations handle under its one id.
    fn event(&self, random: &mut Rng) -> Question {
        let (id, payload) = self.payment(random);
        let key = format!("e-{id}");
        let event = json!({
            "version": "0", "id": key, "source": "campaign", "detail-type": "Payment Ordered",
            "account": "123456789012", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
            "resources": [], "detail": payload,
        });
        let asks = TAKERS.map(|operation| Ask {
            name: Name::of(operation, None, &key),
            nonce: Some(("transfer_id", id.clone())),
            payload: payload.clone(),
            may_fail: false,
        });
        self.keep(Question { event, asks: asks.to_vec() })
    }

    /// Something that was asked before, recently or long ago.
    fn known(&self, random: &mut Rng) -> Option<Question> {
        let asked = self.asked.lock().unwrap();
        let from = if random.bool() { 0 } else { asked.len().saturating_sub(30) };
        (from < asked.len()).then(|| asked[random.usize(from..asked.len())].clone())
    }

    /// Another payload under a key that was used before.
    fn contradiction(&self, random: &mut Rng) -> Option<Question> {
        let Ask { name: Name { operation, key, .. }, .. } = self.known(random)?.asks.swap_remove(0);
        if operation != "transfer" {
            return None;
        }
        let (id, payload) = self.payment(random);
        Some(self.keep(transfer(key, id, payload)))
    }

    fn keep(&self, question: Question) -> Question {
        self.pace.is_new(question.asks.len());
        self.asked.lock().unwrap().push(question.clone());
        question
    }
}

/// A message of a queue.
fn record(place: usize, question: &Question) -> Value {
    json!({
        "messageId": name_of(place),
        "receiptHandle": "handle",
        "body": question.event.to_string(),
        "attributes": { "ApproximateReceiveCount": "1" },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:campaign",
        "awsRegion": "us-east-1",
    })
}

/// The message's id in its batch.
fn name_of(place: usize) -> String {
    format!("m-{place}")
}

fn transfer(key: String, id: String, payload: Value) -> Question {
    let mut event = payload.clone();
    event["operation"] = "transfer".into();
    if key != id {
        event["idempotency_key"] = key.as_str().into();
    }
    let name = Name::of("transfer", None, &key);
    Question { event, asks: vec![Ask { name, nonce: Some(("transfer_id", id)), payload, may_fail: false }] }
}
