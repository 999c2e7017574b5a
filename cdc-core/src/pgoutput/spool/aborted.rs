//! The rolled-back sub-transactions of one transaction.

/// A set of transaction numbers, as ascending ranges that do not touch: savepoints rolled back in a loop are one.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    ranges: Vec<(u32, u32)>,
}

impl Aborted {
    /// Adds a number.
    pub(super) fn insert(&mut self, xid: u32) {
        // The first range that ends at or after the number's predecessor is the only one that can take it in.
        let i = self
            .ranges
            .partition_point(|&(_, last)| last < xid.saturating_sub(1));
        match self.ranges.get_mut(i) {
            Some((first, last)) if *first <= xid.saturating_add(1) => {
                *first = (*first).min(xid);
                *last = (*last).max(xid);
                self.join(i);
            }
            _ => self.ranges.insert(i, (xid, xid)),
        }
    }

    /// Whether the number is in the set.
    pub(super) fn contains(&self, xid: u32) -> bool {
        let i = self.ranges.partition_point(|&(_, last)| last < xid);
        self.ranges.get(i).is_some_and(|&(first, _)| first <= xid)
    }

    /// Number of ranges.
    pub(super) fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Joins range `i` with the next one if they touch now.
    fn join(&mut self, i: usize) {
        let next = i.saturating_add(1);
        let (Some(&(_, last)), Some(&(from, to))) = (self.ranges.get(i), self.ranges.get(next)) else {
            return;
        };
        if from <= last.saturating_add(1) {
            self.ranges.remove(next);
            if let Some(r) = self.ranges.get_mut(i) {
                r.1 = to;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set_of_few_ranges(xids in proptest::collection::vec(prop_oneof![0..40_u32, u32::MAX - 9..=u32::MAX], 0..60)) {
            let (mut got, mut want) = (Aborted::default(), BTreeSet::new());
            for x in xids {
                got.insert(x);
                want.insert(x);
            }
            for x in (0..50).chain(u32::MAX - 12..=u32::MAX) {
                prop_assert_eq!(got.contains(x), want.contains(&x));
            }
            let starts = want.iter().filter(|&&x| x == 0 || !want.contains(&(x - 1))).count();
            prop_assert_eq!(got.ranges(), starts);
        }
    }
}
