//! Encoded records on their way to a sink, in one arena that is used again.

mod head;

use std::sync::Arc;

pub use self::head::{HeadRef, RecordHead, Topic};
use crate::append::{Append, Line};
use crate::{Checkpoint, Position};

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// A record. It holds nothing that would have to be counted or freed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Index among the topics of the batch.
    topic: u32,
    /// Index among the originals, if it has one.
    origin: Option<u32>,
    partition: Option<i32>,
    timestamp_ms: Option<i64>,
    position: Position,
    version_lsn: crate::Lsn,
    key: Option<Span>,
    value: Option<Span>,
    headers: (u32, u32),
}

/// A record as it was before transforms, and why it did not get through them.
#[derive(Clone, Debug)]
struct Origin {
    head: RecordHead,
    key: Option<Span>,
    value: Option<Span>,
    headers: (u32, u32),
    failure: Option<Failure>,
}

/// Why a record did not get through converters and transforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it failed.
    pub stage: FailedStage,
    /// One clause. Holds no value of the record.
    pub reason: String,
}

/// Where a record failed on its way through converters and transforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedStage {
    /// Its key could not be read or written.
    KeyConverter,
    /// Its value could not be read or written.
    ValueConverter,
    /// One of its headers could not be read or written.
    HeaderConverter,
    /// A transform refused it.
    Transformation,
}

impl FailedStage {
    /// Kafka Connect's name, which stands in the header `__connect.errors.stage`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::Transformation => "TRANSFORMATION",
        }
    }
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
    pub head: HeadRef<'a>,
    /// Key bytes; none is Kafka's null key.
    pub key: Option<&'a [u8]>,
    /// Value bytes; none is a tombstone.
    pub value: Option<&'a [u8]>,
    batch: &'a Batch,
    headers: (u32, u32),
    origin: Option<&'a Origin>,
}

impl<'a> Record<'a> {
    /// The record as it was before transforms, if that was kept; else the record itself.
    #[must_use]
    pub fn original(&self) -> Record<'a> {
        let Some(origin) = self.origin else { return *self };
        Record {
            head: HeadRef::from(&origin.head),
            key: origin.key.map(|s| self.batch.part(s)),
            value: origin.value.map(|s| self.batch.part(s)),
            batch: self.batch,
            headers: origin.headers,
            origin: None,
        }
    }

    /// Why the record did not get through its transforms. It has neither key nor value then, only an
    /// [`original`](Self::original).
    #[must_use]
    pub fn failure(&self) -> Option<&'a Failure> {
        self.origin.and_then(|origin| origin.failure.as_ref())
    }

    /// Headers in order: name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let batch = self.batch;
        let range = self.headers.0 as usize..self.headers.1 as usize;
        batch
            .headers
            .get(range)
            .unwrap_or_default()
            .iter()
            .map(move |h| (batch.part(h.name), h.value.map(|v| batch.part(v))))
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
    /// What was written, and bytes that may be written to.
    buf: Vec<u8>,
    /// How many the latter are: room is given out from these, so that it need not be zeroed each time.
    spare: usize,
    entries: Vec<Entry>,
    /// What the entries refer to. A topic may be here more than once.
    topics: Vec<Arc<Topic>>,
    origins: Vec<Origin>,
    headers: Vec<HeaderEntry>,
    /// End of the last finished record.
    sealed: usize,
    sealed_headers: usize,
    open: usize,
    open_headers: usize,
    key: Option<Span>,
    value: Option<Span>,
    origin: Option<Box<Origin>>,
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
        buf.truncate(keep);
        buf.shrink_to(keep);
        let (mut entries, mut headers, mut topics) = (
            std::mem::take(&mut self.entries),
            std::mem::take(&mut self.headers),
            std::mem::take(&mut self.topics),
        );
        entries.clear();
        headers.clear();
        topics.clear();
        *self = Self {
            spare: buf.len(),
            buf,
            entries,
            headers,
            topics,
            ..Self::default()
        };
    }

    /// The arena, to append to.
    pub fn buf(&mut self) -> &mut Vec<u8> {
        self.buf.truncate(self.bytes_len());
        self.spare = 0;
        &mut self.buf
    }

    /// Room for `len` bytes at the end of the arena. What is put there counts as appended once [`fill`](Self::fill) says so.
    #[inline]
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.spare < len {
            self.extend_spare(len);
        }
        let written = self.bytes_len();
        let room = self.buf.get_mut(written..).and_then(|spare| spare.get_mut(..len));
        room.unwrap_or_default()
    }

    /// Appends the first `len` bytes of the last room.
    #[inline]
    pub(crate) fn fill(&mut self, len: usize) {
        debug_assert!(len <= self.spare, "more than the room was filled");
        self.spare -= len;
    }

    /// Appends bytes; what they became, to change them in place.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        if self.spare < bytes.len() {
            self.extend_spare(bytes.len());
        }
        let written = self.bytes_len();
        let Some(place) = self.buf.get_mut(written..written + bytes.len()) else {
            return &mut [];
        };
        self.spare -= bytes.len();
        place.copy_from_slice(bytes);
        place
    }

    #[cold]
    fn extend_spare(&mut self, len: usize) {
        /// A record's worth, for one call some records.
        const MORE: usize = 1024;
        self.buf.resize(self.bytes_len() + len + MORE, 0);
        self.spare = len + MORE;
    }

    /// What was written, of the places that [`bytes_len`](Self::bytes_len) told before.
    pub(crate) fn written(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.part(Span {
            start: range.start,
            end: range.end,
        })
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
            self.bytes_len(),
            "header inside an unmarked key or value"
        );
        self.bytes(name);
        let name = self.cut();
        let value = value.map(|v| {
            self.bytes(v);
            self.cut()
        });
        self.headers.push(HeaderEntry { name, value });
    }

    /// Keeps a record as it is beside the one that is about to be written from it. Nothing of the latter may be there yet.
    pub fn keep_original(&mut self, record: &Record<'_>) {
        debug_assert_eq!(self.sealed, self.bytes_len(), "an original inside a record");
        let mut copy = |bytes: Option<&[u8]>| {
            bytes.map(|b| {
                self.bytes(b);
                self.cut()
            })
        };
        let (key, value) = (copy(record.key), copy(record.value));
        for (name, value) in record.headers() {
            self.header(name, value);
        }
        let headers = (index(self.open_headers), index(self.headers.len()));
        self.open_headers = self.headers.len();
        self.origin = Some(Box::new(Origin {
            head: record.head.to_head(),
            key,
            value,
            headers,
            failure: None,
        }));
    }

    /// In place of a record: one that did not get through its transforms goes on as it came, with the reason.
    pub fn finish_failed(&mut self, record: &Record<'_>, failure: Failure) {
        self.discard();
        self.keep_original(record);
        if let Some(origin) = &mut self.origin {
            origin.failure = Some(failure);
        }
        self.finish(record.head);
    }

    /// Ends the record. An unmarked key or value is null.
    pub fn finish<'h>(&mut self, head: impl Into<HeadRef<'h>>) {
        let (key, value) = (self.key.take(), self.value.take());
        self.push(head.into(), key, value);
    }

    /// Ends a record that has a value, and a key if it says where [`bytes_len`](Self::bytes_len) was behind that. Neither is
    /// marked.
    #[inline(always)]
    pub(crate) fn finish_row(&mut self, key_end: Option<usize>, head: HeadRef<'_>) {
        let start = self.open;
        let key = key_end.map(|end| Span { start, end });
        let value = Span {
            start: key_end.unwrap_or(start),
            end: self.bytes_len(),
        };
        self.push(head, key, Some(value));
    }

    #[inline(always)]
    fn push(&mut self, head: HeadRef<'_>, key: Option<Span>, value: Option<Span>) {
        // With room for it, an entry is written where it stays: it is not put together somewhere else first.
        if self.entries.len() == self.entries.capacity() {
            self.extend_entries();
        }
        let topic = match self.topics.last() {
            Some(last) if Arc::ptr_eq(last, head.topic) => self.topics.len() - 1,
            _ => self.topic(head.topic),
        };
        let headers = (index(self.open_headers), index(self.headers.len()));
        self.open_headers = self.headers.len();
        self.sealed_headers = self.open_headers;
        let origin = match self.origin {
            None => None,
            Some(_) => self.origin(),
        };
        self.entries.push(Entry {
            topic: index(topic),
            origin,
            partition: head.partition,
            timestamp_ms: head.timestamp_ms,
            position: head.position,
            version_lsn: head.version_lsn,
            key,
            value,
            headers,
        });
        self.open = self.bytes_len();
        self.sealed = self.open;
    }

    #[cold]
    fn extend_entries(&mut self) {
        self.entries.reserve(1);
    }

    /// Index of a topic that is not the last one. Tables take turns, but not many of them at a time.
    #[inline(never)]
    fn topic(&mut self, topic: &Arc<Topic>) -> usize {
        /// How many of the last topics are looked at.
        const LAST: usize = 8;
        let seen = self.topics.len();
        let from = seen.saturating_sub(LAST);
        let last = self.topics.get(from..).unwrap_or_default();
        if let Some(at) = last.iter().position(|t| Arc::ptr_eq(t, topic)) {
            return from + at;
        }
        self.topics.push(Arc::clone(topic));
        seen
    }

    /// Index of the original that was kept for the record.
    #[cold]
    fn origin(&mut self) -> Option<u32> {
        self.origins.push(*self.origin.take()?);
        Some(index(self.origins.len() - 1))
    }

    /// Adds one more record with the key and headers of the last one and no value: its tombstone.
    pub fn tombstone_of_last(&mut self) {
        if let Some(last) = self.entries.last() {
            let entry = Entry { value: None, ..*last };
            self.entries.push(entry);
        }
    }

    /// Drops what was appended since the last finished record.
    pub fn discard(&mut self) {
        self.headers.truncate(self.sealed_headers);
        self.open_headers = self.sealed_headers;
        self.spare += self.bytes_len() - self.sealed;
        self.open = self.sealed;
        (self.key, self.value, self.origin) = (None, None, None);
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
    #[inline]
    pub fn bytes_len(&self) -> usize {
        self.buf.len() - self.spare
    }

    /// The records in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(|e| Record {
            head: HeadRef {
                topic: &self.topics[e.topic as usize],
                partition: e.partition,
                timestamp_ms: e.timestamp_ms,
                position: e.position,
                version_lsn: e.version_lsn,
            },
            key: e.key.map(|s| self.part(s)),
            value: e.value.map(|s| self.part(s)),
            batch: self,
            headers: e.headers,
            origin: e.origin.and_then(|i| self.origins.get(i as usize)),
        })
    }

    fn cut(&mut self) -> Span {
        let span = Span {
            start: self.open,
            end: self.bytes_len(),
        };
        self.open = span.end;
        span
    }

    fn part(&self, s: Span) -> &[u8] {
        self.buf.get(s.start..s.end).unwrap_or_default()
    }
}

impl Append for Batch {
    #[inline(always)]
    fn head<const N: usize>(&mut self, block: &[u8; N], len: usize) {
        let mut line = Line::new(self.room(N));
        line.head(block, len);
        let filled = line.len();
        self.fill(filled);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        if self.spare < bytes.len() {
            return self.buf().extend_from_slice(bytes);
        }
        let written = self.bytes_len();
        if let Some(place) = self.buf.get_mut(written..written + bytes.len()) {
            place.copy_from_slice(bytes);
            self.spare -= bytes.len();
        }
    }
}

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
