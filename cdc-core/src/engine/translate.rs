//! From pgoutput messages to encoded records: transactions, positions, what a replay has already delivered.
//!
//! Pure: no socket, no clock. When the stream defines a relation, the caller looks the catalog up and hands the plan back.

use std::sync::Arc;

use foldhash::HashMap;

use super::incremental::{ChunkReply, Execute, Watch};
use crate::envelope::{Encoder, EventContext, OldRow, RelationPlan, RowOp, SnapshotMarker};
use crate::pgoutput::{Assembler, Message, Oids, OldTuple, Pushed, Relation, StreamedCommit, Tuple};
use crate::row::ColumnRef;
use crate::schema::{Oid, Table};
use crate::{Batch, Checkpoint, Error, ErrorKind, Lsn, Position};

/// What the caller does after a message.
#[derive(Debug)]
pub(crate) enum Step {
    /// Go on.
    Continue,
    /// Look this relation up and call [`Translator::define`] before anything else.
    Define(Relation),
    /// Look up the captured tables and call [`Translator::execute`] before anything else.
    Execute(Execute),
    /// Wait for [`Translator::reply`] and [`Translator::take`] it before anything else.
    AwaitChunk,
}

/// Turns messages into records, in commit order.
#[derive(Debug)]
pub(crate) struct Translator {
    assembler: Assembler,
    replaying: Option<StreamedCommit>,
    rows: Rows,
}

impl Translator {
    /// Starts after `from`: rows at or below its position are decoded and not delivered again.
    pub(crate) fn new(assembler: Assembler, encoder: Encoder, from: Checkpoint) -> Self {
        Self {
            assembler,
            replaying: None,
            rows: Rows::new(encoder, from),
        }
    }

    /// Follows signals from now on.
    ///
    /// # Errors
    /// If the reader has ended.
    pub(crate) fn watching(mut self, mut watch: Watch) -> Result<Self, Error> {
        watch.proceed(&self.rows.encoder)?;
        self.rows.watch = Some(Box::new(watch));
        Ok(self)
    }

    /// One pgoutput message with its WAL position.
    pub(crate) fn push(&mut self, lsn: Lsn, payload: &[u8], out: &mut Batch) -> Result<Step, Error> {
        match self.assembler.push(lsn, payload)? {
            Pushed::Message(message) => self.rows.message(lsn, message, out),
            Pushed::Spooled => Ok(Step::Continue),
            Pushed::Replay(commit) => {
                self.rows
                    .begin(lsn, commit.commit_lsn, commit.commit_us, commit.xid, out)?;
                self.replaying = Some(commit);
                Ok(Step::Continue)
            }
        }
    }

    /// Whether a streamed transaction or a chunk of an incremental snapshot is being delivered:
    /// [`replay`](Self::replay) comes before the next message.
    pub(crate) fn is_replaying(&self) -> bool {
        self.replaying.is_some() || self.rows.held.is_some()
    }

    /// Delivers more of a streamed transaction, or of a chunk: until `out` holds `limit` bytes, or some thousand messages, for rows that
    /// were delivered before or are not captured fill no batch.
    pub(crate) fn replay(&mut self, out: &mut Batch, limit: usize) -> Result<Step, Error> {
        /// A few milliseconds' work.
        const MESSAGES: usize = 4096;
        for _ in 0..MESSAGES {
            if out.bytes_len() >= limit {
                break;
            }
            if self.rows.held.is_some() {
                self.rows.write_chunk(out, limit)?;
                continue;
            }
            if self.replaying.is_none() {
                break;
            }
            let Some((lsn, message)) = self.assembler.next_replayed()? else {
                if let Some(commit) = self.replaying.take() {
                    self.rows
                        .commit(commit.commit_lsn, commit.end_lsn, commit.commit_us, out)?;
                }
                return Ok(Step::Continue);
            };
            let step = self.rows.message(lsn, message, out)?;
            if !matches!(step, Step::Continue) {
                return Ok(step);
            }
        }
        Ok(Step::Continue)
    }

    /// The plan of a relation; none if it is not captured.
    pub(crate) fn define(&mut self, oid: Oid, plan: Option<Arc<RelationPlan>>) {
        self.rows.plans.insert(oid, plan);
    }

    /// Takes note of how the stream describes a table, captured or not.
    pub(crate) fn describe(&mut self, table: &Table) -> Result<(), Error> {
        let Rows { watch, encoder, .. } = &mut self.rows;
        match watch {
            Some(watch) => watch.describe(table, encoder),
            None => Ok(()),
        }
    }

    /// Begins to read tables as a signal asks; `captured`: those that are captured now.
    pub(crate) fn execute(&mut self, execute: &Execute, captured: &[Table]) -> Result<(), Error> {
        self.rows
            .watched(|watch, encoder| watch.execute(execute, captured, encoder))
    }

    /// The next reply of the reader of chunks; never, if signals are not followed. Cancel safe.
    pub(crate) async fn reply(&mut self) -> Result<ChunkReply, Error> {
        match &mut self.rows.watch {
            Some(watch) => watch.reply().await,
            None => std::future::pending().await,
        }
    }

    /// Takes a reply.
    pub(crate) fn take(&mut self, reply: ChunkReply) -> Result<(), Error> {
        self.rows.watched(|watch, encoder| watch.take(reply, encoder))
    }

    /// Encoder, to compile plans with.
    pub(crate) fn encoder(&self) -> &Encoder {
        &self.rows.encoder
    }

    /// Writes a heartbeat record at the current position.
    pub(crate) fn heartbeat(&mut self, out: &mut Batch) -> Result<(), Error> {
        let Rows { encoder, context, .. } = &mut self.rows;
        encoder.heartbeat(context, out)
    }

    /// Wall clock for the records to come, nanoseconds since 1970-01-01 UTC. Read once a wake-up, never once a row.
    pub(crate) fn set_now(&mut self, now_ns: i64) {
        self.rows.context.now_ns = now_ns;
    }

    /// What holds once all records written so far are durable.
    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.rows.checkpoint
    }

    /// Commit time of the transaction being delivered, else of the last one: microseconds since 1970-01-01 UTC.
    pub(crate) fn commit_us(&self) -> i64 {
        self.rows.context.commit_us
    }

    /// Whether no transaction is open, so that an idle barrier may be acknowledged.
    pub(crate) fn is_between_transactions(&self) -> bool {
        !self.rows.open && self.replaying.is_none()
    }

    /// Takes note that the server has nothing for us below `barrier`.
    pub(crate) fn advance(&mut self, barrier: Lsn) {
        let point = &mut self.rows.checkpoint;
        point.resume_lsn = point.resume_lsn.max(barrier);
    }
}

#[derive(Debug)]
struct Rows {
    encoder: Encoder,
    plans: HashMap<Oid, Option<Arc<RelationPlan>>>,
    context: EventContext,
    checkpoint: Checkpoint,
    /// Rows up to here were delivered before the restart.
    delivered: Position,
    last_commit: Lsn,
    open: bool,
    new: Vec<ColumnRef>,
    old: Vec<ColumnRef>,
    /// Takes what is encoded only to keep the counters of transaction metadata right.
    scratch: Batch,
    /// Follows the signal table, if there is one.
    watch: Option<Box<Watch>>,
    /// The closing mark of a chunk whose rows are being written.
    held: Option<Held>,
}

impl Rows {
    fn new(encoder: Encoder, from: Checkpoint) -> Self {
        let last_commit_lsn = (!from.last_commit_lsn.is_zero()).then_some(from.last_commit_lsn);
        let context = EventContext {
            lsn: from.event_lsn,
            last_commit_lsn,
            version_lsn: from.last_commit_lsn.max(from.resume_lsn),
            position: from.position,
            sub: 0,
            xid: None,
            commit_us: from.commit_us,
            now_ns: 0,
            snapshot: SnapshotMarker::None,
            origin: None,
        };
        Self {
            encoder,
            plans: HashMap::default(),
            context,
            delivered: from.position,
            last_commit: Lsn::ZERO,
            checkpoint: from,
            open: false,
            new: Vec::new(),
            old: Vec::new(),
            scratch: Batch::default(),
            watch: None,
            held: None,
        }
    }

    fn message(&mut self, lsn: Lsn, message: Message<'_>, out: &mut Batch) -> Result<Step, Error> {
        if self.watch.is_some() {
            match self.look(lsn, &message)? {
                Look::Pass => {}
                Look::Hold => return Ok(Step::Continue),
                Look::Then(step) => {
                    let written = self.handle(lsn, message, out)?;
                    debug_assert!(matches!(written, Step::Continue), "a row wants nothing else");
                    return Ok(step);
                }
            }
        }
        self.handle(lsn, message, out)
    }

    #[inline(always)]
    fn handle(&mut self, lsn: Lsn, message: Message<'_>, out: &mut Batch) -> Result<Step, Error> {
        match message {
            Message::Begin {
                final_lsn,
                commit_us,
                xid,
            } => self.begin(lsn, final_lsn, commit_us, xid, out)?,
            Message::Commit {
                commit_lsn,
                end_lsn,
                commit_us,
            } => {
                self.commit(commit_lsn, end_lsn, commit_us, out)?;
            }
            Message::Origin { lsn, name } => self.context.origin = Some((Arc::from(name), lsn)),
            Message::Relation(relation) => return Ok(Step::Define(relation)),
            Message::Insert { relation, new } => self.insert(lsn, relation, &new, out)?,
            Message::Update { relation, old, new } => self.update(lsn, relation, old.as_ref(), &new, out)?,
            Message::Delete { relation, old } => self.delete(lsn, relation, &old, out)?,
            Message::Truncate { relations, .. } => self.truncate(lsn, relations, out)?,
            Message::Message {
                transactional,
                lsn: at,
                prefix,
                content,
            } => {
                self.logical_message(lsn.max(at), transactional, prefix, content, out)?;
            }
            Message::Type { .. } => {}
            other => {
                let context = format!("message {other:?} outside a streamed transaction");
                return Err(Error::new(ErrorKind::Protocol, context));
            }
        }
        Ok(Step::Continue)
    }

    fn begin(
        &mut self,
        lsn: Lsn,
        commit_lsn: Lsn,
        commit_us: i64,
        xid: u32,
        out: &mut Batch,
    ) -> Result<(), Error> {
        if self.open || commit_lsn <= self.last_commit {
            let context = format!(
                "transaction at {commit_lsn} begins out of order, after {}",
                self.last_commit
            );
            return Err(Error::new(ErrorKind::Protocol, context));
        }
        self.open = true;
        self.context.sub = 0;
        self.last_commit = commit_lsn;
        let c = &mut self.context;
        (c.xid, c.commit_us, c.origin) = (Some(xid), commit_us, None);
        c.position = Position { commit_lsn, seq: 0 };
        c.lsn = if lsn.is_zero() { commit_lsn } else { lsn };
        self.checkpoint.xid = Some(xid);
        if let Some(watch) = &mut self.watch {
            watch.begin(xid, commit_lsn);
        }
        let fresh = self.context.position > self.delivered;
        let pen = self.pen(fresh, out);
        pen.encoder.begin(pen.context, pen.out)
    }

    fn commit(
        &mut self,
        commit_lsn: Lsn,
        end_lsn: Lsn,
        commit_us: i64,
        out: &mut Batch,
    ) -> Result<(), Error> {
        if !self.open || commit_lsn != self.context.position.commit_lsn {
            let context = format!("commit at {commit_lsn} ends no open transaction");
            return Err(Error::new(ErrorKind::Protocol, context));
        }
        self.open = false;
        self.context.lsn = end_lsn;
        self.context.position.seq += 1;
        let fresh = self.context.position > self.delivered;
        let pen = self.pen(fresh, out);
        pen.encoder.commit(pen.context, pen.out)?;
        self.context.last_commit_lsn = Some(end_lsn);
        self.context.version_lsn = end_lsn;
        self.checkpoint.position = self.context.position.max(self.delivered);
        self.checkpoint.resume_lsn = self.checkpoint.resume_lsn.max(end_lsn);
        self.checkpoint.last_commit_lsn = end_lsn;
        self.checkpoint.commit_us = commit_us;
        Ok(())
    }

    /// Counts a row; says whether it is new to the sink.
    fn next_row(&mut self, lsn: Lsn, out: &mut Batch) -> Result<bool, Error> {
        if !self.open {
            return Err(Error::new(ErrorKind::Protocol, "row outside a transaction"));
        }
        self.context.lsn = lsn;
        self.context.position.seq += 1;
        self.context.sub = 0;
        out.rows += 1;
        if self.context.position <= self.delivered {
            return Ok(false);
        }
        self.checkpoint.position = self.context.position;
        self.checkpoint.event_lsn = lsn;
        Ok(true)
    }

    /// Counts a row of `relation`, and gives what is needed to write it; none if it is not captured.
    #[inline]
    fn row<'a>(
        &'a mut self,
        lsn: Lsn,
        relation: Oid,
        out: &'a mut Batch,
    ) -> Result<Option<(&'a RelationPlan, Pen<'a>)>, Error> {
        let fresh = self.next_row(lsn, out)?;
        match self.plans.get(&relation) {
            // Delivered before: only counters, where there are any, need it once more.
            Some(Some(_)) if !fresh && !self.encoder.counts_rows() => Ok(None),
            Some(Some(plan)) => {
                let pen = Pen::new(
                    &mut self.encoder,
                    &self.context,
                    &mut self.scratch,
                    (&mut self.new, &mut self.old),
                    fresh,
                    out,
                );
                Ok(Some((plan, pen)))
            }
            Some(None) => Ok(None),
            None => Err(Error::new(
                ErrorKind::Protocol,
                format!("row of relation {relation}, which was never described"),
            )),
        }
    }

    fn pen<'a>(&'a mut self, fresh: bool, out: &'a mut Batch) -> Pen<'a> {
        Pen::new(
            &mut self.encoder,
            &self.context,
            &mut self.scratch,
            (&mut self.new, &mut self.old),
            fresh,
            out,
        )
    }

    fn insert(&mut self, lsn: Lsn, relation: Oid, new: &Tuple<'_>, out: &mut Batch) -> Result<(), Error> {
        let Some((plan, pen)) = self.row(lsn, relation, out)? else {
            return Ok(());
        };
        let new = new.read(pen.new)?;
        pen.encoder.row(plan, RowOp::Insert(new), pen.context, pen.out)
    }

    fn update(
        &mut self,
        lsn: Lsn,
        relation: Oid,
        old: Option<&OldTuple<'_>>,
        new: &Tuple<'_>,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let Some((plan, pen)) = self.row(lsn, relation, out)? else {
            return Ok(());
        };
        let new = new.read(pen.new)?;
        let old = old.map(|tuple| old_row(tuple, pen.old)).transpose()?;
        pen.encoder
            .row(plan, RowOp::Update { old, new }, pen.context, pen.out)
    }

    fn delete(&mut self, lsn: Lsn, relation: Oid, old: &OldTuple<'_>, out: &mut Batch) -> Result<(), Error> {
        let Some((plan, pen)) = self.row(lsn, relation, out)? else {
            return Ok(());
        };
        let old = old_row(old, pen.old)?;
        pen.encoder.row(plan, RowOp::Delete(old), pen.context, pen.out)
    }

    fn truncate(&mut self, lsn: Lsn, relations: Oids<'_>, out: &mut Batch) -> Result<(), Error> {
        for relation in relations {
            if let Some((plan, pen)) = self.row(lsn, relation, out)? {
                pen.encoder.row(plan, RowOp::Truncate, pen.context, pen.out)?;
            }
        }
        Ok(())
    }
}

fn old_row<'a>(tuple: &OldTuple<'a>, refs: &'a mut Vec<ColumnRef>) -> Result<OldRow<'a>, Error> {
    Ok(match tuple {
        OldTuple::Key(t) => OldRow::Key(t.read(refs)?),
        OldTuple::Full(t) => OldRow::Full(t.read(refs)?),
    })
}

mod message;
mod pen;
mod watched;

use pen::Pen;
use watched::{Held, Look};

#[cfg(test)]
mod tests;
