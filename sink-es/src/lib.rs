//! The index sink: change events to documents in Elasticsearch and OpenSearch.
//!
//! The rooms, in the order in which a record passes them:
//!
//! 1. [`config`]: what the operator says, checked; `secret`, `tls`: what of it is read from files.
//! 2. `json`, `envelope`, `key`, `version`: what a record says: document, `_id`, version, by slicing its raw bytes.
//! 3. `route`: a topic to its index; `bulk`: action and document lines in one buffer.
//! 4. `lane`: one bulk in flight at a time, retried until every item is settled; `reply`: what the server said.
//! 5. `client`: hosts in turn, authentication, compression.
//! 6. `settle`: batches done in order; `dead_letter`: documents the server will never take.
//!
//! [`IndexSink`] ties them together behind [`cdc_core::seam::Sink`].
#![forbid(unsafe_code)]

mod backoff;
mod bulk;
mod client;
pub mod config;
mod dead_letter;
mod delivery;
mod encode;
mod envelope;
mod json;
mod key;
mod lane;
mod probe;
mod reply;
mod route;
mod secret;
mod settle;
mod sink;
pub mod telemetry;
mod tls;
mod version;

pub use config::{AuthConfig, BadDocument, BulkConfig, DeleteOn, IndexConfig, TlsConfig, Versions};
pub use probe::{ClusterInfo, probe, probe_topic};
pub use sink::IndexSink;
