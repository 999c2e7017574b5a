//! Records that are not rows: transaction boundaries, logical messages, heartbeats.

use std::sync::Arc;

use super::encoder::{Encoder, head};
use super::event::EventContext;
use super::format::Format;
use super::naming::TopicNames;
use super::reshape::Schemas;
use super::schemas::{self, Wrapper};
use super::source::SourceTable;
use super::transaction;
use crate::connect::Schema;
use crate::row::Datum;
use crate::schema::{Column, TypeCatalog, TypeInfo, TypeKind};
use crate::types::ColumnWriter;
use crate::{Batch, Error, ErrorKind, HeadRef, Topic, json};

/// Topics and wrappers of the records that are not rows.
#[derive(Debug)]
pub(super) struct Service {
    transaction: Kind,
    message: Kind,
    heartbeat: Kind,
    /// Fragment of the source block of messages: they have neither schema nor table.
    no_table: SourceTable,
    /// Name under which messages are counted in a transaction.
    messages: Arc<str>,
    /// Writes contents as a `bytea` column would.
    content: ColumnWriter,
}

#[derive(Debug)]
struct Kind {
    topic: Arc<Topic>,
    key: Wrapper,
    value: Wrapper,
    key_schema: Arc<Schema>,
    value_schema: Arc<Schema>,
}

impl Service {
    pub(super) fn new(format: &Format, names: &TopicNames) -> Result<Self, Error> {
        let kind = |name: String, key, value| Kind {
            topic: Arc::new(Topic { name }),
            key: Wrapper::new(&key, format.key_schemas),
            value: Wrapper::new(&value, format.value_schemas),
            key_schema: Arc::new(key),
            value_schema: Arc::new(value),
        };
        let heartbeat = format.heartbeat_topic.clone();
        let heartbeat = heartbeat.unwrap_or_else(|| names.heartbeat(&format.heartbeat_topic_prefix));
        let content = content_writer(format)?;
        Ok(Self {
            transaction: kind(
                names.transaction(&format.transaction_topic),
                schemas::transaction_key(),
                schemas::transaction_value(),
            ),
            message: kind(
                names.message(),
                schemas::message_key(),
                schemas::message_value(content.schema().kind.clone()),
            ),
            heartbeat: kind(heartbeat, schemas::heartbeat_key(), schemas::heartbeat_value()),
            no_table: SourceTable::new("", ""),
            messages: Arc::from("message"),
            content,
        })
    }
}

/// The writer of a nullable `bytea` column.
fn content_writer(format: &Format) -> Result<ColumnWriter, Error> {
    const BYTEA: u32 = 17;
    let column = Column {
        name: "content".into(),
        type_oid: BYTEA,
        typmod: -1,
        identity: false,
        nullable: true,
        default: None,
        generated: false,
        identity_column: false,
        comment: None,
    };
    let mut types = TypeCatalog::default();
    types.insert(TypeInfo {
        oid: BYTEA,
        schema: "pg_catalog".into(),
        name: "bytea".into(),
        kind: TypeKind::Base,
    });
    ColumnWriter::compile(&column, &types, &format.values)?.ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            "the format has no representation for binary values",
        )
    })
}

/// Appends the text form of a `bytea`.
fn bytea_text(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    out.extend(digits.filter_map(|d| HEX.get(usize::from(d))));
}

impl Encoder {
    /// Starts a transaction: writes its BEGIN record if transaction metadata is on.
    ///
    /// # Errors
    /// A transform or converter that fails on it.
    pub fn begin(&mut self, c: &EventContext, out: &mut Batch) -> Result<(), Error> {
        if self.shared.format.transaction_metadata {
            self.transaction.begin();
            let shared = Arc::clone(&self.shared);
            self.write_through(shared.service.transaction.schemas(), out, |encoder, out| {
                encoder.boundary(c, out, transaction::begin);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Ends a transaction: writes its END record if transaction metadata is on. `c.lsn` is the end of its commit.
    ///
    /// # Errors
    /// A transform or converter that fails on it.
    pub fn commit(&mut self, c: &EventContext, out: &mut Batch) -> Result<(), Error> {
        if self.shared.format.transaction_metadata {
            let shared = Arc::clone(&self.shared);
            let transaction = std::mem::take(&mut self.transaction);
            let written = self.write_through(shared.service.transaction.schemas(), out, |encoder, out| {
                encoder.boundary(c, out, |c, buf| transaction.end(c, buf));
                Ok(())
            });
            self.transaction = transaction;
            written?;
        }
        Ok(())
    }

    fn boundary(
        &mut self,
        c: &EventContext,
        out: &mut Batch,
        value: impl FnOnce(&EventContext, &mut Vec<u8>),
    ) {
        let kind = &self.shared.service.transaction;
        kind.key(out, |buf| transaction::key(c, buf));
        self.shared
            .headers
            .position(c.position, 0, &mut self.scratch, out);
        kind.value(out, |buf| value(c, buf));
        out.finish(head(&kind.topic, c));
    }

    /// Writes a logical decoding message, unless its prefix is filtered out.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the content cannot be represented and [`Format::on_event_error`] wants to stop there.
    pub fn message(
        &mut self,
        prefix: &str,
        content: &[u8],
        transactional: bool,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        if !shared.capture.message_prefix(prefix) {
            return Ok(());
        }
        let loose = (!transactional).then(|| EventContext {
            xid: None,
            ..c.clone()
        });
        let c = loose.as_ref().unwrap_or(c);
        self.write_through(shared.service.message.schemas(), out, |encoder, out| {
            let done = encoder.message_directly(prefix, content, c, out);
            done.or_else(|e| encoder.unrepresentable(e, c))
        })
    }

    fn message_directly(
        &mut self,
        prefix: &str,
        content: &[u8],
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let service = &shared.service;
        service.message.key(out, |buf| {
            buf.extend_from_slice(b"{\"prefix\":");
            json::write_str(buf, prefix.as_bytes());
            buf.push(b'}');
        });
        shared.headers.position(c.position, c.sub, &mut self.scratch, out);
        let buf = out.buf();
        buf.extend_from_slice(&service.message.value.open);
        buf.extend_from_slice(b"{\"op\":\"m\",\"ts_ms\":");
        json::write_i64(buf, c.now_ns.div_euclid(1_000_000));
        self.source.write(&service.no_table, c, buf);
        buf.extend_from_slice(b",\"transaction\":");
        self.transaction_block(&service.messages, c, buf);
        buf.extend_from_slice(b",\"message\":{\"prefix\":");
        json::write_str(buf, prefix.as_bytes());
        buf.extend_from_slice(b",\"content\":");
        self.scratch.clear();
        bytea_text(content, &mut self.scratch);
        if let Err(cause) = service.content.write(Datum::Text(&self.scratch), buf) {
            out.discard();
            let text = format!("the content of a logical message with prefix {prefix} cannot be represented");
            return Err(Error::new(ErrorKind::Value, text).with_source(cause));
        }
        buf.extend_from_slice(b"}}");
        buf.extend_from_slice(service.message.value.close);
        out.mark_value();
        out.finish(head(&service.message.topic, c));
        Ok(())
    }

    /// Writes a heartbeat into partition 0 of its topic.
    ///
    /// # Errors
    /// A transform or converter that fails on it.
    pub fn heartbeat(&mut self, c: &EventContext, out: &mut Batch) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        self.write_through(shared.service.heartbeat.schemas(), out, |encoder, out| {
            encoder.heartbeat_directly(c, out);
            Ok(())
        })
    }

    fn heartbeat_directly(&mut self, c: &EventContext, out: &mut Batch) {
        let kind = &self.shared.service.heartbeat;
        kind.key(out, |buf| {
            buf.extend_from_slice(b"{\"serverName\":");
            json::write_str(buf, self.shared.format.topic_prefix.as_bytes());
            buf.push(b'}');
        });
        self.shared
            .headers
            .position(c.position, 0, &mut self.scratch, out);
        kind.value(out, |buf| {
            buf.extend_from_slice(b"{\"ts_ms\":");
            json::write_i64(buf, c.now_ns.div_euclid(1_000_000));
            buf.push(b'}');
        });
        out.finish(HeadRef {
            partition: Some(0),
            ..head(&kind.topic, c)
        });
    }
}

impl Kind {
    fn schemas(&self) -> Schemas<'_> {
        Schemas {
            key: Some(&self.key_schema),
            value: &self.value_schema,
        }
    }

    fn key(&self, out: &mut Batch, payload: impl FnOnce(&mut Vec<u8>)) {
        wrapped(&self.key, out.buf(), payload);
        out.mark_key();
    }

    fn value(&self, out: &mut Batch, payload: impl FnOnce(&mut Vec<u8>)) {
        wrapped(&self.value, out.buf(), payload);
        out.mark_value();
    }
}

fn wrapped(wrapper: &Wrapper, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&wrapper.open);
    payload(out);
    out.extend_from_slice(wrapper.close);
}
