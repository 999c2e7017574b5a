//! The messages.

use crate::Lsn;
use crate::schema::Oid;

use super::relation::Relation;
use super::tuple::{OldTuple, Tuple};

/// One message. Names and rows are borrowed from the payload; times are microseconds since 1970-01-01 UTC.
///
/// The transaction number in front of a message inside a chunk is no part of it: see [`decode`](super::decode()).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// `B`: a committed transaction begins.
    Begin {
        /// Start of the commit record.
        final_lsn: Lsn,
        /// Commit time.
        commit_us: i64,
        /// Transaction.
        xid: u32,
    },
    /// `C`: the transaction ends.
    Commit {
        /// Start of the commit record, as in Begin.
        commit_lsn: Lsn,
        /// First byte after the commit record.
        end_lsn: Lsn,
        /// Commit time.
        commit_us: i64,
    },
    /// `O`: the transaction was replayed from another server.
    Origin {
        /// Commit position on the origin; zero in a chunk.
        lsn: Lsn,
        /// Name of the origin.
        name: &'a str,
    },
    /// `R`: how the rows of a relation look from here on.
    Relation(Relation),
    /// `Y`: a type that is not built in, before the relation that uses it.
    Type {
        /// `pg_type.oid`.
        oid: Oid,
        /// Schema.
        schema: &'a str,
        /// Name; of the base type if `oid` is a domain.
        name: &'a str,
    },
    /// `I`: a row was inserted.
    Insert {
        /// `pg_class.oid`.
        relation: Oid,
        /// The row.
        new: Tuple<'a>,
    },
    /// `U`: a row was updated.
    Update {
        /// `pg_class.oid`.
        relation: Oid,
        /// What is known of the row before; none if its identity did not change.
        old: Option<OldTuple<'a>>,
        /// The row after.
        new: Tuple<'a>,
    },
    /// `D`: a row was deleted.
    Delete {
        /// `pg_class.oid`.
        relation: Oid,
        /// What is known of the row.
        old: OldTuple<'a>,
    },
    /// `T`: relations were truncated by one statement.
    Truncate {
        /// `CASCADE`.
        cascade: bool,
        /// `RESTART IDENTITY`.
        restart_identity: bool,
        /// `pg_class.oid` of each published one.
        relations: Oids<'a>,
    },
    /// `M`: `pg_logical_emit_message`.
    Message {
        /// Whether it belongs to a transaction; if not, it comes at once, whatever becomes of the transaction.
        transactional: bool,
        /// Its position.
        lsn: Lsn,
        /// Prefix.
        prefix: &'a str,
        /// Content.
        content: &'a [u8],
    },
    /// `S`: a chunk of an in-progress transaction begins.
    StreamStart {
        /// Top-level transaction.
        xid: u32,
        /// Whether it is the transaction's first chunk.
        first: bool,
    },
    /// `E`: the chunk ends.
    StreamStop,
    /// `c`: a transaction sent in chunks was committed.
    StreamCommit {
        /// Top-level transaction.
        xid: u32,
        /// Start of the commit record.
        commit_lsn: Lsn,
        /// First byte after it.
        end_lsn: Lsn,
        /// Commit time.
        commit_us: i64,
    },
    /// `A`: a transaction sent in chunks, or a sub-transaction of it, was rolled back.
    StreamAbort {
        /// Top-level transaction.
        xid: u32,
        /// What was rolled back; equals `xid` for the whole.
        subxid: u32,
        /// Position and time of the abort, sent if `streaming` is `parallel`.
        abort: Option<(Lsn, i64)>,
    },
    /// `b`: a transaction begins that was prepared for two-phase commit.
    BeginPrepare {
        /// Start of the prepare record.
        prepare_lsn: Lsn,
        /// First byte after it.
        end_lsn: Lsn,
        /// Time of the prepare.
        prepare_us: i64,
        /// Transaction.
        xid: u32,
        /// Global identifier.
        gid: &'a str,
    },
    /// `P`: the prepared transaction's changes end.
    Prepare(Prepared<'a>),
    /// `K`: a prepared transaction was committed.
    CommitPrepared {
        /// Start of the commit record.
        commit_lsn: Lsn,
        /// First byte after it.
        end_lsn: Lsn,
        /// Commit time.
        commit_us: i64,
        /// Transaction.
        xid: u32,
        /// Global identifier.
        gid: &'a str,
    },
    /// `r`: a prepared transaction was rolled back.
    RollbackPrepared {
        /// First byte after the prepare record.
        prepare_end_lsn: Lsn,
        /// First byte after the rollback record.
        end_lsn: Lsn,
        /// Time of the prepare.
        prepare_us: i64,
        /// Time of the rollback.
        rollback_us: i64,
        /// Transaction.
        xid: u32,
        /// Global identifier.
        gid: &'a str,
    },
    /// `p`: a transaction sent in chunks was prepared.
    StreamPrepare(Prepared<'a>),
}

/// What Prepare and Stream Prepare say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Start of the prepare record.
    pub prepare_lsn: Lsn,
    /// First byte after it.
    pub end_lsn: Lsn,
    /// Time of the prepare.
    pub prepare_us: i64,
    /// Transaction.
    pub xid: u32,
    /// Global identifier.
    pub gid: &'a str,
}

impl Message<'_> {
    /// The message's tag on the wire.
    #[must_use]
    pub fn tag(&self) -> u8 {
        match self {
            Self::Begin { .. } => b'B',
            Self::Commit { .. } => b'C',
            Self::Origin { .. } => b'O',
            Self::Relation(_) => b'R',
            Self::Type { .. } => b'Y',
            Self::Insert { .. } => b'I',
            Self::Update { .. } => b'U',
            Self::Delete { .. } => b'D',
            Self::Truncate { .. } => b'T',
            Self::Message { .. } => b'M',
            Self::StreamStart { .. } => b'S',
            Self::StreamStop => b'E',
            Self::StreamCommit { .. } => b'c',
            Self::StreamAbort { .. } => b'A',
            Self::BeginPrepare { .. } => b'b',
            Self::Prepare(_) => b'P',
            Self::CommitPrepared { .. } => b'K',
            Self::RollbackPrepared { .. } => b'r',
            Self::StreamPrepare(_) => b'p',
        }
    }

    /// The message's name, for errors and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        message_name(self.tag())
    }
}

/// Name of the message with this tag, for errors and logs.
#[must_use]
pub fn message_name(tag: u8) -> &'static str {
    match tag {
        b'B' => "begin",
        b'C' => "commit",
        b'O' => "origin",
        b'R' => "relation",
        b'Y' => "type",
        b'I' => "insert",
        b'U' => "update",
        b'D' => "delete",
        b'T' => "truncate",
        b'M' => "message",
        b'S' => "stream start",
        b'E' => "stream stop",
        b'c' => "stream commit",
        b'A' => "stream abort",
        b'b' => "begin prepare",
        b'P' => "prepare",
        b'K' => "commit prepared",
        b'r' => "rollback prepared",
        b'p' => "stream prepare",
        _ => "unknown message",
    }
}

/// The relations of a truncate, in the server's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oids<'a> {
    bytes: &'a [u8],
}

impl<'a> Oids<'a> {
    /// Over big-endian 32-bit numbers; a shorter rest is not read.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl Iterator for Oids<'_> {
    type Item = Oid;

    fn next(&mut self) -> Option<Oid> {
        let (head, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(u32::from_be_bytes(*head))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.bytes.len() / 4;
        (n, Some(n))
    }
}

impl ExactSizeIterator for Oids<'_> {}
