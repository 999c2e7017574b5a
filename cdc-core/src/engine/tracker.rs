//! Which batches are under way, and what may be stored and acknowledged once they are durable.

use std::collections::VecDeque;

use crate::Checkpoint;

/// Batches handed to the sink and not yet durable, oldest first. Pure state.
#[derive(Debug, Default)]
pub(crate) struct AckTracker {
    pending: VecDeque<Pending>,
    next: u64,
    bytes: u64,
    settled: Option<Checkpoint>,
    /// What was taken last: an idle stream settles the same again and again.
    taken: Option<Checkpoint>,
}

#[derive(Debug)]
struct Pending {
    number: u64,
    bytes: u64,
    checkpoint: Checkpoint,
}

impl AckTracker {
    /// Notes the next batch; returns its number, counted from 1 as [`Sink`](crate::seam::Sink) wants it.
    pub(crate) fn sent(&mut self, bytes: u64, checkpoint: Checkpoint) -> u64 {
        self.next += 1;
        self.bytes += bytes;
        self.pending.push_back(Pending {
            number: self.next,
            bytes,
            checkpoint,
        });
        self.next
    }

    /// Takes note that all batches up to `number` are durable.
    pub(crate) fn durable(&mut self, number: u64) {
        while let Some(front) = self.pending.front()
            && front.number <= number
        {
            if let Some(done) = self.pending.pop_front() {
                self.bytes -= done.bytes;
                self.settled = Some(done.checkpoint);
            }
        }
    }

    /// A position reached without any record (rows filtered out, an idle barrier). Holds at once if nothing is under
    /// way, otherwise together with the last batch.
    pub(crate) fn advance(&mut self, checkpoint: Checkpoint) {
        match self.pending.back_mut() {
            Some(last) => last.checkpoint = checkpoint,
            None => self.settled = Some(checkpoint),
        }
    }

    /// The newest checkpoint all of whose records are durable, once.
    pub(crate) fn take_settled(&mut self) -> Option<Checkpoint> {
        let settled = self.settled.take()?;
        if self.taken.as_ref() == Some(&settled) {
            return None;
        }
        self.taken = Some(settled.clone());
        Some(settled)
    }

    /// Whether nothing is under way.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Bytes under way.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lsn;

    fn at(lsn: u64) -> Checkpoint {
        Checkpoint {
            resume_lsn: Lsn(lsn),
            ..Checkpoint::default()
        }
    }

    #[test]
    fn only_the_contiguous_durable_prefix_settles() {
        let mut t = AckTracker::default();
        assert_eq!(
            (t.sent(10, at(1)), t.sent(20, at(2)), t.sent(30, at(3))),
            (1, 2, 3)
        );
        assert_eq!(t.take_settled(), None);
        t.durable(2);
        assert_eq!(t.bytes(), 30);
        assert_eq!(t.take_settled(), Some(at(2)));
        assert_eq!(t.take_settled(), None);
        t.durable(2);
        assert_eq!(t.take_settled(), None);
    }

    #[test]
    fn a_barrier_waits_for_what_is_under_way() {
        let mut t = AckTracker::default();
        t.sent(1, at(1));
        t.advance(at(9));
        assert_eq!(t.take_settled(), None, "acknowledging here would lose batch 1");
        t.durable(1);
        assert_eq!(t.take_settled(), Some(at(9)));
        t.advance(at(9));
        assert_eq!(
            t.take_settled(),
            None,
            "an idle stream would store it ten times a second"
        );
        t.advance(at(12));
        assert_eq!(t.take_settled(), Some(at(12)));
    }
}
