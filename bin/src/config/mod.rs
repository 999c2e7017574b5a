//! The one configuration model: what a pipeline is made of.
//!
//! [`Config`] is what the YAML file says, key by key; `validate` turns it into [`Validated`], which is all that the
//! rest of the program sees. [`load`] reads YAML, expands `${ENV}` and says where in the file a fault lies.
//! Debezium's properties come in through [`crate::import`] and end in the same model.

mod check;
mod cloud_events;
mod connect;
mod converters;
pub mod load;
mod locate;
mod output;
mod problem;
pub mod schema;
mod secret;
mod signals;
mod snapshot;
mod source;
mod validate;

use std::collections::BTreeMap;

use cdc_core::envelope::{Format, OnRecordError};
use cdc_core::transform::{PredicateConfig, StepConfig};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::cloud_events::CloudEventsConfig;
pub use self::converters::{AvroConfig, ConverterConfig, ConvertersConfig, JsonConfig};
pub use self::load::LoadError;
pub use self::output::{
    FileOffsets, FileOutput, HttpConfig, LogConfig, LogFormat, OffsetsConfig, OutputConfig, PostgresOffsets,
};
pub(crate) use self::problem::nearest;
pub use self::problem::{Diagnostic, Problem};
pub use self::signals::{IncrementalConfig, SignalsConfig, WatermarksConfig};
pub use self::snapshot::{SnapshotConfig, SnapshotMode};
pub use self::source::{
    Budget, ChannelBinding, HeartbeatConfig, PublicationAutocreate, PublicationConfig, RetryConfig,
    SlotConfig, SourceConfig, SslMode, StreamingConfig, TargetSessionAttrs,
};
pub use self::validate::{Source, Stages, Validated};

/// A pipeline, as its YAML file describes it.
///
/// `source` and `kafka` send changes to Kafka; `source` and `index` send them straight to Elasticsearch or OpenSearch;
/// all three run both stages in one process; `kafka` and `index` without `source` run the index stage only.
/// `source` and `output` write to standard output or a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "pgcdc configuration")]
pub struct Config {
    /// Name of the pipeline. It is part of the offset's key: a run with the same name continues the last one.
    #[serde(default = "default_name")]
    pub name: String,
    /// The PostgreSQL database to read from.
    pub source: Option<SourceConfig>,
    /// Form of keys, values and headers, and the names of topics.
    #[serde(default)]
    pub format: Format,
    /// The Kafka cluster to write to, or to read from.
    pub kafka: Option<cdc_kafka::KafkaConfig>,
    /// Topics that the index stage reads from Kafka. Default: those that `source` writes.
    pub consume: Option<cdc_kafka::SourceConfig>,
    /// The Elasticsearch or OpenSearch cluster to write to.
    pub index: Option<sink_es::IndexConfig>,
    /// Output without Kafka and without an index.
    pub output: Option<OutputConfig>,
    /// Where positions are kept. Default: in Kafka when there is a `kafka` section, in memory for `output: stdout` and
    /// `output: null`; otherwise it must be given.
    pub offsets: Option<OffsetsConfig>,
    /// HTTP endpoints for metrics, health and status. Without this section none is opened.
    pub http: Option<HttpConfig>,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
    /// What a consumer may rely on after a crash.
    #[serde(default)]
    pub delivery: Delivery,
    /// Changes to each record between the source and what receives it, in order.
    #[serde(default)]
    pub transforms: Vec<StepConfig>,
    /// Conditions that `transforms` name.
    #[serde(default)]
    pub predicates: BTreeMap<String, PredicateConfig>,
    /// Other forms of keys, values and headers than the JSON that `format` describes.
    #[serde(default)]
    pub converters: ConvertersConfig,
    /// What happens with a record on which a transform or converter fails. Default: where the records go straight to the
    /// index, what `index.on_invalid_record` says; else `fail`.
    pub on_record_error: Option<OnRecordError>,
}

/// Delivery guarantee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Nothing is lost; after a crash some records may come twice.
    #[default]
    AtLeastOnce,
    /// Each record exactly once (not available yet).
    ExactlyOnce,
}

fn default_name() -> String {
    "pgcdc".into()
}
