use fastrand::Rng;
use serde_json::{Value, json};
use tenet_audit::{Ask, Name, accounts, chains};

use crate::rules::{INCREMENT, LIMITED, TAKERS};
use crate::sandbox::{Call, Sent};

/// Callers that an authoriser knows.
const CALLERS: [&str; 2] = ["ann", "bob"];

/// How many counters there are.
pub(crate) const COUNTERS: i32 = 2;

/// No counter.
const NO_COUNTER: i32 = 1000;

/// A request and what is known of it: one question, or several for an event that several operations handle.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) asks: Vec<Ask>,
    sent: Vec<Sent>,
    is_event: bool,
}

/// Makes questions, each with a number of its own.
pub(crate) struct Questions {
    number: u64,
}

impl Questions {
    pub(crate) fn new() -> Self {
        Self { number: 0 }
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// A transfer, with its own id or a separate key.
    pub(crate) fn transfer(&mut self, random: &mut Rng) -> Question {
        let (id, payload) = self.payment(random);
        let key = if random.bool() { id.clone() } else { format!("k-{id}") };
        Question::transfer(caller(random), key, id, payload)
    }

    /// Another payload under the key of this question, if it is a transfer; by the same caller or by another.
    pub(crate) fn contradiction(&mut self, of: &Question, random: &mut Rng) -> Option<Question> {
        let Sent { name: Name { operation, key, .. }, caller: of, .. } = of.sent.first()?.clone();
        if operation != "transfer" {
            return None;
        }
        let (id, payload) = self.payment(random);
        let by = if random.u32(0..3) == 0 { caller(random) } else { of };
        Some(Question::transfer(by, key, id, payload))
    }

    /// A transaction without accounts.
    pub(crate) fn write(&mut self, random: &mut Rng) -> Question {
        let id = format!("w-{}", self.next());
        let payload = json!({ "transaction_id": id, "amount": 100.5 });
        Question::direct("write", caller(random), None, &id, Some(("transaction_id", id.clone())), payload)
    }

    /// An event that two operations handle under its one id.
    pub(crate) fn event(&mut self, random: &mut Rng) -> Question {
        let (id, payload) = self.payment(random);
        let key = format!("e-{id}");
        let nonce = Some(("transfer_id", id));
        let of = |operation: &&str| Question::direct(operation, None, None, &key, nonce.clone(), payload.clone());
        let parts: Vec<_> = TAKERS.iter().map(of).collect();
        let (asks, sent) = parts.into_iter().map(|part| (part.asks, part.sent)).unzip::<_, _, Vec<_>, Vec<_>>();
        Question { asks: asks.concat(), sent: sent.concat(), is_event: true }
    }

    /// One more for a counter that is read first.
    pub(crate) fn increment(&mut self, random: &mut Rng) -> Question {
        let key = format!("i-{}", self.next());
        let payload = json!({ "do": "increment", "id": random.i32(0..COUNTERS), "key": key });
        Question::direct(INCREMENT, caller(random), Some(key.clone()), &key, None, payload)
    }

    /// A chain of operations that follow.
    pub(crate) fn chain(&mut self, random: &mut Rng) -> Question {
        let key = format!("c-{}", self.next());
        let payload = chains::payload(random.i32(chains::COUNTERS), &key);
        Question::direct(chains::CHAIN, caller(random), Some(key.clone()), &key, None, payload)
    }

    /// What is rejected by a rule that passes a limit where its counter exists, and so many requests of the same caller
    /// that do pass it.
    pub(crate) fn limited(&mut self, failing: usize, random: &mut Rng) -> Vec<Question> {
        let caller = caller(random);
        let ids = std::iter::once(NO_COUNTER).chain((0..failing).map(|_| random.i32(0..COUNTERS)));
        let ids: Vec<_> = ids.collect();
        let question = |id: i32| {
            let key = format!("l-{}", self.next());
            let payload = json!({ "do": "increment", "id": id, "key": key });
            let mut question = Question::direct(LIMITED, caller, Some(key.clone()), &key, None, payload);
            question.asks.iter_mut().for_each(|ask| ask.may_fail = true);
            question
        };
        ids.into_iter().map(question).collect()
    }

    /// A payment between two accounts: usually a small one.
    fn payment(&mut self, random: &mut Rng) -> (String, Value) {
        let id = format!("t-{}", self.next());
        let payment = accounts::payment(&id, random);
        (id, payment)
    }
}

fn caller(random: &mut Rng) -> Option<&'static str> {
    let caller = random.usize(0..2 * CALLERS.len());
    CALLERS.get(caller).copied()
}

impl Question {
    fn transfer(caller: Option<&'static str>, key: String, id: String, payload: Value) -> Self {
        let apart = (key != id).then(|| key.clone());
        Self::direct("transfer", caller, apart, &key, Some(("transfer_id", id)), payload)
    }

    /// `apart` is the key that is sent apart from the payload.
    fn direct(
        operation: &str,
        caller: Option<&'static str>,
        apart: Option<String>,
        key: &str,
        nonce: Option<(&'static str, String)>,
        payload: Value,
    ) -> Self {
        let name = Name::of(operation, caller, key);
        let sent = Sent { name: name.clone(), caller, key: apart, payload: payload.to_string() };
        Self { asks: vec![Ask { name, nonce, payload, may_fail: false }], sent: vec![sent], is_event: false }
    }

    /// Whether several may be asked with it, as messages of one queue.
    pub(crate) fn is_message(&self) -> bool {
        !self.is_event
    }

    /// The call that asks it.
    pub(crate) fn call(&self) -> Call {
        match (self.is_event, self.sent.as_slice()) {
            (false, [sent]) => Call::Direct(sent.clone()),
            (_, sent) => Call::Event(sent.to_vec()),
        }
    }

    /// The call that asks these as messages of one queue.
    pub(crate) fn batch(questions: &[Self]) -> Call {
        Call::Queue(questions.iter().flat_map(|question| question.sent.clone()).collect())
    }
}
