//! Row changes to records: which records a change makes, and the parts of each in their order.

use super::column::RowImage;
use super::encoder::{Encoder, head};
use super::event::{EventContext, Image, OldRow, RowOp};
use super::format::Operation;
use super::header::{NEW_KEY, OLD_KEY};
use super::plan::RelationPlan;
use super::tail::{self, Ending};
use crate::append::Append as _;
use crate::row::RowView;
use crate::{Batch, Error};

/// One record of a row.
struct Change<'a> {
    op: Operation,
    key: Option<&'a Image<'a>>,
    before: Option<&'a Image<'a>>,
    after: Option<&'a Image<'a>>,
    /// Name and value of the header that a changed key has.
    moved: Option<(&'static [u8], &'a [u8])>,
    /// Number of the record among those of its row.
    sub: u64,
}

impl Encoder {
    #[inline(always)]
    pub(super) fn row_directly(
        &mut self,
        plan: &RelationPlan,
        op: RowOp<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        match op {
            RowOp::Read(new) => self.fresh(plan, Operation::Read, new, c, out),
            RowOp::Insert(new) => self.fresh(plan, Operation::Create, new, c, out),
            RowOp::Update { old, new } => self.update(plan, old, new, c, out),
            RowOp::Delete(old) => {
                let old = Image::Old(old);
                self.delete(plan, old, None, c, out)
            }
            RowOp::Truncate => {
                let op = Operation::Truncate;
                let change = Change {
                    op,
                    key: None,
                    before: None,
                    after: None,
                    moved: None,
                    sub: 0,
                };
                self.emit(plan, &change, c, out)
            }
        }
    }

    fn fresh(
        &mut self,
        plan: &RelationPlan,
        op: Operation,
        new: RowView<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let image = if op == Operation::Read {
            Image::Read(new)
        } else {
            Image::New(new, None)
        };
        let change = Change {
            op,
            key: Some(&image),
            before: None,
            after: Some(&image),
            moved: None,
            sub: 0,
        };
        self.emit(plan, &change, c, out)
    }

    fn delete(
        &mut self,
        plan: &RelationPlan,
        old: Image<'_>,
        moved: Option<(&'static [u8], &[u8])>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let op = Operation::Delete;
        let change = Change {
            op,
            key: Some(&old),
            before: Some(&old),
            after: None,
            moved,
            sub: 0,
        };
        let before = out.len();
        self.emit(plan, &change, c, out)?;
        if out.len() > before && self.shared.format.tombstones_on_delete {
            out.tombstone_of_last();
        }
        Ok(())
    }

    fn update(
        &mut self,
        plan: &RelationPlan,
        old: Option<OldRow<'_>>,
        new: RowView<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        // The server itself leaves updates out when the publication does; a changed key must not make a difference.
        if self.shared.skips(Operation::Update) {
            return Ok(());
        }
        let (before, after) = (old.map(Image::Old), Image::New(new, old));
        if let Some(before) = before
            && self.key_changed(plan, before, after)?
        {
            return self.move_key(plan, before, after, c, out);
        }
        let op = Operation::Update;
        let change = Change {
            op,
            key: Some(&after),
            before: before.as_ref(),
            after: Some(&after),
            moved: None,
            sub: 0,
        };
        self.emit(plan, &change, c, out)
    }

    /// Whether the key is written differently for the two rows; leaves both as header values in the buffers.
    fn key_changed(
        &mut self,
        plan: &RelationPlan,
        before: Image<'_>,
        after: Image<'_>,
    ) -> Result<bool, Error> {
        let Some(key) = &plan.key else { return Ok(false) };
        if key.same_bytes(before, after) {
            return Ok(false);
        }
        let failures = &self.shared.failures;
        self.old_key.clear();
        let (before, after) = (&before, &after);
        let row = |image| RowImage::new(image, &plan.identifier, failures);
        key.write_header(row(before), &mut self.old_key)?;
        self.new_key.clear();
        key.write_header(row(after), &mut self.new_key)?;
        Ok(self.old_key != self.new_key)
    }

    /// A changed key: a delete and tombstone of the old one, a create of the new one.
    fn move_key(
        &mut self,
        plan: &RelationPlan,
        before: Image<'_>,
        after: Image<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let (old_key, new_key) = (
            std::mem::take(&mut self.old_key),
            std::mem::take(&mut self.new_key),
        );
        let done = self
            .delete(plan, before, Some((NEW_KEY, &new_key)), c, out)
            .and_then(|()| {
                let op = Operation::Create;
                let moved = Some((OLD_KEY, old_key.as_slice()));
                let change = Change {
                    op,
                    key: Some(&after),
                    before: None,
                    after: Some(&after),
                    moved,
                    sub: 1,
                };
                self.emit(plan, &change, c, out)
            });
        (self.old_key, self.new_key) = (old_key, new_key);
        done
    }

    #[inline(always)]
    fn emit(
        &mut self,
        plan: &RelationPlan,
        change: &Change<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        if self.shared.skips(change.op) {
            return Ok(());
        }
        let written = self.write(plan, change, c, out);
        match written {
            Ok(true) => out.finish(head(plan.topic(), c)),
            Ok(false) | Err(_) => out.discard(),
        }
        written.map(|_| ())
    }

    /// Writes key, headers and value; false if there is nothing to say.
    #[inline(always)]
    fn write(
        &mut self,
        plan: &RelationPlan,
        change: &Change<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<bool, Error> {
        let failures = &self.shared.failures;
        if let (Some(key), Some(image)) = (&plan.key, change.key) {
            let row = RowImage::new(image, &plan.identifier, failures);
            key.write(row, &mut self.scratch, out)?;
            out.mark_key();
        }
        if let Some((name, value)) = change.moved {
            out.header(name, Some(value));
        }
        let headers = &self.shared.headers;
        headers.context(out);
        headers.position(
            c.position,
            change.sub.saturating_add(c.sub),
            &mut self.scratch,
            out,
        );
        let changed = self.rows(plan, change, out)?;
        if changed {
            self.surroundings(plan, change.op, c, out);
        }
        out.mark_value();
        Ok(changed)
    }

    /// Writes the envelope up to `after`; false if the update changed nothing and such are left out.
    #[inline(always)]
    fn rows(&mut self, plan: &RelationPlan, change: &Change<'_>, out: &mut Batch) -> Result<bool, Error> {
        let (failures, scratch) = (&self.shared.failures, &mut self.scratch);
        if change.before.is_none() {
            plan.open_fresh.append(out);
            return plan.row(change.after, failures, scratch, out).map(|()| true);
        }
        plan.open.append(out);
        let before = out.bytes_len();
        plan.row(change.before, failures, scratch, out)?;
        let before = before..out.bytes_len();
        out.bytes(b",\"after\":");
        let after = out.bytes_len();
        plan.row(change.after, failures, scratch, out)?;
        let after = after..out.bytes_len();
        let comparable = self.shared.format.skip_messages_without_change && change.op == Operation::Update;
        Ok(!(comparable && out.written(before) == out.written(after)))
    }

    /// Writes the rest of the envelope.
    #[inline(always)]
    fn surroundings(&mut self, plan: &RelationPlan, op: Operation, c: &EventContext, out: &mut Batch) {
        if self.shared.format.transaction_metadata {
            return self.surroundings_with_transaction(plan, op, c, out);
        }
        let ending = Ending {
            block: &self.source,
            table: &plan.source,
            op,
            context: c,
            close: plan.close,
        };
        self.tail.write(&ending, out);
    }

    fn surroundings_with_transaction(
        &mut self,
        plan: &RelationPlan,
        op: Operation,
        c: &EventContext,
        out: &mut Batch,
    ) {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        self.source.write(&plan.source, c, &mut text);
        text.extend_from_slice(b",\"transaction\":");
        self.transaction_block(&plan.identifier, c, &mut text);
        tail::write_end(op, c.now_ns, plan.close, &mut text);
        out.bytes(&text);
        self.scratch = text;
    }
}
