use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bucket::Bucket;
use crate::config::{Seen, Smoke};
use crate::deployment::Deployment;
use crate::error::{DeployError, refused};
use crate::function;
use crate::names::LIVE;
use crate::regional::Regional;
use crate::stack::Stack;
use crate::wait::{Looked, until};

/// The key of the last result, in the bucket of each region.
const NOTE: &str = "smoke.json";

/// The result of a smoke test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Its time, in seconds since 1970-01-01 00:00:00 UTC.
    pub at: u64,
    /// The failure, if there was one.
    pub failure: Option<String>,
    /// The observations, one line each.
    pub seen: Vec<String>,
}

impl Deployment {
    /// Tests both regions: each is ready, what is written in one is answered by the other, and its
    /// event arrives. The result is stored.
    ///
    /// # Errors
    /// Names the region and how it failed.
    pub async fn smoke(&self) -> Result<Tested, DeployError> {
        for region in &self.regions {
            if Stack::of(region, &self.names, self.names.stack(), self.polling).look().await?.is_none() {
                return Err(self.without_stack(region));
            }
        }
        let mut seen = Vec::new();
        let done = self.tested(&mut seen).await;
        let at = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let tested = Tested { at, failure: done.as_ref().err().map(ToString::to_string), seen };
        let note = serde_json::to_string(&tested).unwrap_or_default();
        let mut noted = Ok(());
        for region in &self.regions {
            noted = noted.and(Bucket::of(region, &self.names).write(NOTE, &note).await);
        }
        // A note that cannot be written does not hide why a test failed.
        done.and(noted).map(|()| tested)
    }

    async fn tested(&self, seen: &mut Vec<String>) -> Result<(), DeployError> {
        let mut tell = |region: &Regional, what: String| {
            self.progress.say(Some(&region.name), &what);
            seen.push(format!("{}: {what}", region.name));
        };
        for region in &self.regions {
            let said = function::is_ready(region, &self.names, LIVE).await?;
            if said.status != 200 {
                return Err(DeployError::new(format!("{}: it is not ready: {}", region.name, said.body)));
            }
            tell(region, "ready".to_owned());
        }
        let Some(smoke) = &self.config.smoke else { return Ok(()) };
        let [one, other] = &self.regions;
        if smoke.event.is_some() {
            // Before anything is sent: the queue keeps an event no longer than this may take.
            for region in &self.regions {
                self.received(region, &self.queue(region).await?, 0).await?;
            }
        }
        for (here, there) in [(one, other), (other, one)] {
            let id = format!("{}{:016x}", Smoke::PREFIX, fastrand::u64(..));
            let event = request(smoke, &id)?;
            let written = function::call(here, &self.names, LIVE, &event).await?;
            if written.status != 200 {
                return Err(DeployError::new(format!(
                    "{}: {} is answered {}: {}",
                    here.name, smoke.operation, written.status, written.body
                )));
            }
            tell(here, format!("{} is accepted as {id}", smoke.operation));
            // The same key has the same answer, and the other region reads it through its own
            // endpoint.
            let read = function::call(there, &self.names, LIVE, &event).await?;
            if read != written {
                return Err(DeployError::new(format!(
                    "{} answers {id} otherwise than {}: {} {}, and not {} {}",
                    there.name, here.name, read.status, read.body, written.status, written.body
                ))
                .help("the two endpoints are not one database"));
            }
            tell(there, format!("the answer to {id} is the same"));
            if smoke.event.is_some() {
                let places = if smoke.seen == Seen::Both { vec![here, there] } else { vec![here] };
                for place in places {
                    self.arrives(place, &id).await?;
                    tell(place, format!("the event of {id} has arrived"));
                }
            }
        }
        Ok(())
    }

    /// The queue for the events of tests.
    async fn queue(&self, region: &Regional) -> Result<String, DeployError> {
        let standing =
            Stack::of(region, &self.names, self.names.stack(), self.polling).look().await?.unwrap_or_default();
        standing.outputs.get("SmokeQueueUrl").cloned().ok_or_else(|| {
            DeployError::new(format!("{}: there is no queue for the events of tests", region.name))
                .help("deploy with the same [smoke]")
        })
    }

    /// Messages of the queue, which come within this many seconds. Waits until the queue may be read: the right to use
    /// its key is bound to the key's tag, which may count only some minutes after the key was created.
    async fn received(&self, region: &Regional, queue: &str, wait_s: i32) -> Result<Vec<Message>, DeployError> {
        let late = |state: &str| {
            DeployError::new(format!("{}: the queue for the events of tests may not be read: {state}", region.name))
                .help("its key's tag counts after five minutes at most; then the right to use the key is missing")
        };
        let mut is_told = false;
        until(self.polling.tag, self.polling.pause, late, async || {
            let request = region.queues.receive_message().queue_url(queue).max_number_of_messages(10);
            match request.wait_time_seconds(wait_s).send().await {
                Ok(received) => Ok(Looked::Seen(received.messages.unwrap_or_default())),
                Err(error) if error.as_service_error().is_some_and(ReceiveMessageError::is_kms_access_denied) => {
                    if !std::mem::replace(&mut is_told, true) {
                        let text =
                            "the tag of the key of the events' queue does not count yet, which may take five minutes";
                        self.progress.say(Some(&region.name), text);
                    }
                    Ok(Looked::NotYet(refused(&region.name, "ReceiveMessage", &error).to_string()))
                }
                Err(error) => Err(refused(&region.name, "ReceiveMessage", &error)),
            }
        })
        .await
    }

    /// Waits for a test's event on the bus of a region.
    async fn arrives(&self, region: &Regional, id: &str) -> Result<(), DeployError> {
        let queue = self.queue(region).await?;
        let late = |_: &str| {
            let late = DeployError::new(format!("{}: the event of {id} has not arrived", region.name));
            late.help("`tenet status` tells what waits in the outbox and in the dead letters")
        };
        until(self.polling.event, self.polling.pause, late, async || {
            let mut has_come = false;
            for message in self.received(region, &queue, 2).await? {
                has_come |= message.body.is_some_and(|body| body.contains(id));
                let delete = region.queues.delete_message().queue_url(&queue);
                let delete = delete.set_receipt_handle(message.receipt_handle).send().await;
                delete.map_err(|error| refused(&region.name, "DeleteMessage", &error))?;
            }
            Ok(if has_come { Looked::Seen(()) } else { Looked::NotYet(String::new()) })
        })
        .await
    }

    /// The last test's result, as stored in a region.
    pub(crate) async fn last_tested(&self, region: &Regional) -> Result<Option<Tested>, DeployError> {
        let note = Bucket::of(region, &self.names).read(NOTE).await?;
        Ok(note.and_then(|note| serde_json::from_str(&note).ok()))
    }
}

/// A direct invocation with a unique name and key.
fn request(smoke: &Smoke, id: &str) -> Result<Value, DeployError> {
    let payload = serde_json::to_value(&smoke.payload);
    let payload = payload.map_err(|error| DeployError::new("smoke.payload is no JSON").because(error))?;
    let mut event = Map::new();
    event.insert("operation".to_owned(), smoke.operation.as_str().into());
    event.insert("idempotency_key".to_owned(), id.into());
    if let Value::Object(members) = named(payload, id) {
        event.extend(members);
    }
    Ok(Value::Object(event))
}

/// Replaces `{id}` with the name.
fn named(value: Value, id: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{id}", id)),
        Value::Array(values) => values.into_iter().map(|value| named(value, id)).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, named(value, id))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_has_a_name_and_a_key_of_its_own() {
        let smoke = Smoke {
            operation: "write".to_owned(),
            payload: toml::from_str("transaction_id = \"{id}\"\namount = 1.5\nparts = [\"a {id}\", 2]").unwrap(),
            event: Some("transaction_id".to_owned()),
            seen: Seen::Both,
        };
        assert_eq!(
            request(&smoke, "smoke-1").unwrap(),
            serde_json::json!({
                "operation": "write", "idempotency_key": "smoke-1",
                "transaction_id": "smoke-1", "amount": 1.5, "parts": ["a smoke-1", 2],
            })
        );
        assert_eq!(smoke.pattern(), r#"{"detail":{"transaction_id":[{"prefix":"smoke-"}]}}"#);
    }
}
