//! Single message transforms: one implementation for rows on their way to Kafka and for records consumed from it.
//!
//! Each transform is a file: its options as the YAML file has them, and what it does. A [`Chain`] runs them in order,
//! each under its predicate. They do what Debezium's and Kafka Connect's classes of the same names do, on values with
//! schemas and on maps without.

mod added_field;
mod chain;
mod config;
mod dropped_fields;
mod envelope;
mod extract_new_record_state;
pub mod mosip;
#[cfg(test)]
mod fixture;
mod predicate;
mod reshape;

use std::fmt;

pub use self::chain::{Chain, StepFailure};
pub use self::config::{ChainConfig, ConfigFault, StepConfig};
pub use self::extract_new_record_state::{DeleteTombstoneHandling, ExtractNewRecordState};
pub use self::reshape::Side;
pub use self::predicate::{Predicate, PredicateConfig};
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
