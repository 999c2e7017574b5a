//! The first of several timestamps that is there.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mode, nested, path};
use crate::connect::{Field, Schema};
use crate::record::{Record, Value};
use crate::transform::reshape::extended;
use crate::transform::{Build, Side, Transform, TransformError};

/// MOSIP's TimestampSelector: the first of some fields that is not null is copied to another.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimestampSelector {
    /// Side of the record.
    pub side: Side,
    /// Fields, in order; dots lead into objects.
    pub ts_order: Vec<String>,
    /// Field that gets the value.
    pub output_field: String,
    /// Whether the Java class's flaws are kept.
    pub mode: Mode,
}

impl Default for TimestampSelector {
    fn default() -> Self {
        Self {
            side: Side::Value,
            ts_order: Vec::new(),
            output_field: "@ts_generated".into(),
            mode: Mode::Strict,
        }
    }
}

impl Build for TimestampSelector {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let order: Vec<_> = self
            .ts_order
            .iter()
            .map(|f| f.replace(' ', ""))
            .filter(|f| !f.is_empty())
            .map(|f| path(&f))
            .collect();
        if order.is_empty() {
            return Err("ts_order: names no field".into());
        }
        Ok(Box::new(Selector {
            side: self.side,
            order: order.into(),
            output: self.output_field.as_str().into(),
            strict: self.mode == Mode::Strict,
        }))
    }
}

#[derive(Clone, Debug)]
struct Selector {
    side: Side,
    order: Arc<[Vec<String>]>,
    output: Arc<str>,
    strict: bool,
}

/// A member of a struct at a path: its schema and value.
fn member<'a>(schema: &Arc<Schema>, value: &'a Value, path: &[String]) -> Option<(Arc<Schema>, &'a Value)> {
    let (mut schema, mut value) = (Arc::clone(schema), value);
    for name in path {
        let at = schema.fields().iter().position(|f| f.name == *name)?;
        value = value.member(at);
        schema = Arc::clone(&schema.fields().get(at)?.schema);
    }
    Some((schema, value))
}

impl Transform for Selector {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let data = self.side.of_mut(&mut record);
        if data.value.is_null() {
            return Ok(Some(record));
        }
        let none = || TransformError::new("none of the fields in ts_order has a value");
        match data.schema.clone() {
            None => {
                if !matches!(data.value, Value::Map(_)) {
                    return Err(super::cannot(
                        "a value without a schema that is searched for timestamps",
                        &data.value,
                    ));
                }
                let mut found = None;
                for path in self.order.iter() {
                    let value = nested(&data.value, path)?;
                    let missing = value.is_null() || (self.strict && value.as_str() == Some(""));
                    if !missing {
                        found = Some(value.clone());
                        break;
                    }
                }
                data.value.set_entry(&self.output, found.ok_or_else(none)?);
            }
            Some(schema) => {
                let mut found: Option<(Arc<Schema>, Value)> = None;
                for path in self.order.iter() {
                    let Some((schema, value)) = member(&schema, &data.value, path) else {
                        continue;
                    };
                    let empty = value.is_null() || value.as_str() == Some("");
                    // The Java class keeps the last that it looked at.
                    if !empty || !self.strict {
                        found = Some((schema, value.clone()));
                    }
                    if !empty {
                        break;
                    }
                }
                let (of, value) = found.filter(|(_, v)| !v.is_null()).ok_or_else(none)?;
                let existing = schema.fields().iter().position(|f| *f.name == *self.output);
                let Value::Struct(members) = &mut data.value else {
                    return Err(super::cannot("a value with a struct's schema", &data.value));
                };
                match existing.and_then(|i| members.get_mut(i)) {
                    Some(member) => *member = value,
                    None => {
                        members.push(value);
                        let field = Field::new(self.output.to_string(), of);
                        data.schema = Some(extended(&schema, [field])?);
                    }
                }
            }
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
