//! Puts the workers' batches into one order and gives the last rows their markers.
//!
//! A table's last row is not known before its end, and the snapshot's last row not before the end of all: each worker holds
//! its last row back, and this stage holds the newest of those until something else follows.

use cdc_core::envelope::{EventContext, RelationPlan, SnapshotMarker};
use cdc_core::{Batch, Error, ErrorKind};
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
    /// A worker has found no more to read.
    Done,
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

/// Forwards pieces until all workers have said that they are done. One that ends without a word (its task was aborted, or
/// a defect ended it) makes the snapshot a failure, never a shorter one.
pub(crate) async fn forward(
    mut pieces: mpsc::Receiver<Piece>,
    mut workers: usize,
    mut writer: RowWriter,
    out: mpsc::Sender<Result<Batch, Error>>,
) {
    let mut held: Option<Tail> = None;
    while workers > 0 {
        let piece = match pieces.recv().await {
            Some(Piece::Done) => {
                workers -= 1;
                continue;
            }
            Some(piece) => piece,
            None => Piece::Failed(Error::new(
                ErrorKind::Io,
                "a snapshot worker ended before its tables were read",
            )),
        };
        if let Piece::Failed(error) = piece {
            // The receiver may be gone because of a stop: then nobody wants to know.
            drop(out.send(Err(error)).await);
            return;
        }
        if let Some(tail) = held.take() {
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
            Piece::Failed(_) | Piece::Done => {}
        }
    }
    if let Some(tail) = held {
        drop(out.send(writer.batch_of(tail, SnapshotMarker::Last)).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cdc_core::envelope::{Encoder, Format};
    use cdc_core::filter::{Capture, Filters};

    async fn outcome(pieces: Vec<Piece>, workers: usize) -> Vec<Result<usize, ErrorKind>> {
        let capture = Arc::new(Capture::new(&Filters::default()).unwrap());
        let format = Format {
            topic_prefix: "p".into(),
            ..Format::default()
        };
        let encoder = Encoder::new(Arc::new(format), capture, "d").unwrap();
        let (send, receive) = mpsc::channel(8);
        let (out, mut batches) = mpsc::channel(8);
        for piece in pieces {
            send.send(piece).await.unwrap();
        }
        drop(send);
        forward(receive, workers, RowWriter::new(encoder), out).await;
        let mut seen = Vec::new();
        while let Some(batch) = batches.recv().await {
            seen.push(batch.map(|b| b.len()).map_err(|e| e.kind()));
        }
        seen
    }

    #[tokio::test]
    async fn a_worker_that_ends_without_a_word_fails_the_snapshot() {
        let rows = || Piece::Rows(Batch::default());
        assert_eq!(outcome(vec![rows(), Piece::Done, Piece::Done], 2).await, [Ok(0)]);
        assert_eq!(
            outcome(vec![Piece::Done, rows()], 2).await,
            [Ok(0), Err(ErrorKind::Io)]
        );
    }
}
