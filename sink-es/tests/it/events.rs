//! Change events in the form in which the engine or Kafka hands them over.

use std::sync::Arc;

use cdc_core::seam::Sink as _;
use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};
use serde_json::Value;
use sink_es::{IndexConfig, IndexSink};

/// Builds batches for one topic.
pub(crate) struct Events {
    topic: Arc<Topic>,
    batch: Batch,
}

impl Events {
    pub(crate) fn new(topic: &str) -> Self {
        Self {
            topic: Arc::new(Topic { name: topic.into() }),
            batch: Batch::default(),
        }
    }

    /// A record as the engine makes it, with a version of its own.
    pub(crate) fn record(&mut self, lsn: u64, key: Option<&str>, value: Option<&str>) -> &mut Self {
        let position = Position {
            commit_lsn: Lsn(lsn),
            seq: 1,
        };
        self.add(position, Lsn(lsn), None, key, value)
    }

    /// A record as a consumer makes it: all that is known is in the bytes.
    pub(crate) fn consumed(&mut self, offset: u64, key: Option<&str>, value: Option<&str>) -> &mut Self {
        let position = Position {
            commit_lsn: Lsn::ZERO,
            seq: offset,
        };
        self.add(position, Lsn::ZERO, Some(0), key, value)
    }

    fn add(
        &mut self,
        position: Position,
        version_lsn: Lsn,
        partition: Option<i32>,
        key: Option<&str>,
        value: Option<&str>,
    ) -> &mut Self {
        if let Some(key) = key {
            self.batch.buf().extend_from_slice(key.as_bytes());
            self.batch.mark_key();
        }
        if let Some(value) = value {
            self.batch.buf().extend_from_slice(value.as_bytes());
            self.batch.mark_value();
        }
        self.batch.header(b"origin", Some(b"test"));
        self.batch.finish(&RecordHead {
            topic: Arc::clone(&self.topic),
            partition,
            timestamp_ms: None,
            position,
            version_lsn,
        });
        self
    }

    pub(crate) fn put(&mut self, lsn: u64, id: u64, row: &Value) -> &mut Self {
        self.record(lsn, Some(&key(id)), Some(&envelope("u", lsn, &row.to_string())))
    }

    pub(crate) fn delete(&mut self, lsn: u64, id: u64) -> &mut Self {
        self.record(lsn, Some(&key(id)), Some(&envelope("d", lsn, "null")))
    }

    pub(crate) fn take(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }
}

pub(crate) fn key(id: u64) -> String {
    format!(r#"{{"id":{id}}}"#)
}

pub(crate) fn envelope(op: &str, lsn: u64, after: &str) -> String {
    format!(
        r#"{{"before":null,"after":{after},"source":{{"connector":"postgresql","snapshot":"false","sequence":"[\"{lsn}\",\"{lsn}\"]","lsn":{lsn}}},"op":"{op}","ts_ms":1,"transaction":null}}"#
    )
}

/// Writes the batches through a sink of their own until all are durable.
pub(crate) async fn index(
    config: &IndexConfig,
    batches: impl IntoIterator<Item = Batch>,
) -> Result<(), cdc_core::Error> {
    let mut sink = IndexSink::new(config)?;
    let mut n = 0;
    for batch in batches {
        sink.write(batch).await?;
        n += 1;
    }
    sink.flush().await?;
    assert_eq!(*sink.durable().borrow(), n);
    Ok(())
}
