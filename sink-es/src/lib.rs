//! The index sink: change events to documents in Elasticsearch and OpenSearch.
//!
//! The rooms, in the order in which a record passes them:
//!
//! 1. [`config`]: what the operator says, checked; `secret`, `tls`: what of it is read from files.
//! 2. `json`, `envelope`, `key`, `version`: what a record says: document, `_id`, version, by slicing its raw bytes.
//!    `partition`: what is remembered of the records before it.
//!    `unavailable`: values that the record does not have.
//!    `template`: texts made of it; `connect_schema`, `convert`, `infer`: what its schema says, values made to fit it, mappings.
//! 3. `route`: a topic to its index; `bulk`: action and document lines in one buffer.
//!    `prepare`: what must be there before documents are; `plan`: the same, only said; `rebuild`: an index
//!    beside another one.
//! 4. `lane`: one bulk in flight at a time, retried until every item is settled; `reply`: what the server said, `judge`:
//!    what follows for each item, `reason`: what of it may be shown; `current`: documents as they are now;
//!    `governor`, `portion`: how much is asked at once.
//! 5. `client`: hosts in turn, authentication, compression; `aws`: signatures, if that feature is on.
//!    `lookup`: requests of transforms.
//! 6. `settle`: batches done in order; `refresh`: what was written made searchable; `ladder`: how long
//!    it took; `dead_letter`: documents the server will never take, `original`: their records.
//!
//! [`IndexSink`] ties them together behind [`cdc_core::seam::Sink`].
#![forbid(unsafe_code)]

#[cfg_attr(not(feature = "aws"), path = "unsigned.rs")]
mod aws;
mod backoff;
mod before;
mod bulk;
mod client;
pub mod config;
mod connect_schema;
mod convert;
mod current;
mod dead_letter;
mod delivery;
mod encode;
mod envelope;
mod governor;
mod hits;
mod infer;
mod json;
mod judge;
mod key;
mod ladder;
mod lane;
mod lookup;
mod original;
mod partition;
mod plan;
mod portion;
mod prepare;
mod probe;
mod reason;
mod rebuild;
mod refresh;
mod reply;
mod route;
mod secret;
mod settle;
mod sink;
pub mod telemetry;
mod template;
mod tls;
mod unavailable;
mod version;

pub use config::{AuthConfig, BadDocument, BulkConfig, DeleteOn, IndexConfig, TlsConfig, Versions, Write};
pub use envelope::schema_of;
pub use ladder::Latency;
pub use lookup::HttpSearch;
pub use partition::{Partitions, Remembered};
pub use plan::{PlannedRequest, TopicPlan, plan};
pub use probe::{ClusterInfo, missing_pipelines, probe, probe_topic};
pub use rebuild::{Compared, Difference, FilledFrom, Rebuild};
pub use refresh::Refresher;
pub use sink::IndexSink;
pub use version::Floors;
