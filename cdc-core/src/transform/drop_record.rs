//! Kafka's Filter: drops every record that its predicate lets through to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Build, Transform, TransformError};
use crate::record::Record;

/// Drops the record. Useful under a predicate only.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropRecord {}

impl Build for DropRecord {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        Ok(Box::new(*self))
    }
}

impl Transform for DropRecord {
    fn apply(&mut self, _: Record) -> Result<Option<Record>, TransformError> {
        Ok(None)
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(*self)
    }
}
