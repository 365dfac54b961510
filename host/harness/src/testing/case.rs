use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tenet_capsule::{Attempt, Capsule, End, Playback};
use tenet_core::{Code, FollowUp, Ledger, OperationCall, Receipt};
use tenet_database::{Contents, Tables};
use tenet_pipeline::{Answer, Backoff, Handled, Status};

use super::explorer::{Explorer, Schedule};
use super::file::{Ask, AtMost, Change, Expected, FaultText, Target, TestFile, What};
use super::injected::Injected;
use super::json::{Json, Row, rounded, row};
use super::outcome::{ActualStep, Answered, StepResult, TestFailure, TestOutcome};
use super::sealed::Sealed;
use super::site::{Hosts, Site, TestDatabase, no_row};
use super::{capsule_file, moment, replay, transcript};
use crate::error::{Error, Result};
use crate::hosting::{EAST, MOST, Taken, WEST, taken};

/// A test while it is run.
struct Case {
    outcome: TestOutcome,
    /// Operations that were scheduled and are due, in the order in which they run, each with the region that runs it.
    due: VecDeque<(FollowUp, String)>,
}

/// An operation that has followed.
struct Followed {
    operation: String,
    handled: Handled,
    events: Vec<Json>,
    /// What it has scheduled.
    follow_ups: Vec<Json>,
    /// What it logged last of an error.
    logged: Option<String>,
}

/// Runs a test on a rig, or over its recording. What breaks on the way is a failure of it.
pub(crate) async fn run(
    site: &Site,
    rig: Option<&TestDatabase>,
    outcome: TestOutcome,
    file: &TestFile,
    only: Option<&Schedule>,
) -> TestOutcome {
    let started = Instant::now();
    let mut case = Case { outcome: TestOutcome { about: file.about.clone(), ..outcome }, due: VecDeque::new() };
    let done = match (&file.recorded, rig) {
        (Some(path), _) => case.run_recorded(site, path, file).await,
        (None, Some(rig)) => case.run_on(site, rig, file, only).await,
        (None, None) => Err(Error::plain("there is no database for it")),
    };
    if let Err(error) = done {
        case.outcome.failures.push(error.into());
    }
    TestOutcome { took: started.elapsed(), ..case.outcome }
}

impl Case {
    async fn run_on(
        &mut self,
        site: &Site,
        rig: &TestDatabase,
        file: &TestFile,
        only: Option<&Schedule>,
    ) -> Result<()> {
        rig.given(file).await?;
        let before = rig.tables.contents().await?;
        let hosts = site.hosts(rig, Backoff::default())?;
        for (number, step) in file.steps.iter().enumerate() {
            match &step.what {
                What::Ask(ask, expected) => {
                    self.step(site, &hosts, number, ask, expected).await?;
                }
                What::Relay { turn, expected } => {
                    hosts.relay(&site.index, &turn.region).await?;
                    let due = hosts.due(&turn.region, turn.now).await?;
                    self.due.extend(due.into_iter().map(|follow_up| (follow_up, turn.region.clone())));
                    self.outcome.steps.push(StepResult::Relay { step: number + 1 });
                    let followed = self.follow(site, &hosts, number, turn).await?;
                    let follows_are_unmet = self.unmet_follows(number, expected, &followed);
                    let followed = followed.into_iter().map(|one| (one.operation, one.handled.answer)).collect();
                    self.outcome.actual.steps.push(Some(ActualStep { answered: None, followed, follows_are_unmet }));
                }
                What::Together { asks, schedules } => {
                    let explorer = Explorer { site, rig, asks, most: *schedules };
                    let (explored, anomaly) = explorer.explore(only).await?;
                    self.outcome.explored.push((number + 1, explored));
                    let failures = self.outcome.failures.len();
                    for (place, ask) in asks.iter().enumerate() {
                        let (handled, _) = self.ask(site, &hosts, number, ask).await?;
                        if handled.answer.status.code() >= 500 {
                            let why = handled.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                            let what = format!("request {} of {} failed{why}", place + 1, asks.len());
                            self.fail(Code::Verdict, number, &what);
                        }
                        let followed = self.follow(site, &hosts, number, ask).await?;
                        self.unmet_follows(number, &Expected::default(), &followed);
                    }
                    // Requests that fail alone explain whatever else differs, and that would hide them.
                    if self.outcome.failures.len() > failures {
                        self.outcome.actual.failed_alone = Some(number + 1);
                        return Ok(());
                    }
                    if let Some(anomaly) = anomaly {
                        self.outcome.schedule = Some(anomaly.schedule.clone());
                        let what = "the result of the requests at once is the result of no order of them";
                        let failure = TestFailure::new(Code::Orders, Some(number + 1), what);
                        self.outcome.failures.push(TestFailure { anomaly: Some(Box::new(anomaly)), ..failure });
                    }
                    self.outcome.actual.steps.push(None);
                }
            }
        }
        let after = rig.tables.contents().await?;
        self.outcome.actual.rows = changes(&rig.tables, &before, &after);
        if let Some(expected) = &file.rows {
            let unmet = self.unmet_rows(&rig.tables, &site.sealed, expected).await?;
            self.outcome.actual.rows_are_unmet = !unmet.is_empty();
            self.outcome.failures.extend(unmet.into_iter().map(|what| TestFailure::new(Code::Rows, None, what)));
        }
        Ok(())
    }

    async fn run_recorded(&mut self, site: &Site, path: &std::path::Path, file: &TestFile) -> Result<()> {
        let capsule = capsule_file::read(path)?;
        for (number, step) in file.steps.iter().enumerate() {
            let What::Ask(ask, expected) = &step.what else {
                self.fail(Code::TestFile, number, "a recording has one request in it");
                continue;
            };
            let playback = Arc::new(Playback::new(&capsule));
            let hosts = site.over(
                Ledger::of_transactions(Arc::clone(&playback) as _),
                Arc::clone(&playback) as _,
                Backoff::default(),
            )?;
            let request = Ask { seed: replay::seed(&capsule)?, ..(**ask).clone() };
            self.step(site, &hosts, number, &request, expected).await?;
            for statement in playback.unknown() {
                self.fail(Code::Replay, number, &format!("the recording has no answer to {statement}"));
            }
        }
        Ok(())
    }

    fn fail(&mut self, code: Code, step: usize, what: &str) {
        self.outcome.failures.push(TestFailure::new(code, Some(step + 1), what));
    }

    /// Asks, and takes down what it did.
    async fn ask(&mut self, site: &Site, hosts: &Hosts, number: usize, ask: &Ask) -> Result<(Handled, Vec<Attempt>)> {
        let probe = Injected::new(ask.fault.clone(), None);
        let (handled, follow_ups) = hosts.ask(ask, &probe).await?;
        self.due.extend(follow_ups.into_iter().map(|follow_up| (follow_up, ask.region.clone())));
        let attempts = probe.tape.attempts();
        let name = match &ask.target {
            Target::Operation(name) => name.clone(),
            Target::Rule(rule) => format!("rule {rule}"),
        };
        self.outcome.steps.push(StepResult::Request {
            step: number + 1,
            target: name,
            region: ask.region.clone(),
            answer: handled.answer.clone(),
            reason: handled.reason.clone(),
            attempts: attempts.clone(),
        });
        self.outcome.reached.add(site, ask, &handled, &attempts);
        Ok((handled, attempts))
    }

    async fn step(&mut self, site: &Site, hosts: &Hosts, number: usize, ask: &Ask, expected: &Expected) -> Result<()> {
        let (handled, attempts) = self.ask(site, hosts, number, ask).await?;
        let unmet = unmet_verdict(expected, &handled, transcript::last_error(&attempts));
        let verdict_is_unmet = !unmet.is_empty();
        unmet.iter().for_each(|what| self.fail(Code::Verdict, number, what));
        let events = events(&handled, &attempts);
        let mut events_are_unmet = false;
        if let Some(wanted) = &expected.events {
            for what in Json::List(wanted.clone()).unmet(&Json::List(events.clone())) {
                self.fail(Code::Events, number, &format!("events: {what}"));
                events_are_unmet = true;
            }
        }
        let follow_ups = scheduled(&handled, &attempts);
        let mut follow_ups_are_unmet = false;
        if let Some(wanted) = &expected.follow_ups {
            for what in Json::List(wanted.clone()).unmet(&Json::List(follow_ups.clone())) {
                self.fail(Code::Events, number, &format!("follow_ups: {what}"));
                follow_ups_are_unmet = true;
            }
        }
        for what in above(&expected.at_most, &handled.receipt) {
            self.fail(Code::Costs, number, &what);
        }
        let followed = self.follow(site, hosts, number, ask).await?;
        let follows_are_unmet = self.unmet_follows(number, expected, &followed);
        let Handled { answer, reason, .. } = handled;
        let answered =
            Answered { answer, reason, events, follow_ups, verdict_is_unmet, events_are_unmet, follow_ups_are_unmet };
        let followed = followed.into_iter().map(|one| (one.operation, one.handled.answer)).collect();
        self.outcome.actual.steps.push(Some(ActualStep { answered: Some(answered), followed, follows_are_unmet }));
        Ok(())
    }

    /// Has the operations decide that take the events which have arrived or are due, and those that follow them.
    async fn follow(&mut self, site: &Site, hosts: &Hosts, number: usize, ask: &Ask) -> Result<Vec<Followed>> {
        let mut left = VecDeque::from(hosts.arrived());
        // A rule alone is part of no operation, and leads to none. A recording is of one request.
        if matches!(ask.target, Target::Rule(_)) || hosts.are_over_recording {
            self.due.clear();
            return Ok(Vec::new());
        }
        let mut followed = Vec::new();
        loop {
            let mut next = Vec::new();
            if let Some(event) = left.pop_front() {
                for region in [EAST, WEST] {
                    for Taken { operation, key, payload } in taken(&site.routes, region, &event)? {
                        let source_key = Some(key.as_str().to_owned());
                        let of_event = following(ask, key.as_str(), &operation, payload, region);
                        next.push(Ask { source_key, ..of_event });
                    }
                }
            } else if let Some((follow_up, region)) = self.due.pop_front() {
                let OperationCall { operation, payload } = follow_up.call.clone();
                let scheduled = following(ask, &follow_up.id.to_string(), &operation, payload, &region);
                let caller = follow_up.caller.clone();
                next.push(Ask { caller, follow_up: Some(Arc::new(follow_up)), ..scheduled });
            } else {
                return Ok(followed);
            }
            for next in next {
                let (handled, attempts) = self.ask(site, hosts, number, &next).await?;
                if let Some(follow_up) = &next.follow_up
                    && let Some(follows) = hosts.note(&next, follow_up, &handled).await?
                {
                    self.due.push_back((follows, next.region.clone()));
                }
                let (events, follow_ups) = (events(&handled, &attempts), scheduled(&handled, &attempts));
                let logged = transcript::last_error(&attempts).map(str::to_owned);
                let Target::Operation(operation) = next.target else { continue };
                followed.push(Followed { operation, handled, events, follow_ups, logged });
                if followed.len() >= MOST {
                    let what = format!("{MOST} operations have followed, each another one, and no end of it");
                    self.fail(Code::Verdict, number, &what);
                    self.due.clear();
                    return Ok(followed);
                }
            }
            left.extend(hosts.arrived());
        }
    }

    /// Holds what has followed against what is expected. Whether it is not that.
    fn unmet_follows(&mut self, number: usize, expected: &Expected, followed: &[Followed]) -> bool {
        let failures = self.outcome.failures.len();
        let Some(wanted) = &expected.follows else {
            for Followed { operation, handled, .. } in followed {
                if !matches!(handled.answer.status, Status::Accepted | Status::Rejected) {
                    let (status, body) = (handled.answer.status.code(), &handled.answer.body);
                    self.fail(Code::Verdict, number, &format!("{operation} followed, and answered {status} {body}"));
                }
            }
            return self.outcome.failures.len() > failures;
        };
        let names = |names: Vec<&str>| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let wanted_names = names(wanted.iter().map(|(name, _)| name.as_str()).collect());
        let found_names = names(followed.iter().map(|one| one.operation.as_str()).collect());
        if wanted_names != found_names {
            let what = format!("expected to be followed by {wanted_names}, and it was by {found_names}");
            self.fail(Code::Verdict, number, &what);
            return true;
        }
        for ((name, expected), found) in wanted.iter().zip(followed) {
            for what in unmet_verdict(expected, &found.handled, found.logged.as_deref()) {
                self.fail(Code::Verdict, number, &format!("{name}, which followed: {what}"));
            }
            if let Some(wanted) = &expected.events {
                for what in Json::List(wanted.clone()).unmet(&Json::List(found.events.clone())) {
                    self.fail(Code::Events, number, &format!("{name}, which followed: events: {what}"));
                }
            }
            if let Some(wanted) = &expected.follow_ups {
                for what in Json::List(wanted.clone()).unmet(&Json::List(found.follow_ups.clone())) {
                    self.fail(Code::Events, number, &format!("{name}, which followed: follow_ups: {what}"));
                }
            }
        }
        self.outcome.failures.len() > failures
    }

    /// Where the changes are not those that are expected.
    async fn unmet_rows(
        &self,
        tables: &Tables,
        sealed: &Sealed,
        expected: &BTreeMap<String, Change>,
    ) -> Result<Vec<String>> {
        let mut unmet = Vec::new();
        let nothing = Change::default();
        let names: BTreeSet<&String> = self.outcome.actual.rows.keys().chain(expected.keys()).collect();
        for table in names {
            let (wanted, found) = (expected.get(table), self.outcome.actual.rows.get(table).unwrap_or(&nothing));
            let wanted = wanted.unwrap_or(&nothing);
            let kinds = [
                ("added", &wanted.added, &found.added, false),
                ("changed", &wanted.changed, &found.changed, true),
                ("gone", &wanted.gone, &found.gone, false),
            ];
            for (kind, wanted, found, in_whole) in kinds {
                let place = format!("rows.{table}.{kind}");
                let mut left: Vec<&Json> = found.iter().collect();
                for written in wanted {
                    let mut plain = row(written);
                    // What is sealed is no value that PostgreSQL could bring into a form of its own.
                    let secret = sealed.take(table, &mut plain);
                    let plain = Json::Object(plain.into_iter().collect());
                    let normal = match tables.normal(table, &plain.to_string()).await? {
                        Ok(normal) => Json::parse(&normal).unwrap_or(Json::Null),
                        Err(error) => {
                            unmet.push(format!("{place}: {written}: {}", no_row(tables, table, &plain, &error).await?));
                            continue;
                        }
                    };
                    // Only what is written is asked for.
                    let named = row(written);
                    if let Some(unknown) = named.keys().find(|name| normal.get(name).is_none()) {
                        unmet.push(format!("{place}: there is no column {unknown}"));
                        continue;
                    }
                    let held = row(&normal);
                    if let Some((name, held)) = rounded(&named, &held) {
                        unmet.push(format!("{place}: {written}: the column {name} would make {held} of it"));
                        continue;
                    }
                    let is_plain = |name: &String| secret.iter().all(|secret| secret.column != *name);
                    let normal = row(&normal).into_iter();
                    let normal: Row = normal.filter(|(name, _)| named.contains_key(name) && is_plain(name)).collect();
                    let is_it = async |found: &Json| {
                        let found = row(found);
                        let has =
                            |(name, value): (&String, &Json)| found.get(name).is_some_and(|found| value.is(found));
                        let is_whole = !in_whole || found.keys().all(|name| named.contains_key(name));
                        if !normal.iter().all(has) || !is_whole {
                            return false;
                        }
                        for secret in &secret {
                            if !sealed.holds(tables, table, &found, secret).await {
                                return false;
                            }
                        }
                        true
                    };
                    let mut it = None;
                    for (number, found) in left.iter().enumerate() {
                        if is_it(found).await {
                            it = Some(number);
                            break;
                        }
                    }
                    // A changed row has its key and what changed.
                    let is_part = |found: &&Json| {
                        let found = row(found);
                        in_whole && found.iter().all(|(name, value)| normal.get(name).is_some_and(|it| it.is(value)))
                    };
                    if let Some(it) = it {
                        left.remove(it);
                    } else if let Some(part) = left.iter().position(is_part) {
                        let found = row(left.remove(part));
                        let same: Vec<&str> =
                            normal.keys().map(String::as_str).filter(|name| !found.contains_key(*name)).collect();
                        let same = same.join(", ");
                        unmet.push(format!(
                            "{place}: expected {written}, and of these did not change: {same}; leave them out"
                        ));
                    } else {
                        unmet.push(format!("{place}: expected {written}, and there is none"));
                    }
                }
                unmet.extend(left.into_iter().map(|found| format!("{place}: found {found}, which is not expected")));
            }
        }
        Ok(unmet)
    }
}

/// Where the verdict is not the one that is expected. `logged` is what the rule itself said last of an error: of
/// a panic its message, file and line.
fn unmet_verdict(expected: &Expected, handled: &Handled, logged: Option<&str>) -> Vec<String> {
    let Answer { body, repeated, .. } = &handled.answer;
    let status = handled.answer.status.code();
    let mut unmet = Vec::new();
    let logged = logged.map(|line| format!("; it logged: {line}")).unwrap_or_default();
    let because = handled.reason.as_ref().map(|reason| format!(" ({reason}{logged})")).unwrap_or_default();
    let mut wants = |wanted: u16, word: &str| {
        let is = status == wanted;
        if !is {
            unmet.push(format!("expected {word}, and the answer is {status} {body}{because}"));
        }
        is
    };
    let json = || Json::parse(body).unwrap_or(Json::Null);
    let mut places = Vec::new();
    if let Some(accept) = &expected.accept {
        if wants(200, "to be accepted") && !matches!(accept, Json::Bool(true)) {
            places = accept.unmet(&json());
        }
    } else if let Some(output) = &expected.output {
        if wants(200, "to be accepted") && output != body {
            places = vec![format!("expected the output {output}, found {body}")];
        }
    } else if let Some(reject) = &expected.reject {
        if wants(422, "to be rejected") {
            let wanted = match reject {
                Json::Text(_) => Json::Object(vec![("code".to_owned(), reject.clone())]),
                other => other.clone(),
            };
            places = wanted.unmet(&json());
        }
    } else if let Some(fail) = &expected.fail {
        let reason = handled.reason.as_deref().unwrap_or_default();
        if wants(500, "to fail") && !reason.contains(fail.as_str()) {
            places = vec![format!("expected to fail because of {fail:?}, found {reason:?}")];
        }
    } else if let Some(code) = &expected.unavailable {
        if wants(503, "to be unavailable") {
            places = Json::Object(vec![("code".to_owned(), Json::Text(code.clone()))]).unmet(&json());
        }
    } else if expected.status.is_none() {
        wants(200, "to be accepted, as the step says nothing else");
    }
    if let Some(wanted) = expected.status {
        wants(wanted, &format!("the status {wanted}"));
    }
    // The two kinds of failure are easily taken for each other.
    if expected.fail.is_some() && status == 503 {
        let code = json().get("code").map(ToString::to_string).unwrap_or_default();
        unmet.push(format!("a step that expects this says `unavailable = {code}`"));
    }
    if expected.unavailable.is_some() && status == 500 {
        unmet.push("a step that expects this says `fail`, with a part of the reason".to_owned());
    }
    unmet.extend(places);
    if let Some(wanted) = expected.repeated.filter(|wanted| wanted != repeated) {
        let word = |repeated| if repeated { "a stored answer" } else { "an answer of its own" };
        unmet.push(format!("expected {}, found {}", word(wanted), word(*repeated)));
    }
    unmet
}

/// A request that follows another one.
fn following(ask: &Ask, id: &str, operation: &str, payload: String, region: &str) -> Ask {
    let seed = tenet_build::sha256(&[&ask.seed, id.as_bytes()].concat());
    let mut following = Ask {
        target: Target::Operation(operation.to_owned()),
        payload,
        key: None,
        source_key: None,
        caller: None,
        region: region.to_owned(),
        now: ask.now,
        seed: [0; 32],
        fault: FaultText::default(),
        follow_up: None,
    };
    following.seed.iter_mut().zip(seed.bytes()).for_each(|(byte, digit)| *byte = digit);
    following
}

/// The operations that a request has scheduled, as a test states them.
fn scheduled(handled: &Handled, attempts: &[Attempt]) -> Vec<Json> {
    let text = |text: &str| Json::Text(text.to_owned());
    let follow_ups = super::scheduled(handled, attempts).iter();
    follow_ups
        .map(|follow_up| {
            let name = |call: &Option<OperationCall>| call.as_ref().map(|call| text(&call.operation));
            let members = [
                ("operation", Some(text(&follow_up.call.operation))),
                ("payload", Some(Json::parse(&follow_up.call.payload).unwrap_or(Json::Null))),
                ("due", Some(Json::Text(moment::text(follow_up.due)))),
                ("label", follow_up.label.as_deref().map(text)),
                ("on_rejection", name(&follow_up.on_rejection)),
                ("on_failure", name(&follow_up.on_failure)),
            ];
            Json::Object(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
        })
        .collect()
}

/// The events that a request has left. A stored answer leaves none: they came with the first.
fn events(handled: &Handled, attempts: &[Attempt]) -> Vec<Json> {
    let ended = attempts.iter().rev().filter_map(|attempt| attempt.ended.as_ref());
    let accepted = ended.filter_map(|ended| match &ended.by {
        End::Accept { events, .. } => Some(events),
        _ => None,
    });
    let is_own = handled.answer.status.code() == 200 && !handled.answer.repeated;
    let last = accepted.take(1).filter(|_| is_own).flatten();
    let text = |text: &str| Json::Text(text.to_owned());
    last.map(|event| {
        Json::Object(vec![
            ("source".to_owned(), text(&event.source)),
            ("detail-type".to_owned(), text(&event.detail_type)),
            ("detail".to_owned(), Json::parse(&event.detail).unwrap_or(Json::Null)),
        ])
    })
    .collect()
}

/// What a request has cost above what it may.
fn above(most: &AtMost, receipt: &Receipt) -> Vec<String> {
    let each = [
        ("attempts", most.attempts, u64::from(receipt.attempts)),
        ("statements", most.statements, receipt.statements),
        ("round_trips", most.round_trips, u64::from(receipt.round_trips)),
        ("rows_read", most.rows_read, receipt.rows_read),
        ("bytes_read", most.bytes_read, receipt.bytes_read),
        ("rows_written", most.rows_written, receipt.rows_affected),
        ("events", most.events, receipt.events),
        ("fuel", most.fuel, receipt.fuel.unwrap_or_default()),
    ];
    let above = |(name, most, used): (&str, Option<u64>, u64)| {
        let most = most.filter(|most| used > *most)?;
        Some(format!("at_most.{name}: {most} allowed, {used} used"))
    };
    each.into_iter().filter_map(above).collect()
}

/// What has changed, by table. A table without a primary key has rows that come and go.
fn changes(tables: &Tables, before: &Contents, after: &Contents) -> BTreeMap<String, Change> {
    let rows = |contents: &Contents| -> BTreeMap<String, Vec<Json>> {
        let parsed = |rows: &[String]| rows.iter().filter_map(|row| Json::parse(row)).collect();
        contents.rows().map(|(table, rows)| (table.to_owned(), parsed(rows))).collect()
    };
    let (before, after) = (rows(before), rows(after));
    let mut changes = BTreeMap::new();
    for table in tables.names() {
        let none = Vec::new();
        let (old, new) = (before.get(table).unwrap_or(&none), after.get(table).unwrap_or(&none));
        let key = tables.key(table);
        let key_of = |json: &Json| -> Vec<String> {
            let row = row(json);
            key.iter().map(|name| row.get(name).map(ToString::to_string).unwrap_or_default()).collect()
        };
        let mut change = Change::default();
        let mut gone: Vec<&Json> = old.iter().collect();
        for now in new {
            let same =
                gone.iter().position(|was| if key.is_empty() { *was == now } else { key_of(was) == key_of(now) });
            let Some(place) = same else {
                change.added.push(now.clone());
                continue;
            };
            let was = row(gone.remove(place));
            let changed = |(name, value): &(String, Json)| was.get(name) != Some(value);
            let now: Vec<_> = row(now).into_iter().collect();
            if now.iter().any(changed) {
                let kept = now.into_iter().filter(|member| key.contains(&member.0) || changed(member));
                change.changed.push(Json::Object(kept.collect()));
            }
        }
        change.gone = gone.into_iter().cloned().collect();
        if !(change.added.is_empty() && change.changed.is_empty() && change.gone.is_empty()) {
            changes.insert(table.to_owned(), change);
        }
    }
    changes
}

/// A capsule that is a test by itself: the rules of now have to do what they did then.
pub(crate) async fn replay(site: &Site, outcome: TestOutcome, capsule: &Capsule) -> TestOutcome {
    let started = Instant::now();
    let mut outcome = outcome;
    match replay::again(site, capsule).await {
        Ok(replayed) => {
            let differences = tenet_capsule::differences(capsule, &replayed.capsule);
            let all = differences.into_iter().chain(replayed.unknown());
            outcome.failures = all.map(|what| TestFailure::new(Code::Replay, None, what)).collect();
            outcome.steps = vec![StepResult::Replay { attempts: replayed.capsule.attempts }];
        }
        Err(error) => outcome.failures.push(error.into()),
    }
    TestOutcome { took: started.elapsed(), ..outcome }
}
