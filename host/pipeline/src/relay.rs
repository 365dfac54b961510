use std::pin::pin;
use std::time::{Duration, Instant};

use serde::Serialize;
use tenet_core::{AnswerRetention, Fault, FollowUpCounts, Mutant, Timestamp};

use crate::in_span::in_span;
use crate::pipeline::EventFate;
use crate::{Followed, Pipeline, summary};

/// What a relay run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Relayed {
    /// Events that the bus accepted.
    pub delivered: usize,
    /// Events that were offered and not accepted yet.
    pub left: usize,
    /// Events that the bus refused permanently. They are parked: kept with the reason, and not
    /// offered again until an operator releases them.
    pub parked: usize,
    /// All events that are parked now. If they could not be counted, those that this run parked.
    pub parked_now: u64,
    /// Operations that followed and have ended.
    pub followed: usize,
    /// Those of them that were rejected.
    pub follow_ups_rejected: usize,
    /// Operations that followed and failed, and will run again.
    pub follow_ups_failed: usize,
    /// Operations that followed and were given up in this run.
    pub follow_ups_given_up: usize,
    /// The operations that follow and have not run, at the end of this run. None if they could not be counted.
    pub follow_ups: Option<FollowUpCounts>,
    /// Expired answers that were removed.
    pub keys_expired: u64,
    /// Seconds since the request of the oldest event that was left; 0 if there was none.
    pub lag_s: u64,
    /// Whether every event that was left was offered. If not, time ran out, or the bus accepted
    /// nothing.
    pub complete: bool,
}

impl Pipeline {
    /// Publishes events that hosts of any region have left in the outbox for longer than `grace`:
    /// those of requests that ended before the bus accepted them. `grace` has to be longer than a
    /// request can take, so that no request is still publishing.
    ///
    /// Relays may run concurrently. An event may then be published twice with the same id, as it is
    /// if a relay ends between publishing and cleaning up.
    ///
    /// Then it runs the follow-ups that are due: those of this `region`, and those that the hosts of another one have
    /// left for a while. The remaining time is used to remove expired answers.
    ///
    /// # Errors
    /// Fails if the outbox cannot be read at all.
    pub async fn relay(
        &self,
        region: &str,
        grace: Duration,
        keep: AnswerRetention,
        deadline: Instant,
    ) -> Result<Relayed, Fault> {
        let span = tracing::info_span!("relay");
        let relayed = in_span(&span, pin!(self.turn(region, grace, keep, deadline))).await?;
        summary::tell_relay(&span, &relayed);
        Ok(relayed)
    }

    async fn turn(
        &self,
        region: &str,
        grace: Duration,
        keep: AnswerRetention,
        deadline: Instant,
    ) -> Result<Relayed, Fault> {
        let mut relayed = self.relay_now(grace, deadline).await?;
        let counted = async {
            let _place = self.in_background(deadline).await?;
            self.ledger.outbox.parked(deadline).await
        };
        relayed.parked_now = match counted.await {
            Ok(parked) => parked,
            Err(fault) => {
                tracing::warn!(fault = format!("{fault:#}"), "the parked events could not be counted");
                relayed.parked as u64
            }
        };
        // Some time is left for the removal, however much is due.
        let left = deadline.saturating_duration_since(self.clock.instant());
        self.follow_in_turn(&mut relayed, region, deadline - left / 4).await;
        match self.count_follow_ups(deadline).await {
            Ok(counts) => relayed.follow_ups = Some(counts),
            Err(fault) => tracing::warn!(fault = format!("{fault:#}"), "the follow-ups could not be counted"),
        }
        while self.clock.instant() < deadline {
            let expired = async {
                let _place = self.in_background(deadline).await?;
                self.ledger.answers.expire(keep, deadline).await
            };
            match expired.await {
                Ok(0) => break,
                Ok(expired) => relayed.keys_expired += expired,
                Err(fault) => {
                    tracing::warn!(fault = format!("{fault:#}"), "old keys stay until the next relay");
                    break;
                }
            }
        }
        Ok(relayed)
    }

    /// Runs what is due.
    async fn follow_in_turn(&self, relayed: &mut Relayed, region: &str, deadline: Instant) {
        match self.follow_due(region, deadline).await {
            Ok(Followed { ended, rejected, failed, given_up, left: _ }) => {
                relayed.followed = ended;
                relayed.follow_ups_rejected = rejected;
                relayed.follow_ups_failed = failed;
                relayed.follow_ups_given_up = given_up;
            }
            Err(fault) => tracing::warn!(fault = format!("{fault:#}"), "the follow-ups could not be read"),
        }
    }

    async fn relay_now(&self, grace: Duration, deadline: Instant) -> Result<Relayed, Fault> {
        let now = self.clock.now();
        let grace = if Mutant::RelayWithoutGrace.is_alive() { Duration::ZERO } else { grace };
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
                    tracing::warn!(fault = format!("{fault:#}"), "the rest of the outbox could not be read");
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
            // Continue from here in any case, so that events that stay do not block the others.
            after = Some((youngest.at, youngest.id));
            let fates = self.deliver(events, deadline).await;
            let count = |what| fates.iter().filter(|fate| **fate == what).count();
            relayed.delivered += count(EventFate::Taken);
            relayed.parked += count(EventFate::Parked);
            relayed.left += count(EventFate::Left);
            if fates.iter().all(|fate| *fate == EventFate::Left) {
                // The bus has failed, not these events: reading on is useless.
                break;
            }
        }
        Ok(relayed)
    }
}
