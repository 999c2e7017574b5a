//! When a transform applies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filter::Pattern;
use crate::record::Record;

/// A condition on records, as the YAML file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PredicateConfig {
    /// The regular expression matches the whole name of the topic.
    TopicNameMatches {
        /// Regular expression.
        pattern: String,
    },
    /// The record has a header of this name.
    HasHeaderKey {
        /// Name of the header.
        name: String,
    },
    /// The record has no value.
    RecordIsTombstone {},
}

/// A condition on records.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// See [`PredicateConfig::TopicNameMatches`].
    TopicNameMatches(Pattern),
    /// See [`PredicateConfig::HasHeaderKey`].
    HasHeaderKey(String),
    /// See [`PredicateConfig::RecordIsTombstone`].
    RecordIsTombstone,
}

impl PredicateConfig {
    /// Checks and compiles the condition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn build(&self) -> Result<Predicate, String> {
        Ok(match self {
            Self::TopicNameMatches { pattern } => {
                Predicate::TopicNameMatches(Pattern::new("pattern", pattern)?)
            }
            Self::HasHeaderKey { name } if name.is_empty() => return Err("name: is empty".into()),
            Self::HasHeaderKey { name } => Predicate::HasHeaderKey(name.clone()),
            Self::RecordIsTombstone {} => Predicate::RecordIsTombstone,
        })
    }
}

impl Predicate {
    /// Whether the condition holds for a record.
    #[must_use]
    pub fn holds(&self, record: &Record) -> bool {
        match self {
            Self::TopicNameMatches(pattern) => pattern.is_match(record.topic()),
            Self::HasHeaderKey(name) => record.headers.iter().any(|h| h.name == name),
            Self::RecordIsTombstone => record.value.value.is_null(),
        }
    }
}
