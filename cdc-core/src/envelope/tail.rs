//! What follows the rows in an envelope: source block, transaction block, operation and times.

use std::ops::Range;

use super::event::{EventContext, SnapshotMarker};
use super::format::Operation;
use super::source::{SourceBlock, SourceTable};
use crate::{Lsn, json};

/// The tail written last. Those of a transaction's changes to one table differ by nothing but the position of the
/// record itself, which is put in its places.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    of: Option<Facts>,
    text: Vec<u8>,
    /// Where the record's own position stands in the text.
    own: [Range<usize>; 2],
}

/// What a tail depends on besides the record's own position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    table: u64,
    commit_us: i64,
    now_ns: i64,
    xid: Option<u32>,
    last_commit: Option<Lsn>,
    xmin: Option<u64>,
    op: Operation,
    snapshot: SnapshotMarker,
}

impl Facts {
    /// None if there is more in the tail than this, which few have.
    #[inline]
    pub(super) fn of(
        block: &SourceBlock,
        table: &SourceTable,
        op: Operation,
        c: &EventContext,
    ) -> Option<Self> {
        if c.origin.is_some() {
            return None;
        }
        Some(Self {
            table: table.id,
            commit_us: c.commit_us,
            now_ns: c.now_ns,
            xid: c.xid,
            last_commit: c.last_commit_lsn,
            xmin: block.xmin,
            op,
            snapshot: c.snapshot,
        })
    }
}

impl Tail {
    /// Appends the tail of a record without a transaction block. `close`: what closes the value after the envelope, the
    /// same for all records of an encoder.
    #[inline]
    pub(super) fn write(
        &mut self,
        block: &SourceBlock,
        table: &SourceTable,
        op: Operation,
        close: &[u8],
        c: &EventContext,
        out: &mut Vec<u8>,
    ) {
        let Some(facts) = Facts::of(block, table, op, c) else {
            render(block, table, op, close, c, out);
            return;
        };
        if self.of != Some(facts) || !self.reposition(c.lsn) {
            self.text.clear();
            self.own = render(block, table, op, close, c, &mut self.text);
            self.of = Some(facts);
        }
        out.extend_from_slice(&self.text);
    }

    /// Puts another position in its places; false, with nothing changed, if it has not as many digits.
    #[inline]
    fn reposition(&mut self, lsn: Lsn) -> bool {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(lsn.0).as_bytes();
        if digits.len() != self.own[0].len() || self.own[0].len() != self.own[1].len() {
            return false;
        }
        for place in &self.own {
            if let Some(place) = self.text.get_mut(place.clone()) {
                place.copy_from_slice(digits);
            }
        }
        true
    }
}

/// Appends a tail whose transaction block is null; says where in `out` the record's own position stands, twice.
pub(super) fn render(
    block: &SourceBlock,
    table: &SourceTable,
    op: Operation,
    close: &[u8],
    c: &EventContext,
    out: &mut Vec<u8>,
) -> [Range<usize>; 2] {
    let own = block.write(table, c, out);
    out.extend_from_slice(b",\"transaction\":null");
    write_end(op, c.now_ns, close, out);
    own
}

/// Appends the end of an envelope: the operation, the wall clock, and what closes the value.
pub(super) fn write_end(op: Operation, now_ns: i64, close: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"op\":\"");
    out.push(op.code());
    out.extend_from_slice(b"\",\"ts_ms\":");
    json::write_i64(out, now_ns.div_euclid(1_000_000));
    out.extend_from_slice(b",\"ts_us\":");
    json::write_i64(out, now_ns.div_euclid(1000));
    out.extend_from_slice(b",\"ts_ns\":");
    json::write_i64(out, now_ns);
    out.push(b'}');
    out.extend_from_slice(close);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A tail that is used again gives what a new one gives, whatever differs from the record before.
    #[test]
    fn nothing_of_an_earlier_record_stays() {
        let block = SourceBlock::new("v", "srv", "db");
        let mut other_xmin = block.clone();
        other_xmin.xmin = Some(77);
        let tables = [SourceTable::new("s", "a"), SourceTable::new("s", "b")];
        let base = EventContext {
            lsn: Lsn(12_345),
            last_commit_lsn: Some(Lsn(12_000)),
            xid: Some(7),
            commit_us: 1_795_527_662_098_465,
            now_ns: 1_795_527_662_454_910_007,
            ..EventContext::default()
        };
        let with = |change: fn(&mut EventContext)| {
            let mut c = base.clone();
            change(&mut c);
            c
        };
        let contexts = [
            base.clone(),
            with(|c| c.lsn = Lsn(54_321)),
            with(|c| c.lsn = Lsn(1_000_000_000_000)),
            with(|c| c.xid = None),
            with(|c| c.last_commit_lsn = None),
            with(|c| c.commit_us += 1),
            with(|c| c.now_ns += 1),
            with(|c| c.snapshot = SnapshotMarker::First),
            with(|c| c.snapshot = SnapshotMarker::Incremental),
            with(|c| c.origin = Some((Arc::from("o"), Lsn(3)))),
        ];
        let mut used = Tail::default();
        for (i, first) in contexts.iter().enumerate() {
            for (j, second) in contexts.iter().enumerate() {
                for (k, c) in [(i, first), (j, second)] {
                    let (table, block) = (&tables[(i + k) % 2], [&block, &other_xmin][(j + k) % 2]);
                    let op = [Operation::Create, Operation::Delete][(i * j) % 2];
                    let (mut again, mut rendered) = (Vec::new(), Vec::new());
                    used.write(block, table, op, b"}", c, &mut again);
                    render(block, table, op, b"}", c, &mut rendered);
                    assert_eq!(
                        String::from_utf8(again).unwrap(),
                        String::from_utf8(rendered).unwrap()
                    );
                }
            }
        }
    }
}
