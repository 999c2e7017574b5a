//! Single message transforms: one implementation for rows on their way to Kafka and for records consumed from it.
//!
//! Each transform is a file: its options as the YAML file has them, and what it does. A [`Chain`] runs them in order,
//! each under its predicate. They do what Debezium's and Kafka Connect's classes of the same names do, on values with
//! schemas and on maps without.

mod added_field;
mod cast;
mod chain;
mod config;
mod date_format;
mod decode_message_content;
mod drop_headers;
mod drop_record;
mod dropped_fields;
mod envelope;
mod event_router;
mod expression;
mod extract_changed_record_state;
mod extract_field;
mod extract_new_record_state;
mod field_path;
#[cfg(test)]
mod fixture;
mod flatten;
mod header_from;
mod header_to_value;
mod hoist_field;
mod insert_field;
mod insert_header;
mod java_hash;
mod json_schema;
mod literal;
mod logical_topic_router;
mod mask_field;
pub mod mosip;
mod partition_routing;
mod predicate;
mod regex_router;
mod replace_field;
mod reshape;
mod schema_change_event_filter;
mod scripted;
mod set_schema_metadata;
mod stuck;
mod timestamp_converter;
mod timestamp_router;
mod timezone_converter;
mod value_to_key;
mod vector_to_json;

use std::fmt;

pub use self::cast::Cast;
pub use self::chain::{Chain, StepFailure};
pub use self::config::{ChainConfig, ConfigFault, StepConfig};
pub use self::date_format::DateFormat;
pub use self::decode_message_content::DecodeMessageContent;
pub use self::drop_headers::DropHeaders;
pub use self::drop_record::DropRecord;
pub(crate) use self::envelope::is_envelope_schema;
pub use self::event_router::{EventRouter, InvalidOperation, MissingField};
pub use self::extract_changed_record_state::ExtractChangedRecordState;
pub use self::extract_field::ExtractField;
pub use self::extract_new_record_state::{DeleteTombstoneHandling, ExtractNewRecordState};
pub use self::field_path::FieldSyntaxVersion;
pub use self::flatten::Flatten;
pub use self::header_from::{HeaderFrom, Operation};
pub use self::header_to_value::HeaderToValue;
pub use self::hoist_field::HoistField;
pub use self::insert_field::InsertField;
pub use self::insert_header::InsertHeader;
pub use self::json_schema::{EmptyArrayBehavior, NullBehavior};
pub use self::logical_topic_router::LogicalTopicRouter;
pub use self::mask_field::MaskField;
pub use self::partition_routing::{HashFunction, PartitionRouting};
pub use self::predicate::{Predicate, PredicateConfig};
pub use self::regex_router::RegexRouter;
pub use self::replace_field::ReplaceField;
pub use self::reshape::Side;
pub use self::schema_change_event_filter::{EventKind, SchemaChangeEventFilter};
pub use self::scripted::{ContentBasedRouter, Filter, NullHandling};
pub use self::set_schema_metadata::SetSchemaMetadata;
pub use self::stuck::Stuck;
pub use self::timestamp_converter::{TargetType, TimestampConverter, UnixPrecision};
pub use self::timestamp_router::TimestampRouter;
pub use self::timezone_converter::TimezoneConverter;
pub use self::value_to_key::ValueToKey;
pub use self::vector_to_json::VectorToJson;
use crate::convert::ConvertError;
use crate::record::Record;

/// Why a transform could not be applied to a record. Never holds a value of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformError {
    reason: String,
    transient: bool,
}

impl TransformError {
    /// A failure that repeats: `reason` is one clause without a full stop.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            transient: false,
        }
    }

    /// A failure that may pass, such as a lookup that is not answered.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            transient: true,
        }
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for TransformError {}

impl From<ConvertError> for TransformError {
    fn from(error: ConvertError) -> Self {
        Self {
            reason: error.to_string(),
            transient: error.is_transient(),
        }
    }
}

/// A change to records, one at a time.
pub trait Transform: Send + Sync + fmt::Debug {
    /// The changed record; none if it is dropped.
    ///
    /// # Errors
    /// If the record is not what the transform needs.
    fn apply(&mut self, record: Record) -> Result<Option<Record>, TransformError>;

    /// Takes what sends its requests, if it looks things up.
    fn connect(&mut self, _search: &std::sync::Arc<dyn mosip::Search>) {}

    /// Another transform with the same options.
    fn clone_box(&self) -> Box<dyn Transform>;

    /// What becomes of headers that a delete shares with its tombstone.
    fn header_use(&self) -> HeaderUse {
        HeaderUse::Copies
    }
}

/// What a transform does with a record's headers.
///
/// In Debezium a delete and its tombstone have one list of headers between them: what is added to the delete's is the
/// tombstone's too, until a transform makes a record of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderUse {
    /// It makes a record of its own.
    Copies,
    /// It makes a record of its own if that goes to another topic.
    CopiesIfRouted,
    /// It adds to the headers that are there.
    Adds,
    /// It adds to the headers that are there, then makes a record of its own.
    AddsThenCopies,
}

impl Clone for Box<dyn Transform> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

/// Options of a transform: they know how to make it.
pub trait Build {
    /// Checks the options and makes the transform.
    ///
    /// # Errors
    /// What is wrong and what to do, beginning with the option's name.
    fn build(&self) -> Result<Box<dyn Transform>, String>;
}
