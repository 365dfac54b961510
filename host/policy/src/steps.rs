//! Counts work in tests, to compare it with the length of the text.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Adds to the steps of this thread.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn add(_: usize) {}

/// Adds to the steps of this thread.
#[cfg(test)]
pub(crate) fn add(steps: usize) {
    STEPS.set(STEPS.get() + steps);
}

/// The steps of this thread since the last call.
#[cfg(test)]
pub(crate) fn take() -> usize {
    STEPS.take()
}
