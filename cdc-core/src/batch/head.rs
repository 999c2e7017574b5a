//! Places of records: where they go, and where they come from.

use std::sync::Arc;

use crate::{Lsn, Position};

/// A topic that records go to. Shared by reference: sinks may cache by pointer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Kafka topic name, already sanitised.
    pub name: String,
}

/// Place of a record besides its bytes; see [`HeadRef`] for one that is in a batch.
#[derive(Clone, Debug)]
pub struct RecordHead {
    /// Topic.
    pub topic: Arc<Topic>,
    /// Partition, or none for the partitioner's choice by key.
    pub partition: Option<i32>,
    /// Timestamp in milliseconds since 1970-01-01 UTC, or none for the broker's or producer's clock.
    pub timestamp_ms: Option<i64>,
    /// Position of the row that the record comes from. A record consumed from Kafka has none: its `commit_lsn` is zero, and
    /// `seq` is its offset in the partition.
    pub position: Position,
    /// Version for last-writer-wins sinks: never falls along the stream, rises from one transaction to the next.
    /// It is the end of the last commit before the row's transaction (the snapshot's LSN for snapshot rows); zero when not
    /// known, as for records consumed from Kafka: sinks then look into the record.
    pub version_lsn: Lsn,
}

/// A [`RecordHead`] whose topic is borrowed: from the batch that the record is in, or from who is about to put one there.
#[derive(Clone, Copy, Debug)]
pub struct HeadRef<'a> {
    /// Topic.
    pub topic: &'a Arc<Topic>,
    /// As [`RecordHead::partition`].
    pub partition: Option<i32>,
    /// As [`RecordHead::timestamp_ms`].
    pub timestamp_ms: Option<i64>,
    /// As [`RecordHead::position`].
    pub position: Position,
    /// As [`RecordHead::version_lsn`].
    pub version_lsn: Lsn,
}

impl HeadRef<'_> {
    /// The same with a topic of its own.
    #[must_use]
    pub fn to_head(self) -> RecordHead {
        RecordHead {
            topic: Arc::clone(self.topic),
            partition: self.partition,
            timestamp_ms: self.timestamp_ms,
            position: self.position,
            version_lsn: self.version_lsn,
        }
    }
}

impl<'a> From<&'a RecordHead> for HeadRef<'a> {
    fn from(head: &'a RecordHead) -> Self {
        Self {
            topic: &head.topic,
            partition: head.partition,
            timestamp_ms: head.timestamp_ms,
            position: head.position,
            version_lsn: head.version_lsn,
        }
    }
}
