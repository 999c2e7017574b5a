//! What is remembered of the partitions of a topic.

use cdc_core::RecordHead;

use crate::version::kafka_offset;

/// What is remembered of the partitions of a topic, each as long as its records come one behind the other.
///
/// A consumer may lose a partition and get it back. What lies in between it has not seen, or it reads some of it again: what was
/// remembered, such as the last version, is too old then, or too new.
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

impl<T: Default> Partitions<T> {
    /// What is remembered of the partition of a record: nothing, if the record stands not directly behind the last one. To be
    /// asked for each record.
    pub fn at(&mut self, head: &RecordHead) -> &mut T {
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
                slot.kept = T::default();
            }
            slot.next = offset.saturating_add(1);
        }
        &mut slot.kept
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::{Lsn, Position, Topic};

    use super::*;

    fn head(partition: Option<i32>, commit: u64, seq: u64) -> RecordHead {
        RecordHead {
            topic: Arc::new(Topic { name: "t".into() }),
            partition,
            timestamp_ms: None,
            position: Position {
                commit_lsn: Lsn(commit),
                seq,
            },
            version_lsn: Lsn::ZERO,
        }
    }

    #[test]
    fn what_is_remembered_ends_where_records_do_not_follow_each_other() {
        let mut p = Partitions::<u32>::default();
        let at = |offset| head(Some(0), 0, offset);
        *p.at(&at(5)) = 1;
        assert_eq!(*p.at(&at(5)), 1, "the same record again");
        *p.at(&head(Some(1), 0, 70)) = 7;
        assert_eq!(*p.at(&at(6)), 1);
        assert_eq!(*p.at(&at(8)), 0, "one was left out");
        *p.at(&at(9)) = 2;
        assert_eq!(*p.at(&at(7)), 0, "read again");
        assert_eq!(*p.at(&head(Some(1), 0, 71)), 7);
        *p.at(&head(None, 8, 1)) = 3;
        assert_eq!(*p.at(&head(None, 16, 1)), 3, "the engine's own");
    }
}
