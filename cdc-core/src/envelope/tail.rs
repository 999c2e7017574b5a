//! What follows the rows in an envelope: source block, transaction block, operation and times.

use std::ops::Range;

use super::event::{EventContext, SnapshotMarker};
use super::format::Operation;
use super::source::{SourceBlock, SourceTable};
use crate::append::Append as _;
use crate::{Batch, Lsn, json};

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
pub(super) struct Facts {
    now_ns: i64,
    table: u64,
    commit_us: i64,
    last_commit_lsn: Option<Lsn>,
    xid: Option<u32>,
    xmin: Option<u64>,
    op: Operation,
    snapshot: SnapshotMarker,
}

impl Ending<'_> {
    /// Whether a tail of these facts is this one's but for the record's own position. Compared one by one: they need not be
    /// put together for it.
    #[inline(always)]
    pub(super) fn has(&self, facts: Option<&Facts>) -> bool {
        let c = self.context;
        facts.is_some_and(|f| {
            f.now_ns == c.now_ns
                && f.table == self.table.id
                && f.op == self.op
                && f.commit_us == c.commit_us
                && f.last_commit_lsn == c.last_commit_lsn
                && f.xid == c.xid
                && f.xmin == self.block.xmin
                && f.snapshot == c.snapshot
                && c.origin.is_none()
        })
    }

    /// None if there is more in the tail than this, which few have.
    pub(super) fn facts(&self) -> Option<Facts> {
        let c = self.context;
        c.origin.is_none().then_some(Facts {
            now_ns: c.now_ns,
            table: self.table.id,
            commit_us: c.commit_us,
            last_commit_lsn: c.last_commit_lsn,
            xid: c.xid,
            xmin: self.block.xmin,
            op: self.op,
            snapshot: c.snapshot,
        })
    }

    /// Appends a tail whose transaction block is null; says where in `out` the record's own position stands, twice.
    pub(super) fn render(&self, out: &mut Vec<u8>) -> [Range<usize>; 2] {
        let own = self.block.write(self.table, self.context, out);
        out.extend_from_slice(b",\"transaction\":null");
        write_end(self.op, self.context.now_ns, self.close, out);
        own
    }
}

/// The tail rendered last. Those of a transaction's changes to one table differ by nothing but the position of the
/// record itself, whose last digits are put in their places.
///
/// They are put into what was appended: a text that is read right after it was changed in a few bytes is read slowly.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    of: Option<Facts>,
    text: Vec<u8>,
    /// The position in the text, and where it stands there.
    lsn: Lsn,
    own: [Range<usize>; 2],
}

impl Tail {
    /// The last digits of a record's position, if the tail is that of the last record but for these, twice.
    #[inline(always)]
    pub(super) fn digits(&self, ending: &Ending<'_>) -> Option<[u8; LAST]> {
        // Incremental snapshots have null in the second place.
        let same = ending.has(self.of.as_ref()) && self.own[0].len() == self.own[1].len();
        same.then(|| last_digits(ending.context.lsn, self.lsn)).flatten()
    }

    /// The tail of the last record, with other digits of the position.
    #[inline(always)]
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the digits of the position end in the text.
    #[inline(always)]
    pub(super) fn own(&self) -> [usize; 2] {
        [self.own[0].end, self.own[1].end]
    }

    /// Appends the tail of a record without a transaction block.
    pub(super) fn write(&mut self, ending: &Ending<'_>, out: &mut Batch) {
        let lsn = ending.context.lsn;
        if let Some(digits) = self.digits(ending) {
            let [first, second] = self.own();
            let place = out.append(&self.text);
            put_last(digits, place.get_mut(..first));
            return put_last(digits, place.get_mut(..second));
        }
        // As all rows of a snapshot have it.
        if !(ending.has(self.of.as_ref()) && lsn == self.lsn) {
            self.text.clear();
            self.own = ending.render(&mut self.text);
            (self.of, self.lsn) = (ending.facts(), lsn);
        }
        out.bytes(&self.text);
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
                    let (mut again, mut rendered) = (Batch::default(), Vec::new());
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
                        String::from_utf8(again.written(0..again.bytes_len()).to_vec()).unwrap(),
                        String::from_utf8(rendered).unwrap()
                    );
                }
            }
        }
    }
}
