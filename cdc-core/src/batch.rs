//! Encoded records on their way to a sink, in one arena that is used again.

use std::sync::Arc;

use crate::{Checkpoint, Position};

/// A topic that records go to. Shared by reference: sinks may cache by pointer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Kafka topic name, already sanitised.
    pub name: String,
}

/// Place of a record besides its bytes.
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
    pub version_lsn: crate::Lsn,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    head: RecordHead,
    key: Option<Span>,
    value: Option<Span>,
    headers: (u32, u32),
}

#[derive(Clone, Copy, Debug)]
struct HeaderEntry {
    name: Span,
    value: Option<Span>,
}

/// A borrowed record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Topic, partition, timestamp, position.
    pub head: &'a RecordHead,
    /// Key bytes; none is Kafka's null key.
    pub key: Option<&'a [u8]>,
    /// Value bytes; none is a tombstone.
    pub value: Option<&'a [u8]>,
    batch: &'a Batch,
    headers: (u32, u32),
}

impl<'a> Record<'a> {
    /// Headers in order: name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let batch = self.batch;
        let range = self.headers.0 as usize..self.headers.1 as usize;
        batch
            .headers
            .get(range)
            .unwrap_or_default()
            .iter()
            .map(move |h| (batch.bytes(h.name), h.value.map(|v| batch.bytes(v))))
    }

    /// Whether there are headers.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.headers.0 != self.headers.1
    }
}

/// Records, and the checkpoint that holds once all of them are durable.
///
/// # Writing
/// A record is written piecewise: append to [`buf`](Self::buf), [`mark_key`](Self::mark_key), append,
/// [`mark_value`](Self::mark_value), [`finish`](Self::finish). What is appended and never marked is dropped by
/// [`discard`](Self::discard). A batch may end inside a source transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    buf: Vec<u8>,
    entries: Vec<Entry>,
    headers: Vec<HeaderEntry>,
    /// End of the last finished record.
    sealed: usize,
    open: usize,
    open_headers: usize,
    key: Option<Span>,
    value: Option<Span>,
    /// Rows read, before filters and fan-out.
    pub rows: u64,
    /// Valid once everything in this batch is durable.
    pub checkpoint: Checkpoint,
}

impl Batch {
    /// An empty batch with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            buf: Vec::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Empties the batch and keeps its memory, unless that grew beyond `keep` bytes.
    pub fn reset(&mut self, keep: usize) {
        let mut buf = std::mem::take(&mut self.buf);
        buf.clear();
        buf.shrink_to(keep);
        let (mut entries, mut headers) = (
            std::mem::take(&mut self.entries),
            std::mem::take(&mut self.headers),
        );
        entries.clear();
        headers.clear();
        *self = Self {
            buf,
            entries,
            headers,
            ..Self::default()
        };
    }

    /// The arena, to append to.
    pub fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Ends the key: all bytes appended since the last mark.
    pub fn mark_key(&mut self) {
        self.key = Some(self.cut());
    }

    /// Ends the value: all bytes appended since the last mark.
    pub fn mark_value(&mut self) {
        self.value = Some(self.cut());
    }

    /// Adds a header to the record being written. Headers may be added at any point between marks.
    pub fn header(&mut self, name: &[u8], value: Option<&[u8]>) {
        debug_assert_eq!(
            self.open,
            self.buf.len(),
            "header inside an unmarked key or value"
        );
        self.buf.extend_from_slice(name);
        let name = self.cut();
        let value = value.map(|v| {
            self.buf.extend_from_slice(v);
            self.cut()
        });
        self.headers.push(HeaderEntry { name, value });
    }

    /// Ends the record. An unmarked key or value is null.
    pub fn finish(&mut self, head: RecordHead) {
        let headers = (index(self.open_headers), index(self.headers.len()));
        self.open_headers = self.headers.len();
        self.entries.push(Entry {
            head,
            key: self.key.take(),
            value: self.value.take(),
            headers,
        });
        self.open = self.buf.len();
        self.sealed = self.open;
    }

    /// Adds one more record with the key and headers of the last one and no value: its tombstone.
    pub fn tombstone_of_last(&mut self) {
        if let Some(last) = self.entries.last() {
            let entry = Entry {
                value: None,
                ..last.clone()
            };
            self.entries.push(entry);
        }
    }

    /// Drops what was appended since the last finished record.
    pub fn discard(&mut self) {
        self.headers.truncate(self.open_headers);
        self.buf.truncate(self.sealed);
        self.open = self.buf.len();
        (self.key, self.value) = (None, None);
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys, values and headers.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.buf.len()
    }

    /// The records in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(|e| Record {
            head: &e.head,
            key: e.key.map(|s| self.bytes(s)),
            value: e.value.map(|s| self.bytes(s)),
            batch: self,
            headers: e.headers,
        })
    }

    fn cut(&mut self) -> Span {
        let span = Span {
            start: self.open,
            end: self.buf.len(),
        };
        self.open = span.end;
        span
    }

    fn bytes(&self, s: Span) -> &[u8] {
        self.buf.get(s.start..s.end).unwrap_or_default()
    }
}

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> RecordHead {
        RecordHead {
            topic: Arc::new(Topic { name: "t".into() }),
            partition: None,
            timestamp_ms: None,
            position: Position::default(),
            version_lsn: crate::Lsn::ZERO,
        }
    }

    #[test]
    fn records_come_back_as_written() {
        let mut b = Batch::default();
        b.buf().extend_from_slice(b"k1");
        b.mark_key();
        b.header(b"h", Some(b"v"));
        b.buf().extend_from_slice(b"v1");
        b.mark_value();
        b.finish(head());
        b.tombstone_of_last();
        b.buf().extend_from_slice(b"half");
        b.mark_key();
        b.discard();
        b.finish(head());
        let got: Vec<_> = b
            .records()
            .map(|r| (r.key, r.value, r.headers().count()))
            .collect();
        assert_eq!(
            got,
            [
                (Some(&b"k1"[..]), Some(&b"v1"[..]), 1),
                (Some(b"k1"), None, 1),
                (None, None, 0)
            ]
        );
        assert_eq!(b.bytes_len(), 6);
    }
}
