//! The seams between the engine and what it writes to. Batches cross them, never single rows, so boxing is free.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;

use crate::{Batch, Checkpoint, Error};

/// A boxed future, so that sinks and stores can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where batches go.
///
/// # Ordering
/// Batches are numbered by the caller from 1 without gaps in the order of `write` calls; records with one key arrive
/// in that order. `durable` reports the highest number up to which every batch is durable, and only ever grows.
///
/// # Errors
/// A failed sink stays failed: the engine drops it, builds a new one and starts again from the stored offset. A failure
/// after `write` returned is reported by the next call or by the closing of the `durable` channel followed by `flush`.
pub trait Sink: Send {
    /// Takes the batch; returns once the sink owns it and has room for the next, not once it is durable.
    /// The emptied batch of an earlier call may be handed back for reuse.
    fn write(&mut self, batch: Batch) -> BoxFuture<'_, Result<Option<Batch>, Error>>;

    /// Number of the last batch up to which all are durable.
    fn durable(&self) -> watch::Receiver<u64>;

    /// Returns once every batch written is durable.
    fn flush(&mut self) -> BoxFuture<'_, Result<(), Error>>;

    /// Why the sink stopped, if it did: asked when the `durable` channel closes or `write` is not running.
    fn failure(&mut self) -> Option<Error> {
        None
    }
}

/// Identifies whose offset is stored. Two runs with equal keys continue each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PipelineKey {
    /// Name of the pipeline.
    pub pipeline: String,
    /// `topic.prefix`, the server name in Debezium's offset key.
    pub server: String,
}

/// Which server, database and slot a position belongs to. A position must not be used on another lineage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Lineage {
    /// `systemid` of IDENTIFY_SYSTEM.
    pub system_id: String,
    /// Timeline at the time of writing.
    pub timeline: u32,
    /// Database name.
    pub database: String,
    /// Slot name.
    pub slot: String,
    /// A hash of what the numbering of a transaction's rows depends on besides the WAL: the publication's name and the
    /// stream's options. Zero if it is not known.
    pub numbering: u32,
}

/// What is stored for a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct StoredOffset {
    /// Server, database, slot.
    pub lineage: Lineage,
    /// Position.
    pub checkpoint: Checkpoint,
}

/// Where offsets are kept.
///
/// # Durability
/// When `save` returns, a later `load`, also after a power loss, returns this offset or a newer one. A damaged record is an
/// error, never "no offset".
pub trait OffsetStore: Send {
    /// The stored offset, or none if there never was one.
    fn load(&mut self) -> BoxFuture<'_, Result<Option<StoredOffset>, Error>>;

    /// Stores an offset. The caller never goes back.
    fn save<'a>(&'a mut self, offset: &'a StoredOffset) -> BoxFuture<'a, Result<(), Error>>;

    /// Forgets the offset.
    fn clear(&mut self) -> BoxFuture<'_, Result<(), Error>>;
}
