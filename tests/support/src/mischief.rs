use fastrand::Rng;
use tenet_harm::Harm;

/// Random faults.
pub(crate) struct Mischief {
    random: Rng,
    one_in: u32,
}

impl Mischief {
    pub(crate) fn new(seed: u64, one_in: u32) -> Self {
        Self { random: Rng::with_seed(seed), one_in }
    }

    /// The fault for this statement, if any.
    pub(crate) fn to(&mut self, statement: &str) -> Option<Harm> {
        Harm::draw(&mut self.random, self.one_in, statement)
    }
}
