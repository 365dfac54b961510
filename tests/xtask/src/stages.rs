use std::time::{Duration, Instant};

use anyhow::Context;

/// The parts of a long task, each with its time; the first that fails is the last.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    pub(crate) fn run<T>(&mut self, name: &'static str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = work().with_context(|| format!("stage {name}"));
        let time = start.elapsed();
        self.done.push((name, time));
        println!("=== {name}: {:.1} s", time.as_secs_f64());
        result
    }

    pub(crate) fn print_summary(&self) {
        println!();
        for (name, time) in &self.done {
            println!("{name:<12}{:>8.1} s", time.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, time)| *time).sum();
        println!("{:<12}{:>8.1} s\n", "all", total.as_secs_f64());
    }
}
