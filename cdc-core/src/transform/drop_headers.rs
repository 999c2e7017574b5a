//! Headers left out by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Build, Transform, TransformError};
use crate::record::Record;

/// Removes all headers with one of the names.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropHeaders {
    /// Names.
    pub headers: Vec<String>,
}

impl Build for DropHeaders {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if self.headers.is_empty() {
            return Err("headers: name at least one".into());
        }
        Ok(Box::new(self.clone()))
    }
}

impl Transform for DropHeaders {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        record
            .headers
            .retain(|h| !self.headers.iter().any(|name| h.name == *name));
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
