//! Change data capture from PostgreSQL: from the replication socket to encoded records.
//!
//! The rooms, in the order in which a row passes them:
//!
//! 1. [`wire`]: one connection to a server: log-in, queries, COPY, the replication stream and its feedback.
//! 2. [`pgoutput`]: what the stream says: borrowed messages, the assembly of in-progress transactions.
//! 3. [`schema`]: what the [`catalog`] says about a relation; [`row`]: a row's column values, borrowed.
//! 4. [`types`]: a column's text form to a Kafka Connect value.
//! 5. [`envelope`]: Debezium's key, envelope and tombstone, by a plan compiled once a relation.
//! 6. [`batch`]: encoded records in one arena, on their way to a [`seam::Sink`].
//! 7. [`engine`]: the loop that ties them together: budget, acknowledgement, restart.
//! 8. [`offset`]: where positions are kept.
#![forbid(unsafe_code)]

mod append;
pub mod batch;
mod block;
pub mod catalog;
pub mod civil;
pub mod connect;
pub mod convert;
pub mod engine;
pub mod envelope;
pub mod error;
pub mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod incremental;
pub mod json;
pub mod lsn;
pub mod offset;
pub mod pgoutput;
pub mod position;
pub mod record;
pub mod row;
pub mod schema;
pub mod seam;
pub mod sink;
pub mod telemetry;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod transform;
pub mod types;
pub mod wire;

pub use batch::{Batch, FailedStage, Failure, HeadRef, Record, RecordHead, Topic};
pub use error::{Error, ErrorKind, Remedy};
pub use lsn::Lsn;
pub use position::{Checkpoint, Position, SnapshotProgress};
