//! The `source` block: where an event comes from.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::event::{EventContext, SnapshotMarker};
use crate::json;

/// What the block says of a table.
#[derive(Clone, Debug)]
pub(super) struct SourceTable {
    /// Tells it from all others, without a look at the names.
    pub(super) id: u64,
    /// The fragment with its names, from after `ts_ns` up to the value of `txId`.
    text: Box<[u8]>,
}

impl SourceTable {
    pub(super) fn new(schema: &str, table: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut text = b",\"schema\":".to_vec();
        json::write_str(&mut text, schema.as_bytes());
        text.extend_from_slice(b",\"table\":");
        json::write_str(&mut text, table.as_bytes());
        text.extend_from_slice(b",\"txId\":");
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            text: text.into(),
        }
    }
}

/// The parts of the block that do not change in a pipeline, as JSON fragments.
#[derive(Clone, Debug)]
pub(super) struct SourceBlock {
    /// Up to the value of `ts_ms`, from the comma before the member `source`.
    open: Box<[u8]>,
    /// From after the value of `snapshot` up to the value of `sequence`.
    database: Box<[u8]>,
    /// `catalog_xmin` of the slot, if it is fetched.
    pub(super) xmin: Option<u64>,
    /// `snapshot` outside a snapshot: Debezium leaves it null, and the converter puts the schema's default, `false`,
    /// there unless it is told not to (`replace.null.with.default`).
    streamed: &'static [u8],
}

impl SourceBlock {
    pub(super) fn new(version: &str, server: &str, database: &str) -> Self {
        let mut open = b",\"source\":{\"version\":".to_vec();
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
        }
    }

    /// The block of a converter that leaves null where a schema has a default.
    pub(super) fn without_defaults(mut self) -> Self {
        self.streamed = b"null";
        self
    }

    /// Appends the block of a record of `table`, as a further member of the envelope; says where in `out` the record's
    /// own position stands, twice.
    pub(super) fn write(
        &self,
        table: &SourceTable,
        c: &EventContext,
        out: &mut Vec<u8>,
    ) -> [Range<usize>; 2] {
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
        let first = out.len();
        number(Some(c.lsn.0), out);
        let first = first..out.len();
        out.extend_from_slice(b"\\\"]\",\"ts_us\":");
        json::write_i64(out, c.commit_us);
        out.extend_from_slice(b",\"ts_ns\":");
        json::write_i64(out, c.commit_us.saturating_mul(1000));
        out.extend_from_slice(&table.text);
        number(c.xid.map(u64::from), out);
        out.extend_from_slice(b",\"lsn\":");
        let second = out.len();
        number((!incremental).then_some(c.lsn.0), out);
        let second = second..out.len();
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
    use crate::Lsn;

    fn write(block: &SourceBlock, c: &EventContext) -> String {
        let mut out = b"before".to_vec();
        let own = block.write(&SourceTable::new("My Schema", "t\"1"), c, &mut out);
        for place in own {
            assert_eq!(out[place], *c.lsn.0.to_string().as_bytes());
        }
        String::from_utf8(out.split_off(6)).unwrap()
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
            r#","source":{"version":"3.6.3.Final","connector":"postgresql","name":"srv","ts_ms":1795527662098,"snapshot":"first","db":"case_naming","sequence":"[null,\"823136384\"]","ts_us":1795527662098465,"ts_ns":1795527662098465000,"schema":"My Schema","table":"t\"1","txId":1924,"lsn":823136384,"xmin":null,"origin":null,"origin_lsn":null}"#
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
