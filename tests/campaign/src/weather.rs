use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep};

use crate::clients::Clients;
use crate::region::Region;

/// The intensity of faults in a region, one level at a time.
#[derive(Clone, Copy, Debug)]
enum Sky {
    Fair,
    /// Some messages are affected.
    Rain,
    /// Many messages are affected.
    Storm,
}

/// The duration of a silence, in milliseconds: longer than the timeouts of rules and statements.
const SILENCE: std::ops::Range<u64> = 1100..2200;

/// Injects faults into a region until the given time: into its database connections, singly and all
/// at once, and into the connection to its bus.
pub(crate) async fn over(region: &Region, seed: u64, clients: &Clients<'_>, until: Instant) {
    let tally = clients.tally;
    let mut random = Rng::with_seed(seed);
    while Instant::now() < until {
        let sky = [Sky::Fair, Sky::Rain, Sky::Rain, Sky::Storm][random.usize(0..4)];
        match sky {
            Sky::Fair => region.dsql.spare(),
            Sky::Rain => region.dsql.harm(random.u64(..), 40),
            Sky::Storm => region.dsql.harm(random.u64(..), 6),
        }
        region.gate.whims([0, 0, 3, 10][random.usize(0..4)]);
        clients.pace.pause(Duration::from_millis(random.u64(300..1500))).await;
        match random.u32(0..12) {
            2 => {
                tally.count("endpoint: down for a while");
                region.dsql.go_down();
                sleep(Duration::from_millis(random.u64(200..2500))).await;
                region.dsql.come_up();
            }
            0 => {
                tally.count("wire: all connections cut");
                region.dsql.cut();
            }
            1 => {
                tally.count("wire: all connections fall silent");
                region.dsql.fall_silent();
            }
            3 | 4 => {
                tally.count("endpoint: silent for a while");
                // PostgreSQL would keep the locks of running transactions; DSQL has none.
                region.dsql.fall_silent();
                region.dsql.silence();
                sleep(Duration::from_millis(random.u64(SILENCE))).await;
                region.dsql.speak();
            }
            5 => {
                tally.count("endpoint: rejects logins for a while");
                region.dsql.silence_log_ins();
                region.dsql.cut();
                sleep(Duration::from_millis(random.u64(SILENCE))).await;
                region.dsql.speak();
            }
            _ => {}
        }
    }
}

/// Kills one sandbox after another until the given time.
pub(crate) async fn reaper(clients: &Clients<'_>, seed: u64, until: Instant) -> anyhow::Result<()> {
    let mut random = Rng::with_seed(seed);
    while Instant::now() < until {
        clients.pace.pause(Duration::from_millis(random.u64(200..1200))).await;
        let sandbox = clients.sandbox(&mut random);
        clients.tally.count("host: killed");
        sandbox.kill(Duration::from_millis(random.u64(0..300))).await?;
    }
    Ok(())
}

/// Ends all faults.
pub(crate) fn clear(regions: &[Region; 2]) {
    for region in regions {
        region.dsql.spare();
        region.dsql.come_up();
        region.dsql.speak();
        region.gate.whims(0);
    }
}
