//! One bulk request as it grows: action and document lines in one buffer, and where each item lies in it.

mod sealed;

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

pub(crate) use self::sealed::Sealed;
use crate::json;
use crate::route::Place;
use crate::unavailable;

/// What an item does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Replaces the document.
    Index,
    /// Adds the document if there is none of its `_id`.
    Create,
    /// Puts the fields into the document, or adds it.
    Update,
    Delete,
}

impl Op {
    /// The action's name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) place: Place,
    /// `_id`; none lets the server choose.
    pub(crate) id: Option<&'a str>,
    /// Where the document lives, if not where its `_id` says.
    pub(crate) routing: Option<&'a str>,
    /// Hash of index and id.
    pub(crate) hash: u64,
    pub(crate) version: Option<u64>,
    /// What is done; a delete has no document.
    pub(crate) op: Op,
    pub(crate) document: Option<&'a [u8]>,
    /// Raw names of fields that the document lacks because their values were not sent: they stay as they are.
    pub(crate) lacks: &'a [Vec<u8>],
    /// The version may be lower than that of a state before: see [`Floors`](crate::version::Floors).
    pub(crate) unsure: bool,
    /// What a dead letter may need: the record as it came.
    pub(crate) kept: Option<&'a [u8]>,
}

/// One item of a bulk.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) op: Op,
    pub(crate) version: Option<u64>,
    pub(crate) place: Place,
    /// Action line and document line, with their line feeds.
    lines: Range<usize>,
    /// End of the action line.
    document_at: usize,
    /// `"_index":"…","_id":"…"`, and the routing, within the action line; empty without an id.
    target: Range<usize>,
    kept: Range<usize>,
    /// As the entry's.
    lacks: Vec<Vec<u8>>,
    /// As the entry's.
    pub(crate) unsure: bool,
    /// A later item of this bulk has the same id: this one is not sent.
    superseded: bool,
    /// The item that this one stands for: if the server never takes this one, that one is sent after all.
    replaces: Option<usize>,
}

/// How an item stands to an earlier one of the same id.
enum Standing {
    /// There is none.
    Alone,
    /// It takes its place.
    Over(usize),
    /// The earlier one has the higher version, and stays.
    Under,
}

/// Items in order, and which batches they come from.
#[derive(Debug, Default)]
pub(crate) struct Bulk {
    body: Vec<u8>,
    items: Vec<Item>,
    kept: Vec<u8>,
    by_hash: HashMap<u64, usize, foldhash::fast::FixedState>,
    /// Batch number and how many of its records are in here, ascending.
    credits: Vec<(u64, u64)>,
    superseded: usize,
    /// When the first item came.
    since: Option<Instant>,
}

impl Bulk {
    /// Bytes of the request body, items that are not sent included.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Bytes of memory in use.
    pub(crate) fn memory(&self) -> usize {
        memory(self.body.len(), self.kept.len(), self.items.len())
    }

    /// Number of items, those that are not sent included.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no record is in here.
    pub(crate) fn is_empty(&self) -> bool {
        self.credits.is_empty()
    }

    /// When the first item came.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Number of items that are not sent, since a later one has the same id.
    pub(crate) fn superseded(&self) -> usize {
        self.superseded
    }

    /// Notes the time of the first item: called once a batch, not once an item.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Appends an item of batch `number`. Of two items with one id only the later is kept; the earlier, if its version is
    /// higher. The bulk stands for both.
    pub(crate) fn push(&mut self, number: u64, entry: Entry<'_>) {
        match self.credits.last_mut() {
            Some((n, count)) if *n == number => *count = count.saturating_add(1),
            _ => self.credits.push((number, 1)),
        }
        let start = self.body.len();
        let op = entry.op;
        let target = self.action(op, &entry);
        let document_at = self.body.len();
        let mut replaces = None;
        // A partial document does not stand for the one before it.
        if op == Op::Update {
            self.by_hash.remove(&entry.hash);
        } else if op != Op::Create && !target.is_empty() {
            match self.supersede(entry.hash, &target, entry.version) {
                Standing::Alone => {}
                Standing::Over(earlier) => replaces = Some(earlier),
                Standing::Under => {
                    self.body.truncate(start);
                    self.superseded = self.superseded.saturating_add(1);
                    return;
                }
            }
        }
        let mut lacks = entry.lacks.to_vec();
        if let Some(document) = entry.document {
            if op == Op::Update {
                self.body.extend_from_slice(UPDATE.0);
                append(document, &mut self.body);
                self.body.extend_from_slice(UPDATE.1);
            } else {
                append(document, &mut self.body);
                if let (Some(earlier), false) = (replaces, lacks.is_empty()) {
                    self.fill_from(earlier, &mut lacks);
                }
            }
            self.body.push(b'\n');
        }
        let kept_at = self.kept.len();
        self.kept.extend_from_slice(entry.kept.unwrap_or_default());
        self.items.push(Item {
            op,
            version: entry.version,
            place: entry.place,
            lines: start..self.body.len(),
            document_at,
            target,
            kept: kept_at..self.kept.len(),
            lacks,
            unsure: entry.unsure,
            superseded: false,
            replaces,
        });
    }

    /// Writes the action line; returns where `_index` and `_id` are.
    fn action(&mut self, op: Op, entry: &Entry<'_>) -> Range<usize> {
        let b = &mut self.body;
        b.extend_from_slice(b"{\"");
        b.extend_from_slice(op.name().as_bytes());
        b.extend_from_slice(b"\":{");
        let start = b.len();
        b.extend_from_slice(&entry.place.route.member);
        let mut target = 0..0;
        if let Some(id) = entry.id {
            b.extend_from_slice(b",\"_id\":\"");
            json::escape(id, b);
            b.push(b'"');
        }
        if let Some(routing) = entry.routing {
            b.extend_from_slice(b",\"routing\":\"");
            json::escape(routing, b);
            b.push(b'"');
        }
        if entry.id.is_some() {
            target = start..b.len();
        }
        if op != Op::Delete {
            b.extend_from_slice(&entry.place.route.extra);
        }
        if entry.id.is_some() {
            if op == Op::Update {
                b.extend_from_slice(b",\"retry_on_conflict\":3");
            } else if let Some(version) = entry.version {
                b.extend_from_slice(b",\"version\":");
                b.extend_from_slice(itoa::Buffer::new().format(version).as_bytes());
                b.extend_from_slice(b",\"version_type\":\"external_gte\"");
            }
        }
        b.extend_from_slice(b"}}\n");
        target
    }

    /// Marks an earlier item with the same target, unless that one has the higher version.
    fn supersede(&mut self, hash: u64, target: &Range<usize>, version: Option<u64>) -> Standing {
        let at = self.items.len();
        let Some(&earlier) = self.by_hash.get(&hash) else {
            self.by_hash.insert(hash, at);
            return Standing::Alone;
        };
        let body = &self.body;
        let mut standing = Standing::Alone;
        if let Some(item) = self.items.get_mut(earlier)
            && body.get(item.target.clone()) == body.get(target.clone())
        {
            if version < item.version {
                return Standing::Under;
            }
            item.superseded = true;
            self.superseded = self.superseded.saturating_add(1);
            standing = Standing::Over(earlier);
        }
        self.by_hash.insert(hash, at);
        standing
    }

    /// Fills the document at the end of the buffer from the item whose place it takes. What that one lacks too, the index may
    /// have.
    fn fill_from(&mut self, earlier: usize, lacks: &mut Vec<Vec<u8>>) {
        let Some(item) = self.items.get(earlier) else {
            return;
        };
        let document = self.body.get(item.document_at..item.lines.end);
        let before = document.unwrap_or_default().to_vec();
        unavailable::fill(&mut self.body, lacks, &before);
        lacks.retain(|name| item.lacks.contains(name));
    }

    /// Adds the items of another bulk, of which none has the `_id` of one in here.
    pub(crate) fn join(&mut self, other: &mut Self) {
        let (lines, kept, before) = (self.body.len(), self.kept.len(), self.items.len());
        self.body.append(&mut other.body);
        self.kept.append(&mut other.kept);
        self.items.extend(other.items.drain(..).map(|mut item| {
            item.lines = behind(&item.lines, lines);
            item.document_at = item.document_at.saturating_add(lines);
            if !item.target.is_empty() {
                item.target = behind(&item.target, lines);
            }
            item.kept = behind(&item.kept, kept);
            item.replaces = item.replaces.map(|earlier| earlier.saturating_add(before));
            item
        }));
        self.credits.append(&mut other.credits);
        self.superseded = self.superseded.saturating_add(other.superseded);
        other.clear();
    }

    /// Ends the growing.
    pub(crate) fn seal(self) -> Sealed {
        Sealed::new(self)
    }

    /// Empties it and keeps its memory.
    fn clear(&mut self) {
        self.body.clear();
        self.items.clear();
        self.kept.clear();
        self.by_hash.clear();
        self.credits.clear();
        self.superseded = 0;
        self.since = None;
    }
}

/// A place in a buffer that stands behind so many bytes of another one now.
fn behind(range: &Range<usize>, bytes: usize) -> Range<usize> {
    range.start.saturating_add(bytes)..range.end.saturating_add(bytes)
}

/// Lines, headers, and for each item its entry and its place in the map (16 bytes, at most 7/8 full).
fn memory(body: usize, kept: usize, items: usize) -> usize {
    const ITEM: usize = size_of::<Item>() + 24;
    items
        .saturating_mul(ITEM)
        .saturating_add(body)
        .saturating_add(kept)
}

/// What stands around a document that is put into the one before it.
const UPDATE: (&[u8], &[u8]) = (b"{\"doc\":", b",\"doc_as_upsert\":true}");

/// Appends a document on one line. A raw line feed can only stand between tokens of valid JSON, so a space takes its place.
fn append(document: &[u8], body: &mut Vec<u8>) {
    let start = body.len();
    body.extend_from_slice(document);
    if memchr::memchr2(b'\n', b'\r', document).is_some() {
        for byte in body.iter_mut().skip(start) {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

#[cfg(test)]
mod tests;
