//! One bulk request as it grows: action and document lines in one buffer, and where each item lies in it.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use crate::json;
use crate::route::Place;

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
    /// A later item of this bulk has the same id: this one is not sent.
    superseded: bool,
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
        // A partial document does not stand for the one before it.
        if op == Op::Update {
            self.by_hash.remove(&entry.hash);
        } else if op != Op::Create
            && !target.is_empty()
            && !self.supersede(entry.hash, &target, entry.version)
        {
            self.body.truncate(start);
            self.superseded = self.superseded.saturating_add(1);
            return;
        }
        if let Some(document) = entry.document {
            if op == Op::Update {
                self.body.extend_from_slice(UPDATE.0);
                append(document, &mut self.body);
                self.body.extend_from_slice(UPDATE.1);
            } else {
                append(document, &mut self.body);
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
            superseded: false,
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

    /// Marks an earlier item with the same target. False when that one has the higher version, so that it must stay.
    fn supersede(&mut self, hash: u64, target: &Range<usize>, version: Option<u64>) -> bool {
        let at = self.items.len();
        let Some(&earlier) = self.by_hash.get(&hash) else {
            self.by_hash.insert(hash, at);
            return true;
        };
        let body = &self.body;
        if let Some(item) = self.items.get_mut(earlier)
            && body.get(item.target.clone()) == body.get(target.clone())
        {
            if version < item.version {
                return false;
            }
            item.superseded = true;
            self.superseded = self.superseded.saturating_add(1);
        }
        self.by_hash.insert(hash, at);
        true
    }

    /// Ends the growing.
    pub(crate) fn seal(self) -> Sealed {
        Sealed {
            whole: self.superseded_items() == 0,
            body: Bytes::from(self.body),
            items: self.items,
            kept: self.kept,
            credits: self.credits,
        }
    }

    fn superseded_items(&self) -> usize {
        self.items.iter().filter(|i| i.superseded).count()
    }
}

/// A bulk that grows no more.
#[derive(Debug)]
pub(crate) struct Sealed {
    body: Bytes,
    items: Vec<Item>,
    kept: Vec<u8>,
    credits: Vec<(u64, u64)>,
    whole: bool,
}

impl Sealed {
    /// Bytes of memory in use: the same as before it was sealed.
    pub(crate) fn memory(&self) -> usize {
        memory(self.body.len(), self.kept.len(), self.items.len())
    }

    /// Batch numbers and how many of their records are settled with this bulk.
    pub(crate) fn credits(&self) -> &[(u64, u64)] {
        &self.credits
    }

    /// The items to send, by number.
    pub(crate) fn live(&self) -> impl Iterator<Item = usize> + '_ {
        self.items
            .iter()
            .enumerate()
            .filter(|(_, item)| !item.superseded)
            .map(|(i, _)| i)
    }

    /// An item.
    pub(crate) fn item(&self, i: usize) -> Option<&Item> {
        self.items.get(i)
    }

    /// The request body for some items, ascending. Shares the buffer when these are all.
    pub(crate) fn body(&self, which: &[usize]) -> Bytes {
        if self.whole && which.len() == self.items.len() {
            return self.body.clone();
        }
        let spans = which
            .iter()
            .filter_map(|&i| self.items.get(i))
            .map(|item| item.lines.clone());
        let mut body = Vec::with_capacity(spans.clone().map(|s| s.len()).sum());
        for span in spans {
            body.extend_from_slice(self.body.get(span).unwrap_or_default());
        }
        Bytes::from(body)
    }

    /// The item's `_id`, or none if it has none.
    pub(crate) fn id(&self, item: &Item) -> Option<String> {
        let target = self.body.get(item.target.clone()).filter(|t| !t.is_empty())?;
        let start = item.place.route.member.len().saturating_add(b",\"_id\":".len());
        let mut texts = serde_json::Deserializer::from_slice(target.get(start..)?).into_iter::<String>();
        texts.next()?.ok()
    }

    /// The item's document, or none for a delete.
    pub(crate) fn document(&self, item: &Item) -> Option<&[u8]> {
        let span = item.document_at..item.lines.end;
        let document = self.body.get(span)?.strip_suffix(b"\n")?;
        if item.op == Op::Update {
            return document.strip_prefix(UPDATE.0)?.strip_suffix(UPDATE.1);
        }
        Some(document)
    }

    /// What was kept of the item's record.
    pub(crate) fn kept(&self, item: &Item) -> &[u8] {
        self.kept.get(item.kept.clone()).unwrap_or_default()
    }

    /// Adds to items that are to be sent again those behind them that have the same target and no version: sent alone, the
    /// earlier would come last.
    pub(crate) fn with_followers(&self, again: Vec<usize>, sent: &[usize]) -> Vec<usize> {
        let target = |i: usize| {
            let item = self
                .items
                .get(i)
                .filter(|item| item.op == Op::Update || item.version.is_none())?;
            self.body.get(item.target.clone()).filter(|t| !t.is_empty())
        };
        let first: HashMap<&[u8], usize> = again
            .iter()
            .rev()
            .filter_map(|&i| Some((target(i)?, i)))
            .collect();
        if first.is_empty() {
            return again;
        }
        let mut marked = again.iter().copied().peekable();
        let mut all = Vec::with_capacity(again.len());
        for &i in sent {
            let listed = marked.next_if_eq(&i).is_some();
            if listed || target(i).and_then(|t| first.get(t)).is_some_and(|&f| f < i) {
                all.push(i);
            }
        }
        all
    }
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
mod tests {
    use std::sync::Arc;

    use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};

    use super::*;
    use crate::route::Routes;

    fn place() -> Place {
        let topic = Arc::new(Topic { name: "T".into() });
        let config = serde_json::from_str(r#"{"urls":["http://h"]}"#).unwrap();
        let route = Routes::new(&config).add(&topic).unwrap();
        let head = RecordHead {
            topic,
            partition: None,
            timestamp_ms: None,
            position: Position::default(),
            version_lsn: Lsn::ZERO,
        };
        let mut batch = Batch::default();
        batch.finish(head);
        Place::new(&route, &batch.records().next().unwrap())
    }

    fn push(bulk: &mut Bulk, batch: u64, id: &str, version: Option<u64>, document: Option<&str>) {
        let hash = id.bytes().fold(7, |h, b| h * 31 + u64::from(b));
        let entry = Entry {
            place: place(),
            id: Some(id),
            hash,
            version,
            routing: None,
            op: if document.is_some() { Op::Index } else { Op::Delete },
            document: document.map(str::as_bytes),
            kept: None,
        };
        bulk.push(batch, entry);
    }

    fn text(sealed: &Sealed) -> String {
        let live: Vec<_> = sealed.live().collect();
        String::from_utf8(sealed.body(&live).to_vec()).unwrap()
    }

    #[test]
    fn lines_are_the_bulk_apis() {
        let mut b = Bulk::default();
        push(&mut b, 1, "a\"1", Some(7), Some("{\"x\":\r\n 1.50}"));
        push(&mut b, 1, "b", None, None);
        let s = b.seal();
        assert_eq!(
            text(&s),
            "{\"index\":{\"_index\":\"t\",\"_id\":\"a\\\"1\",\"version\":7,\"version_type\":\"external_gte\"}}\n\
             {\"x\":   1.50}\n\
             {\"delete\":{\"_index\":\"t\",\"_id\":\"b\"}}\n"
        );
        let (first, second) = (s.item(0).unwrap(), s.item(1).unwrap());
        assert_eq!(s.id(first).as_deref(), Some("a\"1"));
        assert_eq!(s.document(first), Some(&b"{\"x\":   1.50}"[..]));
        assert_eq!((second.op, s.document(second)), (Op::Delete, None));
        assert_eq!(
            s.body(&[1]),
            &b"{\"delete\":{\"_index\":\"t\",\"_id\":\"b\"}}\n"[..]
        );
    }

    #[test]
    fn the_last_of_one_id_stays_and_stands_for_all() {
        let mut b = Bulk::default();
        push(&mut b, 1, "a", Some(1), Some("{\"n\":1}"));
        push(&mut b, 1, "b", Some(1), Some("{}"));
        push(&mut b, 2, "a", Some(1), Some("{\"n\":2}"));
        push(&mut b, 2, "a", Some(2), None);
        assert_eq!((b.len(), b.superseded()), (4, 2));
        let s = b.seal();
        assert_eq!(s.credits(), [(1, 2), (2, 2)]);
        assert_eq!(s.live().collect::<Vec<_>>(), [1, 3]);
        assert!(!text(&s).contains("\"n\""));
    }

    #[test]
    fn a_lower_version_does_not_replace_a_higher_one() {
        let mut b = Bulk::default();
        push(&mut b, 1, "a", Some(9), Some("{\"new\":1}"));
        push(&mut b, 1, "a", Some(3), Some("{\"old\":1}"));
        let s = b.seal();
        assert_eq!(s.credits(), [(1, 2)]);
        assert!(text(&s).contains("new") && !text(&s).contains("old"));
    }

    #[test]
    fn partial_documents_stay_apart_and_are_sent_again_in_order() {
        let mut b = Bulk::default();
        let entry = |id: &'static str, op: Op, document: &'static str| Entry {
            place: place(),
            id: Some(id),
            routing: Some("r\""),
            hash: 1,
            version: None,
            op,
            document: (op != Op::Delete).then_some(document.as_bytes()),
            kept: None,
        };
        for (id, op) in [
            ("a", Op::Update),
            ("b", Op::Update),
            ("a", Op::Update),
            ("a", Op::Delete),
            ("b", Op::Create),
        ] {
            b.push(1, entry(id, op, "{\"x\":1}"));
        }
        let s = b.seal();
        assert_eq!(s.live().count(), 5);
        let first = s.item(0).unwrap();
        assert_eq!(s.id(first).as_deref(), Some("a"));
        assert_eq!(s.document(first), Some(&b"{\"x\":1}"[..]));
        assert_eq!(
            s.body(&[0, 3]),
            &b"{\"update\":{\"_index\":\"t\",\"_id\":\"a\",\"routing\":\"r\\\"\",\"retry_on_conflict\":3}}\n\
               {\"doc\":{\"x\":1},\"doc_as_upsert\":true}\n\
               {\"delete\":{\"_index\":\"t\",\"_id\":\"a\",\"routing\":\"r\\\"\"}}\n"[..]
        );
        assert_eq!(s.with_followers(vec![0], &[0, 1, 2, 3, 4]), [0, 2, 3]);
        assert_eq!(s.with_followers(vec![1, 3], &[0, 1, 2, 3, 4]), [1, 3, 4]);
    }
}
