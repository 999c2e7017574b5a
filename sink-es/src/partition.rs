//! What is remembered of the partitions of a topic.

use cdc_core::HeadRef;

use crate::version::kafka_offset;

/// What is remembered of the records before one.
pub trait Remembered: Default {
    /// Forgets what holds only as long as records come one behind the other.
    ///
    /// A consumer may lose a partition and get it back. What lies in between it has not seen, or it reads some of it again: the
    /// last version, for one, is too old then, or too new.
    fn interrupted(&mut self);
}

/// What is remembered of the partitions of a topic.
#[derive(Debug)]
pub struct Partitions<T> {
    all: Vec<Slot<T>>,
    /// Records of one partition come in runs.
    last: usize,
}

#[derive(Debug)]
struct Slot<T> {
    partition: Option<i32>,
    /// Offset of the record behind the last one.
    next: u64,
    kept: T,
}

impl<T> Default for Partitions<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            last: 0,
        }
    }
}

impl<T: Remembered> Partitions<T> {
    /// What is remembered of the partition of a record, [`interrupted`](Remembered::interrupted) if the record stands not
    /// directly behind the last one. To be asked for each record.
    pub fn at(&mut self, head: HeadRef<'_>) -> &mut T {
        let same = |slot: &Slot<T>| slot.partition == head.partition;
        let known = match self.all.get(self.last) {
            Some(slot) if same(slot) => Some(self.last),
            _ => self.all.iter().position(same),
        };
        let i = known.unwrap_or_else(|| {
            self.all.push(Slot {
                partition: head.partition,
                next: 0,
                kept: T::default(),
            });
            self.all.len().saturating_sub(1)
        });
        self.last = i;
        #[expect(clippy::indexing_slicing, reason = "found, or pushed just now")]
        let slot = &mut self.all[i];
        // The engine's own records have no offsets, and nobody takes its stream over.
        if let Some(offset) = kafka_offset(head) {
            let again = slot.next.checked_sub(1) == Some(offset);
            if offset != slot.next && !again {
                slot.kept.interrupted();
            }
            slot.next = offset.saturating_add(1);
        }
        &mut slot.kept
    }
}

#[cfg(test)]
mod tests {
    use cdc_core::RecordHead;

    use super::*;
    use crate::version::tests::head;

    #[derive(Debug, Default)]
    struct Last(u32);

    impl Remembered for Last {
        fn interrupted(&mut self) {
            self.0 = 0;
        }
    }

    fn last<'p>(p: &'p mut Partitions<Last>, head: &RecordHead) -> &'p mut u32 {
        &mut p.at(head.into()).0
    }

    #[test]
    fn what_is_remembered_ends_where_records_do_not_follow_each_other() {
        let mut p = Partitions::<Last>::default();
        let at = |offset| head(0, 0, offset, Some(0));
        *last(&mut p, &at(5)) = 1;
        assert_eq!(*last(&mut p, &at(5)), 1, "the same record again");
        *last(&mut p, &head(0, 0, 70, Some(1))) = 7;
        assert_eq!(*last(&mut p, &at(6)), 1);
        assert_eq!(*last(&mut p, &at(8)), 0, "one was left out");
        *last(&mut p, &at(9)) = 2;
        assert_eq!(*last(&mut p, &at(7)), 0, "read again");
        assert_eq!(*last(&mut p, &head(0, 0, 71, Some(1))), 7);
        *last(&mut p, &head(0, 8, 1, None)) = 3;
        assert_eq!(*last(&mut p, &head(0, 16, 1, None)), 3, "the engine's own");
    }
}
