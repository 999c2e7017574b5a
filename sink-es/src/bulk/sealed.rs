//! A bulk that grows no more: what is sent of it, and again.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;

use super::{Bulk, Item, Op, UPDATE, memory};
use crate::current::{Found, Wanted};
use crate::unavailable;

/// A bulk that grows no more.
#[derive(Debug)]
pub(crate) struct Sealed {
    body: Bytes,
    items: Vec<Item>,
    kept: Vec<u8>,
    credits: Vec<(u64, u64)>,
    /// Memory that is used again.
    spare: Bulk,
    /// The body is what is sent of all items.
    whole: bool,
    /// Lines of items that are others than in the body.
    amended: HashMap<usize, Vec<u8>>,
    /// Bytes of those.
    more: usize,
}

/// Where an item's document is, as its action line says.
#[derive(Deserialize)]
struct Target {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    routing: Option<String>,
}

impl Sealed {
    pub(super) fn new(mut bulk: Bulk) -> Self {
        let items = std::mem::take(&mut bulk.items);
        Self {
            whole: !items.iter().any(|i| i.superseded),
            body: Bytes::from(std::mem::take(&mut bulk.body)),
            items,
            kept: std::mem::take(&mut bulk.kept),
            credits: std::mem::take(&mut bulk.credits),
            spare: bulk,
            amended: HashMap::new(),
            more: 0,
        }
    }

    /// The memory to fill again; none where more than so many bytes of it were in use, or a request still has hold of it.
    /// What was only allocated is not counted: the system gives no memory for it.
    pub(crate) fn reuse(self, most: usize) -> Option<Bulk> {
        if self.memory() > most {
            return None;
        }
        let mut body = self.body.try_into_mut().ok()?;
        body.clear();
        let mut bulk = Bulk {
            body: body.into(),
            items: self.items,
            kept: self.kept,
            credits: self.credits,
            ..self.spare
        };
        bulk.clear();
        Some(bulk)
    }

    /// Bytes of memory in use: the same as before it was sealed, and what was read from the index since.
    pub(crate) fn memory(&self) -> usize {
        memory(self.body.len(), self.kept.len(), self.items.len()).saturating_add(self.more)
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
        let lines = which.iter().map(|&i| self.lines(i));
        let mut body = Vec::with_capacity(lines.clone().map(<[u8]>::len).sum());
        lines.for_each(|lines| body.extend_from_slice(lines));
        Bytes::from(body)
    }

    /// What is sent of an item.
    fn lines(&self, i: usize) -> &[u8] {
        if let Some(amended) = self.amended.get(&i) {
            return amended;
        }
        let lines = self
            .items
            .get(i)
            .and_then(|item| self.body.get(item.lines.clone()));
        lines.unwrap_or_default()
    }

    /// Of these items those whose documents lack values: where each stands among them, and the item.
    pub(crate) fn lacking(&self, which: &[usize]) -> Vec<(usize, usize)> {
        let lacks = |i: usize| self.items.get(i).is_some_and(|item| !item.lacks.is_empty());
        let all = which.iter().copied().enumerate();
        all.filter(|&(_, i)| lacks(i)).collect()
    }

    /// How to look at an item's document; none when the server chooses its `_id`.
    pub(crate) fn wanted(&self, i: usize) -> Option<Wanted> {
        let item = self.items.get(i)?;
        let target = self.body.get(item.target.clone()).filter(|t| !t.is_empty())?;
        let Target { index, id, routing } = serde_json::from_slice(&[b"{", target, b"}"].concat()).ok()?;
        Some(Wanted {
            index,
            id,
            routing,
            fields: item
                .lacks
                .iter()
                .filter_map(|name| unavailable::text(name))
                .collect(),
        })
    }

    /// Puts the values that an item's document lacks into it.
    pub(crate) fn fill(&mut self, i: usize, found: &Found) {
        let mut lines = self.lines(i).to_vec();
        let Some(item) = self.items.get_mut(i) else { return };
        let lacks = std::mem::take(&mut item.lacks);
        if let Some(source) = &found.source
            && lines.pop() == Some(b'\n')
        {
            unavailable::fill(&mut lines, &lacks, source);
            lines.push(b'\n');
            self.amend(i, lines);
        }
    }

    /// Gives an item that is not sure of its version another one, if there is one, and makes it sure of it.
    pub(crate) fn set_version(&mut self, i: usize, version: Option<u64>) {
        const BEFORE: &[u8] = b",\"version\":";
        if let Some(item) = self.items.get_mut(i) {
            item.unsure = false;
        }
        let Some(version) = version else { return };
        let lines = self.lines(i);
        let head = split_line(lines).map_or(lines, |(head, _)| head);
        // The last one: the `_id` before it may hold the same words.
        let Some(at) = memchr::memmem::rfind(head, BEFORE) else {
            return;
        };
        let (start, rest) = lines.split_at(at.saturating_add(BEFORE.len()));
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut changed = start.to_vec();
        changed.extend_from_slice(itoa::Buffer::new().format(version).as_bytes());
        changed.extend_from_slice(rest.get(digits..).unwrap_or_default());
        self.amend(i, changed);
        if let Some(item) = self.items.get_mut(i) {
            item.version = Some(version);
        }
    }

    fn amend(&mut self, i: usize, lines: Vec<u8>) {
        self.whole = false;
        self.more = self.more.saturating_add(lines.len());
        if let Some(before) = self.amended.insert(i, lines) {
            self.more = self.more.saturating_sub(before.len());
        }
    }

    /// Forgets what was amended of the items of `sent` that are not in `left`, which is ascending.
    pub(crate) fn let_go(&mut self, sent: &[usize], left: &[usize]) {
        if self.amended.is_empty() {
            return;
        }
        for i in sent.iter().filter(|i| left.binary_search(i).is_err()) {
            if let Some(lines) = self.amended.remove(i) {
                self.more = self.more.saturating_sub(lines.len());
            }
        }
    }

    /// The item whose place this one took, to be sent now that this one is not taken.
    pub(crate) fn replaced_by(&self, i: usize) -> Option<usize> {
        self.items.get(i)?.replaces
    }

    /// The item's `_id`, or none if it has none.
    pub(crate) fn id(&self, item: &Item) -> Option<String> {
        let target = self.body.get(item.target.clone()).filter(|t| !t.is_empty())?;
        let start = item.place.route.member.len().saturating_add(b",\"_id\":".len());
        let mut texts = serde_json::Deserializer::from_slice(target.get(start..)?).into_iter::<String>();
        texts.next()?.ok()
    }

    /// An item's document, or none for a delete.
    pub(crate) fn document(&self, i: usize) -> Option<&[u8]> {
        let item = self.items.get(i)?;
        if item.op == Op::Delete {
            return None;
        }
        let (_, document) = split_line(self.lines(i))?;
        let document = document.strip_suffix(b"\n")?;
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

/// The action line and what follows it.
fn split_line(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    lines.split_at_checked(memchr::memchr(b'\n', lines)?.saturating_add(1))
}
