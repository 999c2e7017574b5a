//! Incremental snapshots: tables read in chunks beside the stream, at the request of a row in the signal table.
//!
//! A chunk is read between two marks, rows that the reader writes into the signal table and that come back in the stream.
//! What the stream changes between the marks is newer than, or the same as, what the chunk has read, so those rows are left
//! out; the others are written where the second mark stands. `signal` reads the rows of the signal table, `window` holds
//! one chunk and what changed meanwhile, `machine` decides what is read next, `watch` ties them to the stream. None of them
//! does any input or output: a [`ChunkReader`](super::Snapshotter::read_chunks) reads chunks and writes marks.
//!
//! # Why a chunk never brings an old state last
//! Let O and C be the commits of the two marks, and S the state that the chunk was read in; S was taken after O had been
//! committed and before C was. A change that commits before O is in the chunk; one between O and C removes its row from
//! the window; one after C follows in the stream. One gap is left, which Debezium has: a transaction that stands in the log
//! before O may still be invisible for S, because a commit becomes visible some time after its record is written, a long
//! time where it waits for a synchronous standby. So the reader says which transactions its state does not show, and if one
//! of them was delivered before O, the chunk is read again.
//!
//! # Positions and versions
//! The stream's numbering `(commit_lsn, seq)` must be the same in every replay, whether a snapshot ran or not: a chunk's
//! rows have no numbers of their own. They stand at the position of the row *before* the closing mark, `(C, seq − 1)`, told
//! apart by the third part of `pgcdc.pos`, which counts from 2 there (a row of the stream makes at most the records 0 and
//! 1). So they sort behind everything that was delivered before them and in front of the mark, in the order in which they
//! are written.
//!
//! Their version for last-writer-wins sinks is that of the closing mark's transaction: the end of the last commit before
//! it. Every change that the row already shows committed before O, so its version is lower: the row is not dropped as
//! older than an older one. Every change that the row does not show and the window let pass comes after C, with the end of
//! C or a later commit as its version: the row never overwrites it. A consumer of the topic that goes by `pgcdc.pos` has C
//! itself for the row, and what commits before O and after C lies on the right sides of that too; one that goes by
//! `source.sequence` finds the same number there, since the opening mark's commit has always been seen before.
//!
//! After a crash the stored progress holds at the stored checkpoint. Rows up to the checkpoint's position, the closing mark
//! included, had been delivered when it was stored, and the progress says so; a chunk of which a part had been sent is read
//! again, between marks of its own. The old closing mark comes again too, and is of no window that anybody waits for.

mod machine;
mod signal;
mod watch;
mod window;

pub(crate) use signal::Execute;
pub(crate) use watch::{Reaction, Watch};
#[cfg(test)]
pub(super) use window::tests as window_tests;
pub use window::{Chunk, ServerSnapshot};

use tokio::sync::mpsc;

use crate::Error;
use crate::envelope::Encoder;
use crate::incremental::{KeyValues, TableRequest};
use crate::schema::TypeCatalog;
use crate::wire::ConnectOptions;

/// How the end of a window is marked in the signal table (`incremental.snapshot.watermarking.strategy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Watermarks {
    /// By a second row.
    #[default]
    InsertInsert,
    /// By deleting the row that marked the beginning.
    InsertDelete,
}

/// The table whose rows are signals, and how snapshots that they ask for are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalOptions {
    /// Schema of the signal table, unquoted.
    pub schema: String,
    /// Name of the signal table, unquoted.
    pub table: String,
    /// How the end of a window is marked.
    pub watermarks: Watermarks,
    /// Rows of a chunk.
    pub chunk_rows: u32,
    /// Bytes of a chunk's column values; one with more has fewer rows.
    pub chunk_bytes: usize,
}

impl SignalOptions {
    /// The defaults for everything but the table.
    #[must_use]
    pub fn new(schema: &str, table: &str) -> Self {
        Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            watermarks: Watermarks::default(),
            chunk_rows: Self::CHUNK_ROWS,
            chunk_bytes: Self::CHUNK_BYTES,
        }
    }

    /// Debezium's `incremental.snapshot.chunk.size`.
    pub const CHUNK_ROWS: u32 = 1024;
    /// 4 MiB: 1024 rows of 4 KiB.
    pub const CHUNK_BYTES: usize = 4 << 20;

    /// Whether this is the signal table.
    #[must_use]
    pub fn is(&self, schema: &str, table: &str) -> bool {
        self.schema == schema && self.table == table
    }
}

/// A chunk that is to be read.
#[derive(Clone, Debug)]
pub struct ChunkRequest {
    /// Identifies the window: the marks' ids are this with `-open` and `-close`.
    pub window: String,
    /// Which table, which of its rows, by which key.
    pub table: TableRequest,
    /// The chunk begins behind this key; none: with the first row.
    pub after: Option<KeyValues>,
    /// Highest key; none: the reader finds it.
    pub maximum: Option<KeyValues>,
}

/// What became of a chunk.
#[derive(Debug)]
pub struct ChunkReply {
    /// Which one.
    pub window: String,
    /// What became of it.
    pub outcome: ChunkOutcome,
}

/// What became of a chunk.
#[derive(Debug)]
pub enum ChunkOutcome {
    /// Its rows, at least one. The closing mark is written after this was sent.
    Rows(Box<Chunk>),
    /// There is none left: the table is done.
    Finished,
    /// The table cannot be read, which is for its owner to mend: the next one follows.
    Skipped(Error),
    /// The marks cannot be written, which is for an operator to mend: the snapshot ends.
    Refused(Error),
    /// Anything else: the pipeline starts again, and with it this chunk.
    Failed(Error),
}

/// What a reader of chunks is given.
#[derive(Debug)]
pub struct ChunkJob {
    /// Server and role.
    pub connect: ConnectOptions,
    /// Statements run on each new connection.
    pub initial_statements: Vec<String>,
    /// Signal table, sizes.
    pub options: SignalOptions,
    /// Name of the signal table's first column, which holds the ids.
    pub id_column: String,
    /// Types known so far.
    pub types: TypeCatalog,
    /// To compile plans with.
    pub encoder: Encoder,
    /// What is to be read, one after the other. The reader ends when this does.
    pub requests: mpsc::UnboundedReceiver<ChunkRequest>,
    /// Where what was read goes.
    pub replies: mpsc::Sender<ChunkReply>,
}
