use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Contenders that are measured in turns.
///
/// The speed of a shared machine varies over time. Each round runs every contender once, each time
/// starting with another one, so that a disturbance affects all of them; a ratio is the median of
/// the ratios within the rounds.
#[derive(Default)]
pub struct Pairs<'a> {
    contenders: Vec<Contender<'a>>,
}

struct Contender<'a> {
    name: String,
    run: Box<dyn FnMut() -> anyhow::Result<Duration> + 'a>,
    times: Vec<f64>,
}

/// The measurements.
pub struct Measured {
    names: Vec<String>,
    /// Microseconds: one list per contender, in the order of the rounds.
    times: Vec<Vec<f64>>,
}

impl<'a> Pairs<'a> {
    /// Adds a contender. `run` does its work one or more times, and returns the time of one.
    pub fn add(&mut self, name: impl Into<String>, run: impl FnMut() -> anyhow::Result<Duration> + 'a) {
        self.contenders.push(Contender { name: name.into(), run: Box::new(run), times: Vec::new() });
    }

    /// Runs this many rounds, after one that does not count.
    ///
    /// # Errors
    /// Fails as soon as a contender does.
    pub fn run(mut self, rounds: usize) -> anyhow::Result<Measured> {
        for round in 0..=rounds {
            let count = self.contenders.len();
            for turn in 0..count {
                let Some(contender) = self.contenders.get_mut((turn + round) % count) else { continue };
                let time = (contender.run)()?;
                if round > 0 {
                    contender.times.push(time.as_secs_f64() * 1e6);
                }
            }
        }
        let (names, times) = self.contenders.into_iter().map(|contender| (contender.name, contender.times)).unzip();
        Ok(Measured { names, times })
    }
}

impl Measured {
    /// The median of a contender's times, in microseconds.
    pub fn median(&self, name: &str) -> f64 {
        median(self.of(name).to_vec())
    }

    /// The median of a function of two contenders' times in one round.
    pub fn paired(&self, name: &str, base: &str, of: impl Fn(f64, f64) -> f64) -> f64 {
        median(self.of(name).iter().zip(self.of(base)).map(|(time, base)| of(*time, *base)).collect())
    }

    /// The ratio of a contender's time to that of `base`.
    pub fn ratio(&self, name: &str, base: &str) -> f64 {
        self.paired(name, base, |time, base| time / base)
    }

    /// Prints one line per contender: its median and its ratio to `base`.
    pub fn print(&self, title: &str, base: &str) {
        println!("\n{title}\n{:>54}{:>10}", "µs", "ratio");
        for name in &self.names {
            println!("  {name:<42}{:>10.1}{:>10.2}", self.median(name), self.ratio(name, base));
        }
    }

    fn of(&self, name: &str) -> &[f64] {
        let place = self.names.iter().position(|known| known == name);
        place.and_then(|place| self.times.get(place)).map_or(&[], Vec::as_slice)
    }
}

/// Runs `work`, which does something `times` times, and returns the processor time of one on this
/// thread: other processes do not count.
///
/// # Errors
/// Fails if `work` does.
pub fn on_cpu(times: u32, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let start = processor_time();
    work()?;
    Ok((processor_time() - start) / times)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// NaN for an empty list.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_ratio_is_taken_within_rounds_and_the_first_one_does_not_count() {
        // The machine is a hundred times slower in the second half.
        let (mut slow, mut fast) = (0, 0);
        let speed = |round: &mut u64| {
            *round += 1;
            Ok(if *round == 1 { 10_000 } else { 1 + 99 * u64::from(*round > 4) })
        };
        let mut pairs = Pairs::default();
        pairs.add("slow", || speed(&mut slow).map(|speed| Duration::from_micros(2 * speed)));
        pairs.add("fast", || speed(&mut fast).map(Duration::from_micros));
        let measured = pairs.run(7).unwrap();
        assert_eq!(measured.median("fast"), 100.0);
        assert_eq!(measured.ratio("slow", "fast"), 2.0);
        assert!(measured.median("other").is_nan());
    }

    #[test]
    fn contenders_take_turns_in_going_first() {
        let order = RefCell::new(String::new());
        let mut pairs = Pairs::default();
        for name in ["a", "b", "c"] {
            let order = &order;
            pairs.add(name, move || {
                order.borrow_mut().push_str(name);
                Ok(Duration::ZERO)
            });
        }
        pairs.run(2).unwrap();
        assert_eq!(*order.borrow(), "abcbcacab");
    }

    #[test]
    fn what_fails_ends_the_benchmark() {
        let mut pairs = Pairs::default();
        pairs.add("broken", || anyhow::bail!("no"));
        assert!(pairs.run(1).is_err());
    }
}
