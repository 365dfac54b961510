use std::future::pending;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tenet_audit::{Arrivals, Tally};
use tenet_core::{Delivery, StagedEvent};
use tokio::time::{sleep, sleep_until};

use crate::chance::mix;
use crate::network::REGIONS;
use crate::story::Story;

/// The longest time that a forwarded event takes, in milliseconds.
const FORWARDING: u64 = 400;

/// The buses of two regions, which forward to each other.
pub(crate) struct Buses {
    seed: u64,
    pub(crate) arrivals: Arc<Arrivals>,
    /// How many of ten calls are disturbed, in each region.
    of_ten: [AtomicU32; 2],
    calls: [AtomicU32; 2],
    under_way: Mutex<usize>,
    tally: Arc<Tally>,
    story: Story,
}

/// A bus's misbehaviour for one call.
#[derive(Clone, Copy, Debug)]
enum Whim {
    Take,
    /// Closes the connection.
    HangUp,
    /// Accepts the entries without responding.
    TakeAndHangUp,
    /// Accepts the entries and responds when the client is gone.
    TakeAndStall,
    /// Does not respond.
    Stall,
    /// Accepts some of the entries.
    Throttle,
    /// Accepts the entries and delivers each of them twice.
    TakeTwice,
}

impl Buses {
    pub(crate) fn new(seed: u64, tally: Arc<Tally>, story: Story) -> Arc<Self> {
        let (arrivals, of_ten, calls) = (Arc::default(), Default::default(), Default::default());
        Arc::new(Self { seed, arrivals, of_ten, calls, under_way: Mutex::default(), tally, story })
    }

    /// Sets how many of ten calls are disturbed from now on.
    pub(crate) fn disturb(&self, region: usize, of_ten: u32) {
        self.of_ten[region].store(of_ten, Ordering::Relaxed);
    }

    /// How many events are being forwarded.
    pub(crate) fn under_way(&self) -> usize {
        *self.under_way.lock().unwrap()
    }

    /// A call of a region's bus.
    pub(crate) async fn put(
        self: &Arc<Self>,
        region: usize,
        events: &[StagedEvent],
        deadline: std::time::Instant,
    ) -> Vec<Delivery> {
        let call = self.calls[region].fetch_add(1, Ordering::Relaxed);
        let mut random = Rng::with_seed(mix(self.seed, ("bus", region, call)));
        let whim = self.whim(region, &mut random);
        if !matches!(whim, Whim::Take) {
            self.tally.count(&format!("bus: {whim:?}"));
        }
        self.story.note(format_args!("bus {}", REGIONS[region]), format_args!("{whim:?} {} events", events.len()));
        sleep(Duration::from_micros(random.u64(3_000..30_000))).await;
        let later = |why: &str| events.iter().map(|_| Delivery::Later(why.to_owned())).collect();
        let mut take = |event: &StagedEvent| {
            let times = if matches!(whim, Whim::TakeTwice) { 2 } else { 1 };
            (0..times).for_each(|_| self.take(region, event, &mut random));
        };
        match whim {
            Whim::Take | Whim::TakeTwice => {
                events.iter().for_each(take);
                events.iter().map(|_| Delivery::Taken).collect()
            }
            Whim::HangUp => later("the connection was closed"),
            Whim::TakeAndHangUp => {
                events.iter().for_each(take);
                later("the connection was closed")
            }
            Whim::TakeAndStall | Whim::Stall => {
                if matches!(whim, Whim::TakeAndStall) {
                    events.iter().for_each(take);
                }
                sleep_until(deadline.into()).await;
                // The caller has a limit of its own.
                pending().await
            }
            Whim::Throttle => {
                let mut results = Vec::with_capacity(events.len());
                for (place, event) in events.iter().enumerate() {
                    if place % 2 == 1 {
                        take(event);
                        results.push(Delivery::Taken);
                    } else {
                        results.push(Delivery::Later("ThrottlingException".to_owned()));
                    }
                }
                results
            }
        }
    }

    /// An event has arrived at a bus, and is forwarded to the other, now and then twice.
    fn take(self: &Arc<Self>, region: usize, event: &StagedEvent, random: &mut Rng) {
        let (id, content) = (event.id.to_string(), content(event));
        self.story.note(format_args!("bus {}", REGIONS[region]), format_args!("has {id} {content}"));
        self.arrivals.note(region, id.clone(), content.clone());
        for _ in 0..if random.u32(0..20) == 0 { 2 } else { 1 } {
            let (this, id, content) = (Arc::clone(self), id.clone(), content.clone());
            let time = Duration::from_millis(random.u64(5..FORWARDING));
            *self.under_way.lock().unwrap() += 1;
            tokio::spawn(async move {
                sleep(time).await;
                this.arrivals.note(1 - region, id, content);
                *this.under_way.lock().unwrap() -= 1;
            });
        }
    }

    fn whim(&self, region: usize, random: &mut Rng) -> Whim {
        if random.u32(0..10) >= self.of_ten[region].load(Ordering::Relaxed) {
            return Whim::Take;
        }
        // A stalled call delays a host for seconds.
        match random.u32(0..40) {
            0 => Whim::TakeAndStall,
            1 => Whim::Stall,
            _ => {
                let whims = [Whim::HangUp, Whim::TakeAndHangUp, Whim::Throttle, Whim::TakeTwice];
                whims[random.usize(0..whims.len())]
            }
        }
    }
}

fn content(event: &StagedEvent) -> String {
    let event = &event.event;
    format!("{:?} {:?} {}", event.source, event.detail_type, event.detail)
}
