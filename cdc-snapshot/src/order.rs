//! Puts the workers' batches into one order and gives the last rows their markers.
//!
//! A table's last row is not known before its end, and the snapshot's last row not before the end of all: each worker holds
//! its last row back, and this stage holds the newest of those until something else follows.

use cdc_core::envelope::{EventContext, RelationPlan, SnapshotMarker};
use cdc_core::{Batch, Error};
use std::sync::Arc;
use tokio::sync::mpsc;

use crate::worker::RowWriter;

/// What a worker sends.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Rows of a table, encoded.
    Rows(Batch),
    /// The last row of a table.
    Tail(Tail),
    /// Reading failed.
    Failed(Error),
}

/// A row held back: its line, and what is needed to encode it.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) line: Vec<u8>,
    pub(crate) plan: Arc<RelationPlan>,
    pub(crate) columns: usize,
    pub(crate) context: EventContext,
    /// Its marker unless it is the last of the table or of all: `First` also wins over the end of the table.
    pub(crate) first_of_all: bool,
}

/// Forwards pieces until all workers are done.
pub(crate) async fn forward(
    mut pieces: mpsc::Receiver<Piece>,
    mut writer: RowWriter,
    out: mpsc::Sender<Result<Batch, Error>>,
) {
    let mut held: Option<Tail> = None;
    while let Some(piece) = pieces.recv().await {
        let tail = held.take();
        if let Piece::Failed(error) = piece {
            // The receiver may be gone because of a stop: then nobody wants to know.
            drop(out.send(Err(error)).await);
            return;
        }
        if let Some(tail) = tail {
            let marker = if tail.first_of_all {
                SnapshotMarker::First
            } else {
                SnapshotMarker::LastInDataCollection
            };
            if out.send(writer.batch_of(tail, marker)).await.is_err() {
                return;
            }
        }
        match piece {
            Piece::Rows(batch) => {
                if out.send(Ok(batch)).await.is_err() {
                    return;
                }
            }
            Piece::Tail(tail) => held = Some(tail),
            Piece::Failed(_) => {}
        }
    }
    if let Some(tail) = held {
        drop(out.send(writer.batch_of(tail, SnapshotMarker::Last)).await);
    }
}
