//! Kafka: batches to topics, offsets in a compacted topic, topics to batches.
//!
//! The rooms, in the order in which a record passes them:
//!
//! 1. `config`: what the user says; `properties` and `jaas` read the Java client's names.
//! 2. `sink`: takes batches; its thread (`sink::worker`) makes sure that topics exist (`topics`) and hands records to
//!    librdkafka (`produce`), whose acknowledgements move the watermark (`delivery`).
//! 3. `offsets`: the offset record of a pipeline.
//! 4. `source`: reads topics back into batches.
//! 5. `registry`: schemas for the Avro converter.
//! 6. `probe`: what `pgcdc doctor` asks.
#![deny(unsafe_code)]

mod client;
mod config;
mod delivery;
mod error;
mod jaas;
mod offsets;
mod probe;
mod produce;
mod properties;
mod registry;
mod report;
mod sink;
mod source;
pub mod telemetry;
mod topics;

pub use config::{KafkaConfig, Scalar, TopicGroup, TopicsConfig};
pub use offsets::KafkaOffsetStore;
pub use probe::{BrokerInfo, probe};
pub use properties::is_secret;
pub use registry::{Registry, RegistryConfig};
pub use sink::{KafkaSink, SinkOptions};
pub use source::{
    ConsumedBatch, GroupWatch, KafkaSource, PartitionEnd, PartitionMove, ResetTo, SourceConfig,
};
