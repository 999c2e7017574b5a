//! The `source` block: where an event comes from.

use std::ops::Range;

use super::event::{EventContext, SnapshotMarker};
use crate::{Lsn, json};

/// The parts of the block that do not change in a pipeline, as JSON fragments.
#[derive(Clone, Debug)]
pub(super) struct SourceBlock {
    /// Up to the value of `ts_ms`.
    open: Box<[u8]>,
    /// From after the value of `snapshot` up to the value of `sequence`.
    database: Box<[u8]>,
    /// `catalog_xmin` of the slot, if it is fetched.
    pub(super) xmin: Option<u64>,
    /// `snapshot` outside a snapshot: Debezium leaves it null, and the converter puts the schema's default, `false`,
    /// there unless it is told not to (`replace.null.with.default`).
    streamed: &'static [u8],
    last: Rendered,
}

impl SourceBlock {
    pub(super) fn new(version: &str, server: &str, database: &str) -> Self {
        let mut open = b"{\"version\":".to_vec();
        json::write_str(&mut open, version.as_bytes());
        open.extend_from_slice(b",\"connector\":\"postgresql\",\"name\":");
        json::write_str(&mut open, server.as_bytes());
        open.extend_from_slice(b",\"ts_ms\":");
        let mut db = b",\"db\":".to_vec();
        json::write_str(&mut db, database.as_bytes());
        db.extend_from_slice(b",\"sequence\":\"[");
        Self {
            open: open.into(),
            database: db.into(),
            xmin: None,
            streamed: b"\"false\"",
            last: Rendered::default(),
        }
    }

    /// The block of a converter that leaves null where a schema has a default.
    pub(super) fn without_defaults(mut self) -> Self {
        self.streamed = b"null";
        self
    }

    /// The fragment with a table's names, from after `ts_ns` up to the value of `txId`.
    pub(super) fn table_fragment(schema: &str, table: &str) -> Box<[u8]> {
        let mut out = b",\"schema\":".to_vec();
        json::write_str(&mut out, schema.as_bytes());
        out.extend_from_slice(b",\"table\":");
        json::write_str(&mut out, table.as_bytes());
        out.extend_from_slice(b",\"txId\":");
        out.into()
    }

    /// Appends the block; says where in it the record's own position stands, twice.
    fn render(&self, table: &[u8], c: &EventContext, out: &mut Vec<u8>) -> [Range<usize>; 2] {
        let start = out.len();
        let incremental = c.snapshot == SnapshotMarker::Incremental;
        out.extend_from_slice(&self.open);
        json::write_i64(out, c.commit_us.div_euclid(1000));
        out.extend_from_slice(b",\"snapshot\":");
        if c.snapshot == SnapshotMarker::None {
            out.extend_from_slice(self.streamed);
        } else {
            out.push(b'"');
            out.extend_from_slice(c.snapshot.as_str().as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(&self.database);
        match c.last_commit_lsn {
            Some(lsn) => quoted(lsn.0, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\\\"");
        let first = out.len() - start;
        number(Some(c.lsn.0), out);
        let first = first..out.len() - start;
        out.extend_from_slice(b"\\\"]\",\"ts_us\":");
        json::write_i64(out, c.commit_us);
        out.extend_from_slice(b",\"ts_ns\":");
        json::write_i64(out, c.commit_us.saturating_mul(1000));
        out.extend_from_slice(table);
        number(c.xid.map(u64::from), out);
        out.extend_from_slice(b",\"lsn\":");
        let second = out.len() - start;
        number((!incremental).then_some(c.lsn.0), out);
        let second = second..out.len() - start;
        out.extend_from_slice(b",\"xmin\":");
        number(self.xmin.filter(|_| c.snapshot == SnapshotMarker::None), out);
        match &c.origin {
            Some((name, lsn)) => {
                out.extend_from_slice(b",\"origin\":");
                json::write_str(out, name.as_bytes());
                out.extend_from_slice(b",\"origin_lsn\":");
                number(Some(lsn.0), out);
                out.push(b'}');
            }
            None => out.extend_from_slice(b",\"origin\":null,\"origin_lsn\":null}"),
        }
        [first, second]
    }

    /// Appends the block of a record of `table`.
    pub(super) fn write(&mut self, table: &[u8], c: &EventContext, out: &mut Vec<u8>) {
        let facts = Facts::of(c, self.xmin);
        let Some(facts) = facts else {
            self.render(table, c, out);
            return;
        };
        if self.last.facts != Some(facts) || self.last.table != table {
            self.last.table.clear();
            self.last.table.extend_from_slice(table);
            let mut text = std::mem::take(&mut self.last.text);
            text.clear();
            self.last.own = self.render(table, c, &mut text);
            self.last.text = text;
            self.last.facts = Some(facts);
        }
        let Rendered { text, own, .. } = &self.last;
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(c.lsn.0).as_bytes();
        let part = |from, to| text.get(from..to).unwrap_or_default();
        out.extend_from_slice(part(0, own[0].start));
        out.extend_from_slice(digits);
        out.extend_from_slice(part(own[0].end, own[1].start));
        out.extend_from_slice(digits);
        out.extend_from_slice(part(own[1].end, text.len()));
    }
}

/// What a block depends on besides table and own position: the same for all rows of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    commit_us: i64,
    xid: Option<u32>,
    last_commit: Option<Lsn>,
    xmin: Option<u64>,
}

impl Facts {
    /// None where a block is written once, or has more in it.
    fn of(c: &EventContext, xmin: Option<u64>) -> Option<Self> {
        let plain = c.snapshot == SnapshotMarker::None && c.origin.is_none();
        plain.then_some(Self {
            commit_us: c.commit_us,
            xid: c.xid,
            last_commit: c.last_commit_lsn,
            xmin,
        })
    }
}

/// The block written last, to be written again with another position.
#[derive(Clone, Debug, Default)]
struct Rendered {
    facts: Option<Facts>,
    table: Vec<u8>,
    text: Vec<u8>,
    own: [Range<usize>; 2],
}

/// `\"n\"`: a string inside a string.
fn quoted(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\\"");
    number(Some(n), out);
    out.extend_from_slice(b"\\\"");
}

/// A number, or null.
pub(super) fn number(n: Option<u64>, out: &mut Vec<u8>) {
    match n {
        Some(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn write(block: &SourceBlock, c: &EventContext) -> String {
        let mut block = block.clone();
        let table = SourceBlock::table_fragment("My Schema", "t\"1");
        let (mut first, mut again, mut rendered) = (Vec::new(), Vec::new(), Vec::new());
        block.write(&table, c, &mut first);
        let other = EventContext {
            lsn: Lsn(c.lsn.0 + 1_000_000_000_000),
            ..c.clone()
        };
        block.write(&table, &other, &mut again);
        block.render(&table, &other, &mut rendered);
        assert_eq!(again, rendered, "written again for another row");
        String::from_utf8(first).unwrap()
    }

    #[test]
    fn the_block_is_as_recorded() {
        let block = SourceBlock::new("3.6.3.Final", "srv", "case_naming");
        let c = EventContext {
            lsn: Lsn(823_136_384),
            xid: Some(1924),
            commit_us: 1_795_527_662_098_465,
            snapshot: SnapshotMarker::First,
            ..EventContext::default()
        };
        assert_eq!(
            write(&block, &c),
            r#"{"version":"3.6.3.Final","connector":"postgresql","name":"srv","ts_ms":1795527662098,"snapshot":"first","db":"case_naming","sequence":"[null,\"823136384\"]","ts_us":1795527662098465,"ts_ns":1795527662098465000,"schema":"My Schema","table":"t\"1","txId":1924,"lsn":823136384,"xmin":null,"origin":null,"origin_lsn":null}"#
        );
    }

    #[test]
    fn origin_xmin_and_sequence() {
        let mut block = SourceBlock::new("v", "srv", "db");
        block.xmin = Some(9);
        let c = EventContext {
            lsn: Lsn(12),
            last_commit_lsn: Some(Lsn(11)),
            origin: Some((Arc::from("env_origin"), Lsn(4660))),
            ..EventContext::default()
        };
        let text = write(&block, &c);
        assert!(text.contains(r#""snapshot":"false""#), "{text}");
        assert!(text.contains(r#""sequence":"[\"11\",\"12\"]""#), "{text}");
        let bare = write(&block.without_defaults(), &c);
        assert!(bare.contains(r#""snapshot":null,"db":"db""#), "{bare}");
        assert!(
            text.ends_with(r#""txId":null,"lsn":12,"xmin":9,"origin":"env_origin","origin_lsn":4660}"#),
            "{text}"
        );
    }
}
