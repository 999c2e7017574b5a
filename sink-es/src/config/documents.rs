//! What becomes of a record: document, `_id`, version, deletion, and what happens when none of it can be had.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// What a document is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFrom {
    /// The row after the change, out of Debezium's envelope. A value that is no envelope is the row itself.
    #[default]
    Row,
    /// The value as it is, envelopes included.
    Value,
}

/// How documents are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// A document replaces the one before it.
    #[default]
    Insert,
    /// The fields of a document are put into the one before it; fields that it lacks stay. Such writes carry no version:
    /// a change that is read again is written again.
    Upsert,
}

/// Where a document's `_id` comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdFrom {
    /// The fields of the key; a record without a key gets its coordinates.
    #[default]
    Key,
    /// The text of the key as it is, JSON included.
    KeyText,
    /// Topic, partition and offset, joined by `+`: each record is a document of its own.
    Coordinates,
    /// The server's choice: each record is a document of its own, and one that is read again is there twice.
    Auto,
}

/// Where a document's version comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Versions {
    /// The change's position in the write-ahead log: a repeated or late change never brings back an older state.
    #[default]
    ExternalFromWal,
    /// The record's Kafka offset, as other connectors do. Only for records consumed from Kafka; a topic that is created
    /// anew starts again at 0, and its documents are then taken for old ones.
    KafkaOffset,
    /// The whole number in this header of the record.
    Header(String),
    /// None: the last write wins, repeated changes included.
    None,
}

/// What deletes a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteOn {
    /// Delete events and tombstones.
    #[default]
    Any,
    /// Delete events only; tombstones are skipped.
    DeleteEvent,
    /// Tombstones only; delete events are skipped.
    Tombstone,
    /// Nothing: both are skipped.
    Nothing,
    /// Nothing: both are records that cannot be made into documents (`on_invalid_record`).
    Refuse,
}

/// What happens to a document that the server will never take, or to a record that cannot be made into one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadDocument {
    /// Stop; the error names topic, position and reason.
    #[default]
    Fail,
    /// Leave it out; logged with its position and counted.
    Skip,
    /// Append it to this file, one JSON object a line with reason, position, headers and document; then go on.
    DeadLetter(PathBuf),
    /// Send its record to this Kafka topic, with Kafka Connect's error headers; then go on. Needs the `kafka` section.
    DeadLetterTopic(String),
}

/// What is different for some topics. Of several that match, the later one's fields win.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TopicOverride {
    /// Names of the topics.
    pub topics: Vec<String>,
    /// Regular expression that matches the whole names of further topics.
    pub topics_regex: Option<String>,
    /// As `index.name`.
    pub name: Option<String>,
    /// As `index.write`.
    pub write: Option<Write>,
    /// As `index.id_from`.
    pub id_from: Option<IdFrom>,
    /// As `index.id_template`.
    pub id_template: Option<String>,
    /// As `index.routing`.
    pub routing: Option<String>,
    /// As `index.pipeline`.
    pub pipeline: Option<String>,
    /// As `index.mapping.infer`. When false, the documents of these topics are not converted either.
    pub infer: Option<bool>,
}

/// A data stream a topic: documents are only ever added.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataStreamConfig {
    /// First part of the name, such as `logs` or `metrics`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Second part of the name.
    pub dataset: String,
    /// Third part of the name; `{topic}` stands for the record's topic.
    #[serde(default = "topic")]
    pub namespace: String,
    /// Fields of which the first that is there becomes `@timestamp`; without any it is the record's timestamp.
    #[serde(default)]
    pub timestamp_fields: Vec<String>,
}

/// Indexes, data streams or aliases that others have made, one a topic. A topic that is not listed is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcesConfig {
    /// What they are.
    pub kind: ResourceKind,
    /// Topic to name.
    pub by_topic: std::collections::BTreeMap<String, String>,
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// An index.
    Index,
    /// A data stream.
    DataStream,
    /// An alias of indexes, one of which is for writing.
    AliasIndex,
    /// An alias of data streams, one of which is for writing.
    AliasDataStream,
}

impl ResourceKind {
    /// Whether documents are only ever added.
    #[must_use]
    pub fn is_data_stream(self) -> bool {
        matches!(self, Self::DataStream | Self::AliasDataStream)
    }
}

fn topic() -> String {
    "{topic}".into()
}
