//! The engine: one pipeline from a server to a sink.
//!
//! `prepare` decides where to begin, a [`Snapshotter`] reads the tables if that is wanted, `stream` follows the WAL.
//! There is one recovery path: whatever fails, everything is dropped and the next attempt starts from the stored offset.
//!
//! # Embedding
//! ```no_run
//! # use std::sync::Arc;
//! # use cdc_core::{engine::{Pipeline, SourceOptions}, envelope::Format, filter::Capture, wire::ConnectOptions};
//! # async fn example() -> Result<(), cdc_core::Error> {
//! let connect = ConnectOptions::parse("postgres://cdc@db.example/shop")?;
//! let source = SourceOptions::new(connect, "shop_slot", "shop_pub");
//! let pipeline = Pipeline::builder(source)
//!     .for_each(|batch| {
//!         for record in batch.records() {
//!             println!("{} {:?}", record.head.topic.name, record.value.map(<[u8]>::len));
//!         }
//!         Ok(())
//!     })
//!     .build()?;
//! pipeline.run(tokio_util::sync::CancellationToken::new()).await
//! # }
//! ```

mod builder;
mod describe;
mod incremental;
mod monitor;
mod offsets;
mod options;
mod prepare;
mod session;
mod snapshot;
mod start;
mod status;
mod stream;
mod tracker;
mod translate;

pub use builder::{Clock, OffsetFactory, Pipeline, PipelineBuilder, RetryOptions, SinkFactory};
pub use incremental::{
    Chunk, ChunkJob, ChunkOutcome, ChunkReply, ChunkRequest, ServerSnapshot, SignalOptions, Watermarks,
};
pub use options::{
    HeartbeatOptions, PublicationMode, PublicationOptions, SlotOptions, SnapshotMode, SourceOptions,
};
pub use session::open_session;
pub use snapshot::{SnapshotJob, Snapshotter};
pub use status::{IncrementalStatus, Phase, Status};
