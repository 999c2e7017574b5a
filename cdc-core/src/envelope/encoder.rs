//! Rows to records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use foldhash::HashMap;

use super::column::Failures;
use super::event::{EventContext, Image, OldRow, RowOp, SnapshotMarker};
use super::format::{Format, OnEventError, Operation};
use super::header::{Headers, NEW_KEY, OLD_KEY};
use super::key::KeyRules;
use super::mapper::Rules;
use super::naming::TopicNames;
use super::plan::{self, RelationPlan};
use super::reshape::{Reshape, Reshaper, Schemas};
use super::service::Service;
use super::source::SourceBlock;
use super::transaction::Transaction;
use crate::filter::Capture;
use crate::row::RowView;
use crate::schema::{Table, TypeCatalog};
use crate::telemetry::RECORDS_SKIPPED;
use crate::{Batch, Error, ErrorKind, RecordHead, json};

/// Writes events as records into batches.
///
/// A clone shares the configuration and has counters of its own: the stream uses one, each snapshot worker another.
///
/// # Replay
/// Rows that are already durable after a restart must still be counted when transaction metadata is on: encode them
/// into a scratch batch and drop that.
#[derive(Clone, Debug)]
pub struct Encoder {
    pub(super) shared: Arc<Shared>,
    pub(super) source: SourceBlock,
    pub(super) transaction: Transaction,
    old_key: Vec<u8>,
    new_key: Vec<u8>,
    pub(super) scratch: Vec<u8>,
    /// A wall clock and the end of an envelope with it: the clock is read once a wake-up, not once a row.
    now: (i64, Vec<u8>),
    /// Transforms and converters, if records do not go as the encoder writes them.
    reshaper: Option<Box<Reshaper>>,
}

/// What all clones of an encoder share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) format: Arc<Format>,
    pub(super) capture: Arc<Capture>,
    pub(super) rules: Rules,
    pub(super) keys: KeyRules,
    pub(super) names: TopicNames,
    pub(super) headers: Headers,
    pub(super) failures: Failures,
    pub(super) service: Service,
    /// Adjusted schema names with their originals. Locked when a plan is compiled.
    pub(super) schema_names: Mutex<HashMap<String, String>>,
}

/// One record of a row.
struct Change<'a> {
    op: Operation,
    key: Option<Image<'a>>,
    before: Option<Image<'a>>,
    after: Option<Image<'a>>,
    /// Name and value of the header that a changed key has.
    moved: Option<(&'static [u8], &'a [u8])>,
    /// Number of the record among those of its row.
    sub: u64,
}

impl Encoder {
    /// An encoder for `database`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a name, an expression or a rule of the format is wrong.
    pub fn new(format: Arc<Format>, capture: Arc<Capture>, database: &str) -> Result<Self, Error> {
        let names = TopicNames::new(
            &format.topic_naming,
            &format.topic_prefix,
            &format.topic_delimiter,
        )?;
        let run_id = uuid::Uuid::now_v7().to_string();
        let mut source = SourceBlock::new(&format.source_version, &format.topic_prefix, database);
        if !format.values.replace_null_with_default {
            source = source.without_defaults();
        }
        let shared = Shared {
            rules: Rules::new(&format.column_rules)?,
            keys: KeyRules::new(&format.message_keys)?,
            headers: Headers::new(&format, &run_id),
            failures: Failures {
                mode: format.on_value_error,
                count: AtomicU64::new(0),
            },
            service: Service::new(&format, &names)?,
            schema_names: Mutex::default(),
            names,
            format,
            capture,
        };
        Ok(Self {
            shared: Arc::new(shared),
            source,
            transaction: Transaction::default(),
            old_key: Vec::new(),
            new_key: Vec::new(),
            scratch: Vec::new(),
            now: Default::default(),
            reshaper: None,
        })
    }

    /// An encoder whose records go through transforms and converters.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_reshape(
        format: &Arc<Format>,
        capture: Arc<Capture>,
        database: &str,
        reshape: Reshape,
    ) -> Result<Self, Error> {
        if reshape.is_direct() {
            return Self::new(Arc::clone(format), capture, database);
        }
        let inner = Arc::new(Reshaper::inner_format(format));
        let mut encoder = Self::new(inner, capture, database)?;
        encoder.reshaper = Some(Box::new(Reshaper::new(format, reshape)));
        Ok(encoder)
    }

    /// Writes records by `encode`, through transforms and converters if there are any.
    pub(super) fn write_through(
        &mut self,
        schemas: Schemas<'_>,
        out: &mut Batch,
        encode: impl FnOnce(&mut Self, &mut Batch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(mut reshaper) = self.reshaper.take() else {
            return encode(self, out);
        };
        let encoded = encode(self, &mut reshaper.scratch);
        // What was encoded before a failure goes on its way too, as it does without transforms.
        let written = reshaper.drain(schemas, out).and(encoded);
        self.reshaper = Some(reshaper);
        written
    }

    /// Compiles the plan of a table; none if the table is not captured.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if adjusted names collide, and what compiling a column reports.
    pub fn plan(&self, table: &Table, types: &TypeCatalog) -> Result<Option<Arc<RelationPlan>>, Error> {
        if !self.shared.capture.table(&table.schema, &table.name) {
            return Ok(None);
        }
        plan::compile(&self.shared, table, types).map(|p| Some(Arc::new(p)))
    }

    /// Sets `source.xmin`: the slot's `catalog_xmin`, or none if it is not fetched.
    pub fn set_xmin(&mut self, xmin: Option<u64>) {
        self.source.xmin = xmin;
    }

    /// Values so far that could not be represented and became null, in this encoder and its clones.
    #[must_use]
    pub fn value_failures(&self) -> u64 {
        self.shared.failures.count.load(Ordering::Relaxed)
    }

    /// Writes the records of a row change: none if the operation is skipped, three if the key changed.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a value cannot be represented, may not become null and
    /// [`Format::on_event_error`] wants to stop there. The batch then holds no part of the failed record.
    pub fn row(
        &mut self,
        plan: &RelationPlan,
        op: RowOp<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        if self.reshaper.is_none() {
            let done = self.row_directly(plan, op, c, out);
            return done.or_else(|e| self.unrepresentable(e, c));
        }
        let schemas = Schemas {
            key: plan.key_schema(),
            value: plan.value_schema(),
        };
        self.write_through(schemas, out, |encoder, out| {
            let done = encoder.row_directly(plan, op, c, out);
            done.or_else(|e| encoder.unrepresentable(e, c))
        })
    }

    /// Leaves a row or message out that cannot be represented, if that is wanted.
    #[cold]
    pub(super) fn unrepresentable(&self, error: Error, c: &EventContext) -> Result<(), Error> {
        let mode = self.shared.format.on_event_error;
        if mode == OnEventError::Fail || error.kind() != ErrorKind::Value {
            return Err(error);
        }
        metrics::counter!(RECORDS_SKIPPED).increment(1);
        if mode == OnEventError::Warn {
            let (commit_lsn, seq) = (c.position.commit_lsn, c.position.seq);
            tracing::error!(%commit_lsn, seq, error = %error.chain(), "a row is left out");
        }
        Ok(())
    }

    fn row_directly(
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
            key: Some(image),
            before: None,
            after: Some(image),
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
            key: Some(old),
            before: Some(old),
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
            key: Some(after),
            before,
            after: Some(after),
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
        key.write_header(before, &plan.identifier, failures, &mut self.old_key)?;
        self.new_key.clear();
        key.write_header(after, &plan.identifier, failures, &mut self.new_key)?;
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
                    key: Some(after),
                    before: None,
                    after: Some(after),
                    moved,
                    sub: 1,
                };
                self.emit(plan, &change, c, out)
            });
        (self.old_key, self.new_key) = (old_key, new_key);
        done
    }

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
    fn write(
        &mut self,
        plan: &RelationPlan,
        change: &Change<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<bool, Error> {
        let failures = &self.shared.failures;
        if let (Some(key), Some(image)) = (&plan.key, change.key) {
            key.write(image, &plan.identifier, failures, out.buf())?;
            out.mark_key();
        }
        if let Some((name, value)) = change.moved {
            out.header(name, Some(value));
        }
        let headers = &self.shared.headers;
        headers.context(out);
        headers.position(c.position, change.sub, &mut self.scratch, out);
        let buf = out.buf();
        let changed = self.rows(plan, change, buf)?;
        if changed {
            self.surroundings(plan, change.op, c, buf);
        }
        out.mark_value();
        Ok(changed)
    }

    /// Writes the envelope up to `after`; false if the update changed nothing and such are left out.
    fn rows(&self, plan: &RelationPlan, change: &Change<'_>, out: &mut Vec<u8>) -> Result<bool, Error> {
        let failures = &self.shared.failures;
        out.extend_from_slice(&plan.wrapper.open);
        out.extend_from_slice(b"{\"before\":");
        let before = out.len();
        plan.row(change.before, failures, out)?;
        let before = before..out.len();
        out.extend_from_slice(b",\"after\":");
        let after = out.len();
        plan.row(change.after, failures, out)?;
        let comparable = self.shared.format.skip_messages_without_change && change.op == Operation::Update;
        Ok(!(comparable && out.get(before) == out.get(after..)))
    }

    /// Writes the rest of the envelope.
    fn surroundings(&mut self, plan: &RelationPlan, op: Operation, c: &EventContext, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"source\":");
        self.source.write(&plan.source, c, out);
        out.extend_from_slice(b",\"transaction\":");
        self.transaction_block(&plan.identifier, c, out);
        out.extend_from_slice(b",\"op\":\"");
        out.push(op.code());
        if self.now.0 != c.now_ns || self.now.1.is_empty() {
            self.now.0 = c.now_ns;
            write_times(c.now_ns, &mut self.now.1);
        }
        out.extend_from_slice(&self.now.1);
        out.extend_from_slice(plan.wrapper.close);
    }

    /// Counts an event of a transaction and writes its block; null if it has none or that is off.
    pub(super) fn transaction_block(&mut self, collection: &Arc<str>, c: &EventContext, out: &mut Vec<u8>) {
        if self.shared.format.transaction_metadata && c.snapshot == SnapshotMarker::None && c.xid.is_some() {
            self.transaction.count(collection).write(c, out);
        } else {
            out.extend_from_slice(b"null");
        }
    }
}

impl Shared {
    fn skips(&self, op: Operation) -> bool {
        self.format.skipped_operations.contains(&op)
    }
}

/// The end of an envelope, from after the operation.
fn write_times(now_ns: i64, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(b"\",\"ts_ms\":");
    json::write_i64(out, now_ns.div_euclid(1_000_000));
    out.extend_from_slice(b",\"ts_us\":");
    json::write_i64(out, now_ns.div_euclid(1000));
    out.extend_from_slice(b",\"ts_ns\":");
    json::write_i64(out, now_ns);
    out.push(b'}');
}

/// Head of a record whose partition the partitioner chooses.
pub(super) fn head(topic: &Arc<crate::Topic>, c: &EventContext) -> RecordHead {
    RecordHead {
        topic: Arc::clone(topic),
        partition: None,
        timestamp_ms: None,
        position: c.position,
        version_lsn: c.version_lsn,
    }
}
