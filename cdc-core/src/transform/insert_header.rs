//! A header of one value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::literal;
use super::{Build, Transform, TransformError};
use crate::record::{Record, SchemaAndValue};

/// Appends a header to every record; headers of the same name stay.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InsertHeader {
    /// Name of the header.
    pub header: String,
    /// Its value as text. As in Connect it is a number, boolean, date or time if it looks like one.
    pub value_literal: String,
}

impl Build for InsertHeader {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if self.header.is_empty() {
            return Err("header: is empty".into());
        }
        Ok(Box::new(Insert {
            name: self.header.clone(),
            data: literal::parse(&self.value_literal).map_err(|e| format!("value_literal: {e}"))?,
        }))
    }
}

#[derive(Clone, Debug)]
struct Insert {
    name: String,
    data: SchemaAndValue,
}

impl Transform for Insert {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        record.add_header(&self.name, self.data.clone());
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
