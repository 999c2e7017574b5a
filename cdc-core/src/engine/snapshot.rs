//! The seam to the snapshot reader, and the loop that brings its rows to the sink.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::incremental::ChunkJob;
use super::status::Status;
use crate::envelope::Encoder;
use crate::schema::{Table, TypeCatalog};
use crate::seam::BoxFuture;
use crate::wire::ConnectOptions;
use crate::{Batch, Error, Lsn};

/// What a snapshot reads.
#[derive(Debug)]
pub struct SnapshotJob {
    /// Server and role.
    pub connect: ConnectOptions,
    /// Statements run on each new connection.
    pub initial_statements: Vec<String>,
    /// Name of the exported snapshot to read in; none: the reader takes one of its own.
    pub exported: Option<String>,
    /// WAL position that the rows carry: that of the snapshot, which sees exactly the transactions that commit below, or an
    /// earlier one where the stream begins before the snapshot. None: the reader asks for the current position.
    pub lsn: Option<Lsn>,
    /// Version of the rows for last-writer-wins sinks; none: the position that they carry.
    pub version: Option<Lsn>,
    /// Tables, in the order in which their rows are to come.
    pub tables: Vec<Table>,
    /// Types of their columns.
    pub types: Arc<TypeCatalog>,
    /// Encoder; each worker takes a clone.
    pub encoder: Encoder,
    /// Progress goes here.
    pub status: Arc<Status>,
    /// Ends the reading early.
    pub stop: CancellationToken,
}

/// Reads tables as they stood at one position.
///
/// # Ordering
/// Rows of one table come in one order of their own; the last batch holds the row marked `last`. A batch's checkpoint is
/// not looked at.
///
/// # Errors
/// The last item of the channel is the error if there was one. The channel closes after the last batch.
pub trait Snapshotter: Send + Sync + std::fmt::Debug {
    /// Returns once every connection has taken the snapshot, so that the exporting connection may go on.
    fn begin(&self, job: SnapshotJob) -> BoxFuture<'_, Result<mpsc::Receiver<Result<Batch, Error>>, Error>>;

    /// Reads chunks of tables for incremental snapshots, one after the other, until no more requests can come. For each:
    /// writes the opening mark, reads, replies, writes the closing mark, each committed before the next.
    ///
    /// # Ordering
    /// The reply is sent before the closing mark is written: whoever sees the mark in the stream has the rows. What a chunk
    /// is read in must have been taken after the opening mark was committed.
    ///
    /// # Errors
    /// Each in a reply.
    fn read_chunks(&self, job: ChunkJob) -> BoxFuture<'static, ()>;
}
