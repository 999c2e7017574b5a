//! Which offsets may be committed: those of the contiguous durable prefix, of partitions that are still ours.

use std::collections::{HashMap, VecDeque};

/// Topic and partition.
pub(super) type Place = (String, i32);

/// How far one batch reaches in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) place: Place,
    /// Offset after the last record of the batch.
    pub(super) next: i64,
}

/// Batches handed on and not yet durable, and the partitions owned.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Each time a partition is assigned it gets a new tenure, so that batches of an earlier one do not count. With it, how
    /// far the partition has been handed on or passed.
    owned: HashMap<Place, (u64, i64)>,
    tenures: u64,
    outstanding: VecDeque<(u64, Vec<(End, u64)>)>,
}

impl Progress {
    pub(super) fn assign(&mut self, place: Place) {
        self.tenures += 1;
        self.owned.insert(place, (self.tenures, 0));
    }

    pub(super) fn revoke(&mut self, place: &Place) {
        self.owned.remove(place);
    }

    pub(super) fn owned(&self) -> usize {
        self.owned.len()
    }

    /// Takes note of a batch that is handed on.
    pub(super) fn handed_on(&mut self, number: u64, ends: Vec<End>) {
        let mut tenure = |end: &End| match self.owned.get_mut(&end.place) {
            Some((tenure, reached)) => {
                *reached = end.next;
                *tenure
            }
            None => 0,
        };
        let ends = ends.into_iter().map(|end| (tenure(&end), end));
        let ends = ends.map(|(t, e)| (e, t)).collect();
        self.outstanding.push_back((number, ends));
    }

    /// Takes note of places that lie behind the last batch, `number`, with no record in between: they count once it does.
    pub(super) fn passed(&mut self, number: u64, mut ends: Vec<End>) {
        let reached = |end: &End| self.owned.get(&end.place).map(|(_, reached)| *reached);
        ends.retain(|end| reached(end).is_some_and(|reached| end.next > reached));
        if !ends.is_empty() {
            self.handed_on(number, ends);
        }
    }

    /// Whether a batch later than `durable` holds records of one of the places.
    pub(super) fn is_under_way(&self, durable: u64, places: &[Place]) -> bool {
        self.outstanding
            .iter()
            .filter(|(number, _)| *number > durable)
            .any(|(_, ends)| ends.iter().any(|(end, _)| places.contains(&end.place)))
    }

    /// Forgets the batches up to `durable` and returns the offsets to commit for them.
    pub(super) fn take_durable(&mut self, durable: u64) -> Vec<End> {
        let mut latest: HashMap<Place, i64> = HashMap::new();
        while let Some((_, ends)) = self.outstanding.pop_front_if(|(number, _)| *number <= durable) {
            for (end, tenure) in ends {
                if self.owned.get(&end.place).is_some_and(|(t, _)| *t == tenure) {
                    latest.insert(end.place, end.next);
                }
            }
        }
        latest
            .into_iter()
            .map(|(place, next)| End { place, next })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32) -> Place {
        ("t".into(), partition)
    }

    fn end(partition: i32, next: i64) -> End {
        End {
            place: place(partition),
            next,
        }
    }

    #[test]
    fn the_durable_prefix_is_committed_at_its_latest_offsets() {
        let mut p = Progress::default();
        p.assign(place(0));
        p.assign(place(1));
        p.handed_on(1, vec![end(0, 10), end(1, 5)]);
        p.handed_on(2, vec![end(0, 20)]);
        p.handed_on(3, vec![end(1, 9)]);
        assert!(p.take_durable(0).is_empty());
        assert!(p.is_under_way(2, &[place(1)]) && !p.is_under_way(2, &[place(0)]));
        let mut got = p.take_durable(2);
        got.sort_by_key(|e| e.place.1);
        assert_eq!(got, [end(0, 20), end(1, 5)]);
        assert_eq!(p.take_durable(3), [end(1, 9)]);
        assert!(p.take_durable(3).is_empty());
    }

    #[test]
    fn what_was_given_away_is_not_committed_even_if_it_came_back() {
        let mut p = Progress::default();
        p.assign(place(0));
        p.handed_on(1, vec![end(0, 10)]);
        p.revoke(&place(0));
        assert!(p.take_durable(1).is_empty());
        p.handed_on(2, vec![end(0, 11)]);
        p.assign(place(0));
        p.handed_on(3, vec![end(0, 7)]);
        assert!(p.take_durable(2).is_empty(), "batch 2 belongs to no tenure");
        assert_eq!(p.take_durable(3), [end(0, 7)]);
    }

    #[test]
    fn what_was_passed_without_a_record_counts_with_the_batch_before_it() {
        let mut p = Progress::default();
        p.assign(place(0));
        p.assign(place(1));
        p.handed_on(1, vec![end(0, 10)]);
        p.passed(1, vec![end(0, 11), end(1, 0), end(2, 5)]);
        p.passed(1, vec![end(0, 11)]);
        assert!(p.take_durable(0).is_empty());
        assert_eq!(p.take_durable(1), [end(0, 11)]);
        // Only ends of transactions, and no record yet.
        p.passed(1, vec![end(1, 3)]);
        assert_eq!(p.take_durable(1), [end(1, 3)]);
        p.revoke(&place(1));
        p.passed(1, vec![end(1, 4)]);
        assert!(p.take_durable(1).is_empty());
    }
}
