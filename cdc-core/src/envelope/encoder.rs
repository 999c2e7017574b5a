//! Rows to records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use foldhash::HashMap;

use super::column::Failures;
use super::event::{EventContext, RowOp, SnapshotMarker};
use super::format::{Format, OnEventError, Operation};
use super::header::Headers;
use super::key::KeyRules;
use super::mapper::Rules;
use super::naming::TopicNames;
use super::plan::{self, RelationPlan};
use super::reshape::{Reshape, Reshaper, Schemas};
use super::service::Service;
use super::source::SourceBlock;
use super::tail::Tail;
use super::transaction::Transaction;
use crate::filter::Capture;
use crate::schema::{Table, TypeCatalog};
use crate::telemetry::RECORDS_SKIPPED;
use crate::{Batch, Error, ErrorKind, HeadRef};

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
    pub(super) old_key: Vec<u8>,
    pub(super) new_key: Vec<u8>,
    pub(super) scratch: Vec<u8>,
    pub(super) tail: Tail,
    /// Transforms and converters, if records do not go as the encoder writes them.
    reshaper: Option<Box<Reshaper>>,
}

/// What all clones of an encoder share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) format: Arc<Format>,
    /// Operations that make no records, by the bits of their numbers.
    skipped: u8,
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
        let skipped = format.skipped_operations.iter();
        let shared = Shared {
            skipped: skipped.fold(0, |bits, op| bits | 1 << *op as u8),
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
            tail: Tail::default(),
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

    #[cfg(test)]
    pub(super) fn take_reshaper(&mut self) -> Option<Box<Reshaper>> {
        self.reshaper.take()
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

    /// Indices of the columns that make a table's message key, in its order; empty if it has none.
    #[must_use]
    pub fn key_columns(&self, table: &Table) -> Vec<usize> {
        let identifier = format!("{}.{}", table.schema, table.name);
        self.shared.keys.columns(&identifier, table)
    }

    /// Indices of the columns that tell rows apart where chunks of a table are read: those of the message key, which say
    /// what a consumer takes for one row; of a table without one, the column that is read by in its place.
    #[must_use]
    pub fn row_identity(&self, table: &Table, surrogate_key: Option<&str>) -> Vec<usize> {
        let key = self.key_columns(table);
        if !key.is_empty() {
            return key;
        }
        let surrogate = table
            .columns
            .iter()
            .position(|c| Some(c.name.as_str()) == surrogate_key);
        surrogate.into_iter().collect()
    }

    /// Sets `source.xmin`: the slot's `catalog_xmin`, or none if it is not fetched.
    pub fn set_xmin(&mut self, xmin: Option<u64>) {
        self.source.xmin = xmin;
    }

    /// Whether rows must pass even where their records are not wanted, for transaction metadata counts them.
    pub(crate) fn counts_rows(&self) -> bool {
        self.shared.format.transaction_metadata
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
        let Some(mut reshaper) = self.reshaper.take() else {
            let done = self.row_directly(plan, op, c, out);
            return done.or_else(|e| self.unrepresentable(e, c));
        };
        let done = self.row_as_avro(&mut reshaper, plan, op, c, out);
        self.reshaper = Some(reshaper);
        match done {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(e) => return self.unrepresentable(e, c),
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
    #[inline]
    pub(super) fn skips(&self, op: Operation) -> bool {
        self.skipped & 1 << op as u8 != 0
    }
}

/// Head of a record whose partition the partitioner chooses.
pub(super) fn head<'a>(topic: &'a Arc<crate::Topic>, c: &EventContext) -> HeadRef<'a> {
    HeadRef {
        topic,
        partition: None,
        timestamp_ms: None,
        position: c.position,
        version_lsn: c.version_lsn,
    }
}
