//! Row changes to records: which records a change makes, and the parts of each in their order.

use super::column::RowImage;
use super::encoder::{Encoder, head};
use super::event::{EventContext, Image, OldRow, RowOp};
use super::format::Operation;
use super::header::{NEW_KEY, OLD_KEY};
use super::plan::RelationPlan;
use super::script::Pen;
use super::tail::{self, Ending};
use crate::append::Append as _;
use crate::row::RowView;
use crate::{Batch, Error};

/// One record of a row.
struct Change<'a> {
    op: Operation,
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
        match &op {
            RowOp::Read(new) => self.fresh(plan, Operation::Read, Image::Read(new), c, out),
            RowOp::Insert(new) => self.fresh(plan, Operation::Create, Image::New(new, None), c, out),
            RowOp::Update { old, new } => self.update(plan, old.as_ref(), new, c, out),
            RowOp::Delete(old) => {
                let old = Image::Old(old);
                self.delete(plan, old, None, c, out)
            }
            RowOp::Truncate => {
                let op = Operation::Truncate;
                let change = Change {
                    op,
                    before: None,
                    after: None,
                    moved: None,
                    sub: 0,
                };
                self.emit(plan, &change, c, out)
            }
        }
    }

    #[inline(always)]
    fn fresh(
        &mut self,
        plan: &RelationPlan,
        op: Operation,
        new: Image<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let change = Change {
            op,
            before: None,
            after: Some(&new),
            moved: None,
            sub: 0,
        };
        self.emit(plan, &change, c, out)
    }

    #[inline(never)]
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

    #[inline(never)]
    fn update(
        &mut self,
        plan: &RelationPlan,
        old: Option<&OldRow<'_>>,
        new: &RowView<'_>,
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
    #[inline(never)]
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
        if !matches!(written, Ok(true)) {
            out.discard();
        }
        written.map(|_| ())
    }

    /// Writes a record; false if there is nothing to say.
    #[inline(always)]
    fn write(
        &mut self,
        plan: &RelationPlan,
        change: &Change<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<bool, Error> {
        if change.moved.is_some() || self.shared.headers.any() {
            self.write_headers(change, c, out);
        }
        let empty = &Image::EMPTY;
        let scripts = &plan.scripts;
        let (script, rows) = match (change.before, change.after) {
            (None, Some(new)) => (&scripts.new, [empty, new]),
            (Some(old), Some(new)) => (&scripts.both, [old, new]),
            (Some(old), None) => (&scripts.old, [old, empty]),
            (None, None) => (&scripts.none, [empty, empty]),
        };
        let format = &self.shared.format;
        let compared = format.skip_messages_without_change && change.op == Operation::Update;
        let at_once = !(compared || format.transaction_metadata);
        let ending = Ending {
            block: &self.source,
            table: &plan.source,
            op: change.op,
            context: c,
            close: plan.close,
        };
        let pen = Pen {
            table: &plan.identifier,
            failures: &self.shared.failures,
            tail: &mut self.tail,
            scratch: &mut self.scratch,
        };
        let [first, second, third] = pen.follow(script, rows, at_once.then_some(&ending), out)?;
        let keyed = plan.key.is_some() && change.op != Operation::Truncate;
        let key_end = keyed.then_some(first.end);
        if !at_once {
            let [old, new] = if keyed { [second, third] } else { [first, second] };
            if compared && change.before.is_some() && out.written(old) == out.written(new) {
                return Ok(false);
            }
            self.surroundings(plan, change.op, c, out);
        }
        out.finish_row(key_end, head(plan.topic(), c));
        Ok(true)
    }

    #[inline(never)]
    fn write_headers(&mut self, change: &Change<'_>, c: &EventContext, out: &mut Batch) {
        if let Some((name, value)) = change.moved {
            out.header(name, Some(value));
        }
        let headers = &self.shared.headers;
        headers.context(out);
        let sub = change.sub.saturating_add(c.sub);
        headers.position(c.position, sub, &mut self.scratch, out);
    }

    /// Writes what follows the rows.
    #[inline(never)]
    fn surroundings(&mut self, plan: &RelationPlan, op: Operation, c: &EventContext, out: &mut Batch) {
        if !self.shared.format.transaction_metadata {
            let ending = Ending {
                block: &self.source,
                table: &plan.source,
                op,
                context: c,
                close: plan.close,
            };
            return self.tail.write(&ending, out);
        }
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
