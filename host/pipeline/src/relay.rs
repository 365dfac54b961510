use std::pin::pin;
use std::time::{Duration, Instant};

use serde::Serialize;
use tenet_core::{AnswerRetention, Fault, Timestamp};

use crate::in_span::in_span;
use crate::pipeline::Fate;
use crate::{Pipeline, summary};

/// What a relay has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Relayed {
    /// Events that the bus has taken.
    pub delivered: usize,
    /// Events that it was offered and has not taken yet.
    pub left: usize,
    /// Events that it refused for good. They are parked: kept with the reason, and offered to no
    /// bus until somebody releases them.
    pub parked: usize,
    /// All events that are parked now, by whomever. Where they could not be counted, those that
    /// this relay has parked.
    pub parked_now: u64,
    /// Answers that were kept for as long as they are to be, and are removed now.
    pub keys_expired: u64,
    /// Seconds since the request of the oldest event that had been left; 0 where none had.
    pub lag_s: u64,
    /// Whether every event that had been left was offered. Otherwise there was no time for
    /// the rest, or the bus took nothing.
    pub complete: bool,
}

impl Pipeline {
    /// Publishes what hosts, of whichever region, have left in the outbox for longer than
    /// `grace`: events of requests that ended before their events were taken. `grace` is to
    /// be longer than a request can take, so that none is in the middle of its publishing.
    ///
    /// Relays may run at the same moment: an event is then perhaps published twice, with one
    /// id, as it is when a relay ends between publishing and cleaning up.
    ///
    /// What time is left is for the answers that need not be kept any longer.
    ///
    /// # Errors
    /// Fails where the outbox cannot be read to begin with.
    pub async fn relay(&self, grace: Duration, keep: AnswerRetention, deadline: Instant) -> Result<Relayed, Fault> {
        let span = tracing::info_span!("relay");
        let relayed = in_span(&span, pin!(self.turn(grace, keep, deadline))).await?;
        summary::tell_relay(&span, &relayed);
        Ok(relayed)
    }

    async fn turn(&self, grace: Duration, keep: AnswerRetention, deadline: Instant) -> Result<Relayed, Fault> {
        let mut relayed = self.relay_now(grace, deadline).await?;
        let counted = async {
            let _place = self.in_background(deadline).await?;
            self.ledger.outbox.parked(deadline).await
        };
        relayed.parked_now = match counted.await {
            Ok(parked) => parked,
            Err(fault) => {
                tracing::warn!(%fault, "the parked events could not be counted");
                relayed.parked as u64
            }
        };
        while self.clock.instant() < deadline {
            let expired = async {
                let _place = self.in_background(deadline).await?;
                self.ledger.answers.expire(keep, deadline).await
            };
            match expired.await {
                Ok(0) => break,
                Ok(expired) => relayed.keys_expired += expired,
                Err(fault) => {
                    tracing::warn!(%fault, "old keys stay until the next relay");
                    break;
                }
            }
        }
        Ok(relayed)
    }

    async fn relay_now(&self, grace: Duration, deadline: Instant) -> Result<Relayed, Fault> {
        let now = self.clock.now();
        let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp(now.micros().saturating_sub(grace));
        let mut relayed = Relayed::default();
        let mut after = None;
        while self.clock.instant() < deadline {
            let read = async {
                let _place = self.in_background(deadline).await?;
                self.ledger.outbox.left(before, after, deadline).await
            };
            let events = match read.await {
                Ok(events) => events,
                Err(fault) if after.is_some() => {
                    tracing::warn!(%fault, "the rest of the outbox could not be read");
                    break;
                }
                Err(fault) => return Err(fault),
            };
            let (Some(oldest), Some(youngest)) = (events.first(), events.last()) else {
                relayed.complete = true;
                break;
            };
            if after.is_none() {
                let lag = now.micros().saturating_sub(oldest.at.micros());
                relayed.lag_s = u64::try_from(lag / 1_000_000).unwrap_or_default();
            }
            // On from here whatever becomes of these: what stays keeps nothing else back.
            after = Some((youngest.at, youngest.id));
            let fates = self.deliver(events, deadline).await;
            let count = |what| fates.iter().filter(|fate| **fate == what).count();
            relayed.delivered += count(Fate::Taken);
            relayed.parked += count(Fate::Parked);
            relayed.left += count(Fate::Left);
            if fates.iter().all(|fate| *fate == Fate::Left) {
                // It is about the bus and not about these: there is no use in reading on.
                break;
            }
        }
        Ok(relayed)
    }
}
