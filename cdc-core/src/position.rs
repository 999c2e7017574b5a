//! Positions in the stream of committed transactions, and what is stored of them.

use std::sync::Arc;

use crate::Lsn;
use crate::incremental::IncrementalProgress;

/// Position of one row: its transaction's commit, and its number in it.
///
/// A row's own WAL position is neither unique (one COPY record holds many rows) nor ordered between transactions;
/// this pair is both, and the same in every replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Start of the commit record (`final_lsn` of Begin, `commit_lsn` of Commit).
    pub commit_lsn: Lsn,
    /// Number of the row in its transaction, from 1 in decoding order; 0 stands before the first.
    /// Each table of a truncate counts as one row. A logical message in a transaction has the number of the row before it.
    pub seq: u64,
}

/// How far the initial snapshot has come, as far as a restart must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SnapshotProgress {
    /// No snapshot has begun, or none is wanted.
    #[default]
    None,
    /// Rows have been sent; after a crash it starts again from the first table.
    Running,
    /// All rows are durable.
    Completed,
}

/// What a restart needs once everything up to a record is durable downstream: the offset record's position part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Checkpoint {
    /// The last row covered. Rows at or below it are dropped in a replay.
    pub position: Position,
    /// Where streaming starts again: `end_lsn` of the last complete transaction, or an idle barrier above it.
    /// The only value that is ever acknowledged to the server.
    pub resume_lsn: Lsn,
    /// `end_lsn` of the last commit seen, for Debezium's `source.sequence`; zero if none yet.
    pub last_commit_lsn: Lsn,
    /// Transaction id of `position`, for Debezium's offset.
    pub xid: Option<u32>,
    /// WAL position of the row at `position`, for Debezium's offset.
    pub event_lsn: Lsn,
    /// Commit time of the last transaction, microseconds since 1970-01-01 UTC.
    pub commit_us: i64,
    /// State of the initial snapshot.
    pub snapshot: SnapshotProgress,
    /// The incremental snapshot that is under way, if one is. Shared, as each batch carries a checkpoint.
    pub incremental: Option<Arc<IncrementalProgress>>,
}
