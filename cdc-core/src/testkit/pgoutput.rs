//! pgoutput messages to bytes.

use crate::pgoutput::{Message, OldTuple, Prepared, Relation, Tuple};
use crate::row::Datum;
use crate::schema::ReplicaIdentity;

/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_US: i64 = 946_684_800_000_000;

/// A row as bytes, with its column count in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TupleBytes(Vec<u8>);

impl TupleBytes {
    /// A row of these columns.
    ///
    /// # Panics
    /// With more than 65 535 columns, or a value of 4 GiB.
    #[must_use]
    #[expect(clippy::expect_used, reason = "documented")]
    pub fn new<'a>(columns: impl IntoIterator<Item = Datum<'a>>) -> Self {
        let mut count = 0_u16;
        let mut out = vec![0, 0];
        for column in columns {
            count = count.checked_add(1).expect("at most 65535 columns");
            match column {
                Datum::Null => out.push(b'n'),
                Datum::Unchanged => out.push(b'u'),
                Datum::Text(bytes) => value(b't', bytes, &mut out),
                Datum::Binary(bytes) => value(b'b', bytes, &mut out),
            }
        }
        out.splice(..2, count.to_be_bytes());
        Self(out)
    }

    /// The row, as a message holds it.
    ///
    /// # Panics
    /// Never: the bytes were built by [`new`](Self::new).
    #[must_use]
    #[expect(clippy::expect_used, reason = "documented")]
    pub fn tuple(&self) -> Tuple<'_> {
        Tuple::parse(&self.0).expect("a built row")
    }
}

fn value(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

#[expect(clippy::expect_used, reason = "documented at the public functions")]
fn length(n: usize, out: &mut Vec<u8>) {
    out.extend(u32::try_from(n).expect("below 4 GiB").to_be_bytes());
}

/// The bytes of one message; `xid` stands in front of a change inside a chunk.
///
/// # Panics
/// If a name holds a NUL, or a count or length does not fit its field.
#[must_use]
pub fn encode(message: &Message<'_>, xid: Option<u32>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(message, xid, &mut out);
    out
}

/// Appends the bytes of one message.
///
/// # Panics
/// As [`encode`].
pub fn encode_into(message: &Message<'_>, xid: Option<u32>, out: &mut Vec<u8>) {
    out.push(message.tag());
    if matches!(message.tag(), b'I' | b'U' | b'D' | b'T' | b'R' | b'Y' | b'M') {
        out.extend(xid.map(u32::to_be_bytes).into_iter().flatten());
    }
    match message {
        Message::Relation(r) => relation(r, out),
        Message::Type { oid, schema, name } => {
            out.extend(oid.to_be_bytes());
            schema_name(schema, out);
            text(name, out);
        }
        Message::Insert { relation, new } => {
            out.extend(relation.to_be_bytes());
            row(b'N', *new, out);
        }
        Message::Update { relation, old, new } => {
            out.extend(relation.to_be_bytes());
            if let Some(old) = old {
                old_row(old, out);
            }
            row(b'N', *new, out);
        }
        Message::Delete { relation, old } => {
            out.extend(relation.to_be_bytes());
            old_row(old, out);
        }
        Message::Truncate {
            cascade,
            restart_identity,
            relations,
        } => {
            length(relations.len(), out);
            out.push(u8::from(*cascade) | u8::from(*restart_identity) << 1);
            out.extend(relations.flat_map(u32::to_be_bytes));
        }
        Message::Message {
            transactional,
            lsn,
            prefix,
            content,
        } => {
            out.push(u8::from(*transactional));
            out.extend(lsn.0.to_be_bytes());
            text(prefix, out);
            length(content.len(), out);
            out.extend_from_slice(content);
        }
        boundary => encode_boundary(boundary, out),
    }
}

/// What begins and ends transactions and chunks.
fn encode_boundary(message: &Message<'_>, out: &mut Vec<u8>) {
    match *message {
        Message::Begin {
            final_lsn,
            commit_us,
            xid,
        } => {
            out.extend(final_lsn.0.to_be_bytes());
            time(commit_us, out);
            out.extend(xid.to_be_bytes());
        }
        Message::Commit {
            commit_lsn,
            end_lsn,
            commit_us,
        } => {
            out.push(0);
            out.extend(commit_lsn.0.to_be_bytes());
            out.extend(end_lsn.0.to_be_bytes());
            time(commit_us, out);
        }
        Message::Origin { lsn, name } => {
            out.extend(lsn.0.to_be_bytes());
            text(name, out);
        }
        Message::StreamStart { xid, first } => {
            out.extend(xid.to_be_bytes());
            out.push(u8::from(first));
        }
        Message::StreamCommit {
            xid,
            commit_lsn,
            end_lsn,
            commit_us,
        } => {
            out.extend(xid.to_be_bytes());
            out.push(0);
            out.extend(commit_lsn.0.to_be_bytes());
            out.extend(end_lsn.0.to_be_bytes());
            time(commit_us, out);
        }
        Message::StreamAbort { xid, subxid, abort } => {
            out.extend(xid.to_be_bytes());
            out.extend(subxid.to_be_bytes());
            if let Some((lsn, us)) = abort {
                out.extend(lsn.0.to_be_bytes());
                time(us, out);
            }
        }
        _ => encode_two_phase(message, out),
    }
}

fn encode_two_phase(message: &Message<'_>, out: &mut Vec<u8>) {
    match *message {
        Message::BeginPrepare {
            prepare_lsn,
            end_lsn,
            prepare_us,
            xid,
            gid,
        } => {
            out.extend(prepare_lsn.0.to_be_bytes());
            out.extend(end_lsn.0.to_be_bytes());
            time(prepare_us, out);
            out.extend(xid.to_be_bytes());
            text(gid, out);
        }
        Message::Prepare(p) | Message::StreamPrepare(p) => prepared(&p, out),
        Message::CommitPrepared {
            commit_lsn,
            end_lsn,
            commit_us,
            xid,
            gid,
        } => prepared(
            &Prepared {
                prepare_lsn: commit_lsn,
                end_lsn,
                prepare_us: commit_us,
                xid,
                gid,
            },
            out,
        ),
        Message::RollbackPrepared {
            prepare_end_lsn,
            end_lsn,
            prepare_us,
            rollback_us,
            xid,
            gid,
        } => {
            out.push(0);
            out.extend(prepare_end_lsn.0.to_be_bytes());
            out.extend(end_lsn.0.to_be_bytes());
            time(prepare_us, out);
            time(rollback_us, out);
            out.extend(xid.to_be_bytes());
            text(gid, out);
        }
        _ => {}
    }
}

fn prepared(p: &Prepared<'_>, out: &mut Vec<u8>) {
    out.push(0);
    out.extend(p.prepare_lsn.0.to_be_bytes());
    out.extend(p.end_lsn.0.to_be_bytes());
    time(p.prepare_us, out);
    out.extend(p.xid.to_be_bytes());
    text(p.gid, out);
}

#[expect(clippy::expect_used, reason = "documented at the public functions")]
fn relation(r: &Relation, out: &mut Vec<u8>) {
    out.extend(r.oid.to_be_bytes());
    schema_name(&r.schema, out);
    text(&r.name, out);
    out.push(match r.replica_identity {
        ReplicaIdentity::Default => b'd',
        ReplicaIdentity::Nothing => b'n',
        ReplicaIdentity::Full => b'f',
        ReplicaIdentity::Index => b'i',
    });
    let count = u16::try_from(r.columns.len()).expect("at most 65535 columns");
    out.extend(count.to_be_bytes());
    for c in &r.columns {
        out.push(u8::from(c.identity));
        text(&c.name, out);
        out.extend(c.type_oid.to_be_bytes());
        out.extend(c.typmod.to_be_bytes());
    }
}

fn old_row(old: &OldTuple<'_>, out: &mut Vec<u8>) {
    match old {
        OldTuple::Key(t) => row(b'K', *t, out),
        OldTuple::Full(t) => row(b'O', *t, out),
    }
}

#[expect(
    clippy::expect_used,
    reason = "a tuple has no more columns than its field holds"
)]
fn row(mark: u8, tuple: Tuple<'_>, out: &mut Vec<u8>) {
    out.push(mark);
    out.extend(u16::try_from(tuple.len()).expect("16 bits").to_be_bytes());
    out.extend_from_slice(tuple.as_bytes());
}

/// The server sends the system catalog's schema as the empty string.
fn schema_name(schema: &str, out: &mut Vec<u8>) {
    text(if schema == "pg_catalog" { "" } else { schema }, out);
}

fn text(s: &str, out: &mut Vec<u8>) {
    assert!(!s.contains('\0'), "a string on the wire cannot hold a NUL");
    out.extend_from_slice(s.as_bytes());
    out.push(0);
}

fn time(us_since_1970: i64, out: &mut Vec<u8>) {
    out.extend(us_since_1970.wrapping_sub(EPOCH_US).to_be_bytes());
}
