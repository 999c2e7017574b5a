//! The parts of one attempt: the job of the snapshot's reader, the watch of the signal table.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use crate::engine::describe::Describer;
use crate::engine::incremental::{ChunkJob, Watch};
use crate::engine::options::SourceOptions;
use crate::engine::prepare::SnapshotStart;
use crate::engine::snapshot::SnapshotJob;
use crate::incremental::IncrementalProgress;
use crate::pgoutput::SpoolOptions;
use crate::{Error, ErrorKind};

impl Pipeline {
    pub(super) fn spool(&self) -> SpoolOptions {
        SpoolOptions {
            memory_bytes: self.source.spool_memory,
            directory: self.source.spool_dir.clone(),
        }
    }

    pub(super) fn job(
        &self,
        source: &SourceOptions,
        snapshot: &SnapshotStart,
        mut tables: Vec<crate::schema::Table>,
        types: crate::schema::TypeCatalog,
        stop: &CancellationToken,
    ) -> SnapshotJob {
        if let Some(signals) = &source.signals {
            // Signals of before the stream are not followed, and not rows that anybody asks for.
            tables.retain(|t| !signals.is(&t.schema, &t.name));
        }
        SnapshotJob {
            connect: source.connect.clone(),
            initial_statements: source.initial_statements.clone(),
            exported: snapshot.name.clone(),
            lsn: snapshot.lsn,
            version: self.source.snapshot_version,
            tables,
            types: Arc::new(types),
            encoder: self.encoder.clone(),
            status: Arc::clone(&self.status),
            stop: stop.child_token(),
        }
    }

    /// What follows the signal table, with its reader at work; none if there is no such table.
    pub(super) fn watch(
        &self,
        source: &SourceOptions,
        id_column: Option<String>,
        progress: Option<Arc<IncrementalProgress>>,
        describer: &Describer,
    ) -> Result<Option<Watch>, Error> {
        let Some(options) = &source.signals else {
            if progress.is_some() {
                tracing::warn!(
                    "an incremental snapshot is under way and no signal table is configured: it waits until one is again"
                );
            }
            return Ok(None);
        };
        let Some(reader) = &self.snapshotter else {
            return Err(Error::new(ErrorKind::Config, "the pipeline has no snapshotter"));
        };
        if progress.is_some() {
            tracing::info!("an incremental snapshot goes on where it was stopped");
        }
        let (ask, requests) = mpsc::unbounded_channel();
        // One chunk is asked for at a time; a second reply waits only behind one that was given up.
        let (replies, answers) = mpsc::channel(1);
        let job = ChunkJob {
            connect: source.connect.clone(),
            initial_statements: source.initial_statements.clone(),
            options: options.clone(),
            id_column: id_column.unwrap_or_default(),
            types: describer.types().clone(),
            encoder: self.encoder.clone(),
            requests,
            replies,
        };
        let reader = tokio::spawn(reader.read_chunks(job));
        Ok(Some(Watch::new(
            options.clone(),
            progress,
            ask,
            answers,
            Some(reader),
            Arc::clone(&self.status),
            self.meters.clone(),
        )))
    }
}
