//! What the Avro converter needs of a schema registry.

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::ConvertError;

/// A Confluent-compatible schema registry.
///
/// Calls block: they come once a schema, not once a record.
///
/// # Errors
/// Transient if the registry did not answer; else with what it said and what to do.
pub trait SchemaRegistry: Send + Sync + Debug {
    /// Registers a schema under a subject, unless it is there already, and gives its id.
    fn register(&self, subject: &str, schema: &str) -> Result<u32, ConvertError>;

    /// Id of a schema that is registered under a subject.
    fn lookup(&self, subject: &str, schema: &str) -> Result<u32, ConvertError>;

    /// Id and text of the latest schema of a subject.
    fn latest(&self, subject: &str) -> Result<(u32, String), ConvertError>;

    /// Text of the schema with an id.
    fn schema(&self, id: u32) -> Result<String, ConvertError>;
}

/// How subjects are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectNaming {
    /// `<topic>-key` and `<topic>-value`.
    #[default]
    Topic,
    /// The record's full name.
    Record,
    /// `<topic>-` and the record's full name.
    TopicRecord,
}
