use std::time::Duration;

use fastrand::Rng;

use crate::chance::mix;
use crate::question::{Question, Questions};
use crate::selection::Selection;

/// The number of clients: more than the hosts have connections.
pub(crate) const CLIENTS: usize = 16;

/// How many sandboxes a region has, and how many requests each of them gets at once. The first one gets more than it has
/// connections.
pub(crate) const SANDBOXES: [usize; 3] = [6, 1, 1];

/// The mean time between two requests, in microseconds.
const PACE: u64 = 45_000;

/// The mean time between two faults, in milliseconds.
const FAULTS: u64 = 330;

/// The time between two turns of each region's relay, in milliseconds.
const RELAYS: [u64; 2] = [900, 1300];

/// One of so many requests has a chain at its side.
const CHAINS: u32 = 12;

/// One of so many requests comes after a night, in which no request comes.
const NIGHTS: u32 = 600;

/// The shortest and the longest night, in seconds.
const NIGHT: std::ops::Range<u64> = 3_000..4_500;

/// How far off a clock is set, in milliseconds.
const JUMP: i64 = 4_000_000;

/// The duration of a silence, in milliseconds: longer than the timeouts of rules and statements.
const SILENCE: std::ops::Range<u64> = 1100..2200;

/// How many requests fail one after the other: more than it takes to suspend their rule for their caller.
const FAILING: usize = 7;

/// The most messages in one batch of a queue.
const MESSAGES: usize = 8;

/// All requests and faults of a story, which the seed decides.
pub(crate) struct Plan {
    pub(crate) questions: Vec<Question>,
    pub(crate) steps: Vec<(Duration, Step)>,
    pub(crate) faults: Vec<(Duration, Fault)>,
    pub(crate) relays: Vec<(Duration, usize)>,
}

/// What one client does.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) seed: u64,
    pub(crate) deed: Deed,
}

/// By their numbers, questions.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Asks, and mostly retries after an uncertain answer.
    Insist(usize),
    /// Asks once, and believes whatever the answer says.
    Believe(usize),
    /// Asks both regions at the same time.
    Twins(usize),
    /// Sends messages of a queue.
    Batch(Vec<usize>),
    /// Asks one sandbox the first of these, then the others, whose rule fails, and then the first one again.
    Suspend(Vec<usize>),
    /// Reads its own writes.
    Read,
}

/// A fault that comes at its time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// How often statements to an endpoint and calls of a bus are harmed from now on.
    Weather { region: usize, one_in: u32, of_ten: u32 },
    /// All connections to an endpoint are cut.
    Cut { region: usize },
    /// All connections to an endpoint fall silent, and new ones work.
    FallSilent { region: usize },
    /// An endpoint refuses connections, for the hosts of both regions.
    Away { region: usize, time: Duration },
    /// Messages to an endpoint and from it are held, for the hosts of one region.
    Silent { from: usize, region: usize, time: Duration },
    /// A host is killed, and another one started after a while.
    Kill { region: usize, sandbox: usize, pause: Duration },
    /// The wall clock of a host jumps.
    Jump { region: usize, sandbox: usize, micros: i64 },
    /// A sandbox is frozen.
    Freeze { region: usize, sandbox: usize, time: Duration },
    /// The database's catalogue changes.
    Alter,
}

impl Plan {
    /// The plan for at least this many transactions, as far as it is selected. `is_calm`: without faults.
    pub(crate) fn new(seed: u64, transactions: usize, is_calm: bool, selection: &Selection) -> Self {
        let mut plan = Self { questions: Vec::new(), steps: Vec::new(), faults: Vec::new(), relays: Vec::new() };
        let nights = plan.ask(seed, transactions);
        let awake = plan.steps.last().map_or(Duration::ZERO, |(at, _)| *at);
        if !is_calm {
            plan.harm(seed, awake, &nights);
        }
        for (region, pause) in RELAYS.into_iter().enumerate() {
            let turns = u64::try_from(awake.as_millis()).unwrap() / pause;
            plan.relays.extend((1..=turns).map(|turn| (Duration::from_millis(turn * pause), region)));
        }
        plan.relays.sort_by_key(|(at, _)| *at);
        let slept =
            |at: Duration| at + nights.iter().filter(|(from, _)| *from < at).map(|(_, time)| *time).sum::<Duration>();
        plan.steps.iter_mut().for_each(|(at, _)| *at = slept(*at));
        plan.faults.iter_mut().for_each(|(at, _)| *at = slept(*at));
        plan.relays.iter_mut().for_each(|(at, _)| *at = slept(*at));
        selection.keep(&mut plan.steps, &selection.steps);
        selection.keep(&mut plan.faults, &selection.faults);
        plan
    }

    /// Plans the requests, by the time without nights. Returns the nights.
    fn ask(&mut self, seed: u64, transactions: usize) -> Vec<(Duration, Duration)> {
        let mut random = Rng::with_seed(mix(seed, "steps"));
        let (mut at, mut nights, mut asked) = (Duration::ZERO, Vec::new(), 0);
        let mut questions = Questions::new();
        // Apart, so that the other requests are the same without them.
        let mut of_chains = Rng::with_seed(mix(seed, "chains"));
        let mut number = 0_u64;
        while asked < transactions {
            // About exponential: the minimum of two is nearer to that than one.
            let pause = random.u64(0..3 * PACE).min(random.u64(0..3 * PACE));
            at += Duration::from_micros(pause);
            if random.u32(0..NIGHTS) == 0 {
                nights.push((at, Duration::from_secs(random.u64(NIGHT))));
                at += Duration::from_secs(4);
            }
            let mut add = |all: &mut Vec<Question>, question: Question| {
                asked += question.asks.iter().filter(|ask| !ask.may_fail).count();
                all.push(question);
                all.len() - 1
            };
            let all = &mut self.questions;
            let deed = match random.u32(0..100) {
                0..12 => Deed::Insist(add(all, questions.transfer(&mut random))),
                12..26 => Deed::Believe(add(all, questions.transfer(&mut random))),
                26..32 => Deed::Insist(add(all, questions.write(&mut random))),
                32..37 => Deed::Insist(add(all, questions.event(&mut random))),
                37..44 => Deed::Insist(add(all, questions.increment(&mut random))),
                44..46 => {
                    let limited = questions.limited(FAILING, &mut random);
                    Deed::Suspend(limited.into_iter().map(|question| add(all, question)).collect())
                }
                46..48 => Deed::Insist(add(all, questions.transfer(&mut random))),
                48..56 => Deed::Twins(add(all, questions.transfer(&mut random))),
                56..60 => Deed::Twins(add(all, questions.event(&mut random))),
                60..64 => Deed::Twins(add(all, questions.increment(&mut random))),
                64..82 => match known(all, &mut random) {
                    Some(known) => Deed::Insist(known),
                    None => Deed::Read,
                },
                82..90 => {
                    let of = known(all, &mut random).and_then(|known| all.get(known).cloned());
                    match of.and_then(|of| questions.contradiction(&of, &mut random)) {
                        Some(question) => Deed::Insist(add(all, question)),
                        None => Deed::Read,
                    }
                }
                90..95 => {
                    let mut messages = Vec::new();
                    for _ in 0..random.usize(2..=MESSAGES) {
                        let message = match random.u32(0..10) {
                            0..4 => add(all, questions.transfer(&mut random)),
                            4 => add(all, questions.write(&mut random)),
                            _ => match known(all, &mut random) {
                                Some(known) => known,
                                None => continue,
                            },
                        };
                        if all[message].is_message() && !messages.contains(&message) {
                            messages.push(message);
                        }
                    }
                    Deed::Batch(messages)
                }
                _ => Deed::Read,
            };
            number += 1;
            self.steps.push((at, Step { seed: mix(seed, ("step", number)), deed }));
            if of_chains.u32(0..CHAINS) == 0 {
                self.questions.push(questions.chain(&mut of_chains));
                let chain = self.questions.len() - 1;
                let deed = if of_chains.bool() { Deed::Insist(chain) } else { Deed::Twins(chain) };
                self.steps.push((at, Step { seed: mix(seed, ("chain", number)), deed }));
            }
        }
        nights
    }

    /// Plans the faults, by the time without nights.
    fn harm(&mut self, seed: u64, until: Duration, nights: &[(Duration, Duration)]) {
        let mut random = Rng::with_seed(mix(seed, "faults"));
        let millis = |random: &mut Rng, range: std::ops::Range<u64>| Duration::from_millis(random.u64(range));
        let mut at = Duration::ZERO;
        while at < until {
            let region = random.usize(0..2);
            // Usually the busiest one.
            let sandbox = random.usize(0..SANDBOXES.len() + 2) % SANDBOXES.len();
            let fault = match random.u32(0..100) {
                0..50 => Fault::Weather {
                    region,
                    one_in: [0, 60, 40, 8][random.usize(0..4)],
                    of_ten: [0, 0, 3, 9][random.usize(0..4)],
                },
                50..55 => Fault::Cut { region },
                55..60 => Fault::FallSilent { region },
                60..66 => Fault::Away { region, time: millis(&mut random, 200..2500) },
                66..74 => Fault::Silent { from: random.usize(0..2), region, time: millis(&mut random, SILENCE) },
                74..90 => Fault::Kill { region, sandbox, pause: millis(&mut random, 0..300) },
                90..93 => Fault::Jump { region, sandbox, micros: 1000 * random.i64(-JUMP..JUMP) },
                93..95 => Fault::Freeze { region, sandbox, time: millis(&mut random, 500..20_000) },
                _ => Fault::Alter,
            };
            self.faults.push((at, fault));
            at += millis(&mut random, 1..2 * FAULTS);
        }
        for (from, time) in nights {
            for region in 0..2 {
                for sandbox in 0..SANDBOXES.len() {
                    if random.bool() {
                        let time = *time + millis(&mut random, 0..3000);
                        self.faults.push((*from, Fault::Freeze { region, sandbox, time }));
                    }
                }
            }
        }
        self.faults.sort_by_key(|(at, _)| *at);
    }
}

/// Something that was asked before, recently or long ago.
fn known(asked: &[Question], random: &mut Rng) -> Option<usize> {
    let from = if random.bool() { 0 } else { asked.len().saturating_sub(30) };
    (from < asked.len()).then(|| random.usize(from..asked.len()))
}
