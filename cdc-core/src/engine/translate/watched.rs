//! Rows that an incremental snapshot has to do with: signals, marks, changes of the table under way, and the chunk itself.

use crate::engine::incremental::{Reaction, Watch};
use crate::envelope::{Encoder, EventContext, OldRow, RowOp, SnapshotMarker};
use crate::pgoutput::{Message, OldTuple, Tuple};
use crate::row::{ColumnRef, Datum, RowView};
use crate::schema::Oid;
use crate::{Batch, Error, Lsn, Position};

use super::{Rows, Step};

/// What a look at a message says of it.
pub(super) enum Look {
    /// It is to be handled as any other.
    Pass,
    /// It is the closing mark of a chunk, kept until the chunk's rows have been written.
    Hold,
    /// It is to be handled as any other, and then there is this to do.
    Then(Step),
}

/// A closing mark that waits for the rows of its chunk.
#[derive(Debug)]
pub(super) struct Held {
    lsn: Lsn,
    relation: Oid,
    op: HeldOp,
    data: Vec<u8>,
    columns: Vec<ColumnRef>,
}

#[derive(Clone, Copy, Debug)]
enum HeldOp {
    Insert,
    DeleteByKey,
    DeleteOfWhole,
}

/// Records of a row of the stream have the numbers 0 and 1 among those at its position.
const FIRST_SUB: u64 = 2;

impl Rows {
    /// Lets `f` have the watch, and keeps in the checkpoint what became of the snapshot.
    pub(super) fn watched(
        &mut self,
        f: impl FnOnce(&mut Watch, &Encoder) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(watch) = &mut self.watch else {
            return Ok(());
        };
        f(watch, &self.encoder)?;
        self.checkpoint.incremental = watch.progress().cloned();
        Ok(())
    }

    /// Looks at a message before it is handled. Rows that were delivered before the restart have done what they do.
    pub(super) fn look(&mut self, lsn: Lsn, message: &Message<'_>) -> Result<Look, Error> {
        let next = Position {
            seq: self.context.position.seq.saturating_add(1),
            ..self.context.position
        };
        if !self.open || next <= self.delivered {
            return Ok(Look::Pass);
        }
        match message {
            Message::Insert { relation, new } => self.look_at_insert(lsn, next, *relation, new),
            Message::Update { relation, old, new } => self.look_at_update(*relation, old.as_ref(), new),
            Message::Delete { relation, old } => self.look_at_delete(lsn, *relation, old),
            Message::Truncate { relations, .. } => {
                if let Some(watch) = &mut self.watch
                    && relations.clone().any(|r| watch.follows(r))
                {
                    watch.truncated();
                }
                Ok(Look::Pass)
            }
            _ => Ok(Look::Pass),
        }
    }

    fn look_at_insert(
        &mut self,
        lsn: Lsn,
        at: Position,
        relation: Oid,
        new: &Tuple<'_>,
    ) -> Result<Look, Error> {
        let Some(watch) = &mut self.watch else {
            return Ok(Look::Pass);
        };
        if watch.is_signals(relation) {
            let row = new.read(&mut self.new)?;
            let reaction = watch.inserted(row, at, &self.encoder)?;
            self.checkpoint.incremental = watch.progress().cloned();
            return Ok(match reaction {
                Reaction::None => Look::Pass,
                Reaction::Execute(execute) => Look::Then(Step::Execute(execute)),
                Reaction::Write => self.hold(lsn, relation, HeldOp::Insert, new),
            });
        }
        if !watch.follows(relation) {
            return Ok(Look::Pass);
        }
        let row = new.read(&mut self.new)?;
        watch.changed(|i| Some(row.get(i)));
        Ok(then(watch))
    }

    fn look_at_update(
        &mut self,
        relation: Oid,
        old: Option<&OldTuple<'_>>,
        new: &Tuple<'_>,
    ) -> Result<Look, Error> {
        let Some(watch) = &mut self.watch else {
            return Ok(Look::Pass);
        };
        if !watch.follows(relation) {
            return Ok(Look::Pass);
        }
        let before = old.map(|tuple| tuple.tuple().read(&mut self.old)).transpose()?;
        let after = new.read(&mut self.new)?;
        // A key column that was not sent because it lies out of line and did not change is in the old row.
        watch.changed(|i| match (after.get(i), before) {
            (Datum::Unchanged, Some(before)) => Some(before.get(i)),
            (value, _) => Some(value),
        });
        if let (Some(old), Some(before)) = (old, before) {
            watch.changed_from(old, before);
        }
        Ok(then(watch))
    }

    fn look_at_delete(&mut self, lsn: Lsn, relation: Oid, old: &OldTuple<'_>) -> Result<Look, Error> {
        let Some(watch) = &mut self.watch else {
            return Ok(Look::Pass);
        };
        let tuple = old.tuple();
        if watch.is_signals(relation) {
            let row = tuple.read(&mut self.old)?;
            let reaction = watch.deleted(row, &self.encoder)?;
            self.checkpoint.incremental = watch.progress().cloned();
            let op = match old {
                OldTuple::Key(_) => HeldOp::DeleteByKey,
                OldTuple::Full(_) => HeldOp::DeleteOfWhole,
            };
            return Ok(match reaction {
                Reaction::Write => self.hold(lsn, relation, op, &tuple),
                Reaction::None | Reaction::Execute(_) => Look::Pass,
            });
        }
        if !watch.follows(relation) {
            return Ok(Look::Pass);
        }
        let before = tuple.read(&mut self.old)?;
        watch.changed_from(old, before);
        Ok(then(watch))
    }

    /// Keeps the closing mark; its columns have just been read.
    fn hold(&mut self, lsn: Lsn, relation: Oid, op: HeldOp, tuple: &Tuple<'_>) -> Look {
        let columns = match op {
            HeldOp::Insert => &self.new,
            HeldOp::DeleteByKey | HeldOp::DeleteOfWhole => &self.old,
        };
        self.held = Some(Held {
            lsn,
            relation,
            op,
            data: tuple.as_bytes().to_vec(),
            columns: columns.clone(),
        });
        Look::Hold
    }

    /// Writes rows of the chunk until `out` holds `limit` bytes; behind the last one the mark that was held. What a batch
    /// carries as its checkpoint meanwhile says nothing of the chunk, so one that was sent in part is read again.
    pub(super) fn write_chunk(&mut self, out: &mut Batch, limit: usize) -> Result<(), Error> {
        let (Some(watch), Some(held)) = (&mut self.watch, &self.held) else {
            return Ok(());
        };
        let mut context = EventContext {
            lsn: held.lsn,
            xid: None,
            commit_us: self.context.now_ns.div_euclid(1000),
            snapshot: SnapshotMarker::Incremental,
            origin: None,
            ..self.context.clone()
        };
        while out.bytes_len() < limit {
            let Some((chunk, row, number)) = watch.next_row() else {
                return self.release(out);
            };
            context.sub = FIRST_SUB.saturating_add(number);
            out.rows += 1;
            self.encoder
                .row(&chunk.plan, RowOp::Read(chunk.row(row)), &context, out)?;
        }
        Ok(())
    }

    /// Writes the mark that was held, and asks for the next chunk.
    fn release(&mut self, out: &mut Batch) -> Result<(), Error> {
        self.watched(|watch, encoder| watch.written(encoder))?;
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        let row = RowView::new(&held.data, &held.columns);
        let op = match held.op {
            HeldOp::Insert => RowOp::Insert(row),
            HeldOp::DeleteByKey => RowOp::Delete(OldRow::Key(row)),
            HeldOp::DeleteOfWhole => RowOp::Delete(OldRow::Full(row)),
        };
        let Some((plan, pen)) = self.row(held.lsn, held.relation, out)? else {
            return Ok(());
        };
        pen.encoder.row(plan, op, pen.context, pen.out)
    }
}

/// Whether the stream has to wait after a change that was noted.
fn then(watch: &mut Watch) -> Look {
    if watch.is_full() {
        Look::Then(Step::AwaitChunk)
    } else {
        Look::Pass
    }
}

#[cfg(test)]
mod tests;
