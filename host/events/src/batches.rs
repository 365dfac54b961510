use std::ops::Range;

use crate::MAX_TOTAL_BYTES;

/// The most entries of one call
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>).
const MAX_ENTRIES: usize = 10;

/// Divides entries of these sizes, in order, into calls that the service accepts.
pub(crate) fn batches(sizes: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut end, mut total) = (0, 0, 0);
    for size in sizes {
        if end - start == MAX_ENTRIES || (end > start && total + size >= MAX_TOTAL_BYTES) {
            batches.push(start..end);
            (start, total) = (end, 0);
        }
        end += 1;
        total += size;
    }
    if end > start {
        batches.push(start..end);
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths<const N: usize>(sizes: [usize; N]) -> Vec<usize> {
        batches(sizes).iter().map(Range::len).collect()
    }

    #[test]
    fn nothing_makes_no_call() {
        assert!(batches([]).is_empty());
    }

    #[test]
    fn ten_entries_a_call() {
        assert_eq!(lengths([1; 10]), [10]);
        assert_eq!(batches([1; 25]), [0..10, 10..20, 20..25]);
    }

    #[test]
    fn the_total_stays_below_the_limit() {
        let half = MAX_TOTAL_BYTES / 2;
        assert_eq!(lengths([half, half - 1]), [2]);
        assert_eq!(lengths([half, half]), [1, 1]);
        assert_eq!(lengths([MAX_TOTAL_BYTES - 1, 1, 1]), [1, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_sizes_are_cut_in_order_without_loss_and_not_needlessly(sizes in sizes()) {
            let total = |range: &Range<usize>| sizes[range.clone()].iter().sum::<usize>();
            let cut = batches(sizes.iter().copied());
            let places = cut.iter().cloned().flatten().collect::<Vec<_>>();
            prop_assert_eq!(places, (0..sizes.len()).collect::<Vec<_>>());
            for batch in &cut {
                prop_assert!((1..=MAX_ENTRIES).contains(&batch.len()) && total(batch) < MAX_TOTAL_BYTES);
            }
            for pair in cut.windows(2) {
                let next = sizes[pair[1].start];
                prop_assert!(pair[0].len() == MAX_ENTRIES || total(&pair[0]) + next >= MAX_TOTAL_BYTES);
            }
        }
    }

    /// Sizes of entries that each fit into a call: all small, all large or mixed.
    fn sizes() -> impl Strategy<Value = Vec<usize>> {
        let most = prop_oneof![Just(50), Just(100_000), Just(300_000), Just(MAX_TOTAL_BYTES - 1)];
        most.prop_flat_map(|most| proptest::collection::vec(17..=most, 0..60))
    }
}
