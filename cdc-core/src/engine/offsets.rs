//! Stores checkpoints beside the stream, so that a slow store never holds up rows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::JoinHandle;

use super::status::Status;
use crate::seam::{Lineage, OffsetStore, StoredOffset};
use crate::{Checkpoint, Error, ErrorKind, Lsn};

/// Owns the store while a pipeline runs: takes the newest checkpoint, saves it, tells how far saving has come.
pub(crate) struct OffsetWriter {
    lineage: Lineage,
    submit: watch::Sender<Option<Checkpoint>>,
    saved: watch::Receiver<Lsn>,
    task: JoinHandle<(Box<dyn OffsetStore>, Result<(), Error>)>,
}

impl std::fmt::Debug for OffsetWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OffsetWriter")
            .field("saved", &*self.saved.borrow())
            .finish_non_exhaustive()
    }
}

/// Least time between two saves: at most 10 fsyncs or small produce requests a second, and at most as much WAL is
/// kept longer than needed.
const SAVE_INTERVAL: Duration = Duration::from_millis(100);

impl OffsetWriter {
    /// Starts the task that owns `store`. It holds `turn` until it ends: a save that is under way when an attempt fails
    /// must not come after one of the next attempt's.
    pub(crate) fn start(
        store: Box<dyn OffsetStore>,
        lineage: Lineage,
        status: Arc<Status>,
        turn: OwnedMutexGuard<()>,
    ) -> Self {
        let (submit, wanted) = watch::channel(None);
        let (done, saved) = watch::channel(Lsn::ZERO);
        status.timeline_is(lineage.timeline);
        let work = write(store, lineage.clone(), status, wanted, done);
        let task = tokio::spawn(async move {
            let written = work.await;
            drop(turn);
            written
        });
        Self {
            lineage,
            submit,
            saved,
            task,
        }
    }

    /// Asks for a checkpoint to be saved; a newer one replaces one that waits.
    pub(crate) fn submit(&self, checkpoint: Checkpoint) {
        self.submit.send_replace(Some(checkpoint));
    }

    /// `resume_lsn` of the last checkpoint saved: what may be acknowledged. Closes when the store failed.
    pub(crate) fn saved(&self) -> watch::Receiver<Lsn> {
        self.saved.clone()
    }

    /// Why saving ended, once [`saved`](Self::saved) has closed.
    pub(crate) async fn failure(self) -> Error {
        let slot = self.lineage.slot.clone();
        self.close()
            .await
            .err()
            .unwrap_or_else(|| Error::new(ErrorKind::Offset, format!("offset writer of slot {slot} ended")))
    }

    /// Saves what waits and gives the store back.
    ///
    /// # Errors
    /// The store's, of this or an earlier save.
    pub(crate) async fn close(self) -> Result<Box<dyn OffsetStore>, Error> {
        drop(self.submit);
        let (store, result) = self.task.await.map_err(|e| {
            Error::new(
                ErrorKind::Offset,
                format!("offset writer of slot {} ended", self.lineage.slot),
            )
            .with_source(e)
        })?;
        result.map(|()| store)
    }
}

async fn write(
    mut store: Box<dyn OffsetStore>,
    lineage: Lineage,
    status: Arc<Status>,
    mut wanted: watch::Receiver<Option<Checkpoint>>,
    done: watch::Sender<Lsn>,
) -> (Box<dyn OffsetStore>, Result<(), Error>) {
    // A value that waits is still seen after the sender is gone; only then does `changed` fail.
    while wanted.changed().await.is_ok() {
        let next = wanted.borrow_and_update().clone();
        let Some(checkpoint) = next else { continue };
        let resume = checkpoint.resume_lsn;
        let offset = StoredOffset {
            lineage: Lineage {
                timeline: status.timeline(),
                ..lineage.clone()
            },
            checkpoint,
        };
        if let Err(error) = store.save(&offset).await {
            return (store, Err(error));
        }
        done.send_replace(resume);
        tokio::select! {
            biased;
            () = closed(&wanted) => {}
            () = tokio::time::sleep(SAVE_INTERVAL) => {}
        }
    }
    (store, Ok(()))
}

/// Resolves when the sender is gone, so that closing does not wait for the interval.
async fn closed(wanted: &watch::Receiver<Option<Checkpoint>>) {
    let mut wanted = wanted.clone();
    while wanted.changed().await.is_ok() {}
}
