//! What follows the rows in an envelope: source block, transaction block, operation and times.

use std::ops::Range;

use super::event::EventContext;
use super::format::Operation;
use super::source::{SourceBlock, SourceTable};
use crate::append::Append;
use crate::{Lsn, json};

/// What the tail of a record is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending<'a> {
    pub(super) block: &'a SourceBlock,
    pub(super) table: &'a SourceTable,
    pub(super) op: Operation,
    pub(super) context: &'a EventContext,
    /// What closes the value after the envelope, the same for all records of an encoder.
    pub(super) close: &'a [u8],
}

/// What a tail depends on besides the record's own position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts([u64; 7]);

impl PartialEq for Facts {
    /// All words at once, without the call that arrays of this size are compared by.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        pairs.fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

impl Eq for Facts {}

impl Ending<'_> {
    /// None if there is more in the tail than this, which few have.
    #[inline]
    pub(super) fn facts(&self) -> Option<Facts> {
        let c = self.context;
        if c.origin.is_some() {
            return None;
        }
        let (last_commit, xmin) = (c.last_commit_lsn, self.block.xmin);
        Some(Facts([
            self.table.id,
            c.commit_us.cast_unsigned(),
            c.now_ns.cast_unsigned(),
            c.xid.map_or(u64::MAX, u64::from),
            last_commit.map_or(0, |lsn| lsn.0),
            xmin.unwrap_or(0),
            u64::from_le_bytes([
                self.op.code(),
                c.snapshot as u8,
                last_commit.is_some().into(),
                xmin.is_some().into(),
                0,
                0,
                0,
                0,
            ]),
        ]))
    }

    /// Appends a tail whose transaction block is null; says where in `out` the record's own position stands, twice.
    pub(super) fn render(&self, out: &mut Vec<u8>) -> [Range<usize>; 2] {
        let own = self.block.write(self.table, self.context, out);
        out.extend_from_slice(b",\"transaction\":null");
        write_end(self.op, self.context.now_ns, self.close, out);
        own
    }
}

/// The tail written last. Those of a transaction's changes to one table differ by nothing but the position of the
/// record itself, whose last digits are put in their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    of: Option<Facts>,
    text: Vec<u8>,
    /// The record's own position, and where it stands in the text.
    lsn: Lsn,
    own: [Range<usize>; 2],
}

impl Tail {
    /// Appends the tail of a record without a transaction block.
    #[inline]
    pub(super) fn write<O: Append>(&mut self, ending: &Ending<'_>, out: &mut O) {
        let facts = ending.facts();
        if facts.is_none() || self.of != facts || !self.reposition(ending.context.lsn) {
            self.text.clear();
            self.own = ending.render(&mut self.text);
            (self.of, self.lsn) = (facts, ending.context.lsn);
        }
        out.bytes(&self.text);
    }

    /// Puts another position in its places; false, with nothing changed, if more than its last digits differ.
    #[inline]
    fn reposition(&mut self, lsn: Lsn) -> bool {
        // As all rows of a snapshot have it.
        if lsn == self.lsn {
            return true;
        }
        let Some(digits) = last_digits(lsn, self.lsn) else {
            return false;
        };
        // Incremental snapshots have null in the second place.
        if self.own[0].len() != self.own[1].len() {
            return false;
        }
        for place in &self.own {
            put_last(digits, self.text.get_mut(..place.end));
        }
        self.lsn = lsn;
        true
    }
}

/// Digits of a position that change from record to record.
const LAST: usize = 8;

/// The last digits of a position whose other ones are those of `former`; none if they are not, or if there are no others.
#[inline]
pub(super) fn last_digits(lsn: Lsn, former: Lsn) -> Option<[u8; LAST]> {
    const BEYOND: u64 = 10_u64.pow(8);
    let others = lsn.0 / BEYOND;
    if others == 0 || others != former.0 / BEYOND {
        return None;
    }
    u32::try_from(lsn.0 % BEYOND).ok().map(json::eight_digits)
}

/// Replaces the last digits of a text.
#[inline]
pub(super) fn put_last(digits: [u8; LAST], text: Option<&mut [u8]>) {
    if let Some(place) = text.and_then(<[u8]>::last_chunk_mut) {
        *place = digits;
    }
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
    use crate::envelope::SnapshotMarker;

    /// A tail that is used again gives what a new one gives, whatever differs from the record before.
    #[test]
    fn nothing_of_an_earlier_record_stays() {
        let block = SourceBlock::new("v", "srv", "db");
        let mut other_xmin = block.clone();
        other_xmin.xmin = Some(77);
        let tables = [SourceTable::new("s", "a"), SourceTable::new("s", "b")];
        let base = EventContext {
            lsn: Lsn(123_456_789_012),
            last_commit_lsn: Some(Lsn(123_456_780_000)),
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
            with(|c| c.lsn = Lsn(123_499_999_999)),
            with(|c| c.lsn = Lsn(123_500_000_000)),
            with(|c| c.lsn = Lsn(1_000_000_000_000)),
            with(|c| c.lsn = Lsn(54_321)),
            with(|c| c.lsn = Lsn(u64::MAX)),
            with(|c| c.xid = None),
            with(|c| c.last_commit_lsn = None),
            with(|c| c.commit_us += 1),
            with(|c| c.now_ns += 1),
            with(|c| c.snapshot = SnapshotMarker::First),
            with(|c| c.snapshot = SnapshotMarker::Incremental),
            with(|c| (c.snapshot, c.lsn) = (SnapshotMarker::Incremental, Lsn(123_456_789_013))),
            with(|c| c.origin = Some((Arc::from("o"), Lsn(3)))),
        ];
        let mut used = Tail::default();
        for (i, first) in contexts.iter().enumerate() {
            for (j, second) in contexts.iter().enumerate() {
                for (k, c) in [(i, first), (j, second)] {
                    let (table, block) = (&tables[(i + k) % 2], [&block, &other_xmin][(j + k) % 2]);
                    let op = [Operation::Create, Operation::Delete][(i * j) % 2];
                    let (mut again, mut rendered) = (Vec::new(), Vec::new());
                    let ending = Ending {
                        block,
                        table,
                        op,
                        context: c,
                        close: b"}",
                    };
                    used.write(&ending, &mut again);
                    ending.render(&mut rendered);
                    assert_eq!(
                        String::from_utf8(again).unwrap(),
                        String::from_utf8(rendered).unwrap()
                    );
                }
            }
        }
    }
}
