//! Fields copied or moved to headers.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reshape::{Defaults, Projection, Side, map_mut};
use super::{Build, Transform, TransformError};
use crate::connect::Schema;
use crate::record::{Record, SchemaAndValue, SchemaCache, Value};

/// Copies or moves fields of the key or value to headers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderFrom {
    /// Which side of the record.
    #[serde(default)]
    pub side: Side,
    /// Fields.
    pub fields: Vec<String>,
    /// Names of the headers, in the order of the fields.
    pub headers: Vec<String>,
    /// Whether the fields stay.
    pub operation: Operation,
    /// Whether null becomes the field's default.
    #[serde(default = "on")]
    pub replace_null_with_default: bool,
}

/// Whether what is copied stays where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// It goes.
    Move,
    /// It stays.
    Copy,
}

/// The default of options that are on.
pub(super) fn on() -> bool {
    true
}

/// Checks two lists that belong together.
pub(super) fn same_length(fields: &[String], headers: &[String]) -> Result<(), String> {
    if fields.is_empty() || fields.len() != headers.len() {
        let (fields, headers) = (fields.len(), headers.len());
        return Err(format!(
            "headers: {headers} names for {fields} fields: name as many headers as fields"
        ));
    }
    Ok(())
}

impl Build for HeaderFrom {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        same_length(&self.fields, &self.headers)?;
        Ok(Box::new(From {
            options: self.clone(),
            plans: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct From {
    options: HeaderFrom,
    plans: SchemaCache<Plan>,
}

#[derive(Clone, Debug)]
struct Plan {
    /// Index, schema of each field.
    fields: Vec<(usize, Arc<Schema>)>,
    defaults: Defaults,
    rest: Option<Projection>,
}

impl Plan {
    fn new(schema: &Schema, options: &HeaderFrom) -> Result<Self, TransformError> {
        let mut fields = Vec::with_capacity(options.fields.len());
        for name in &options.fields {
            let missing = || TransformError::new(format!("there is no field {name}"));
            let (index, field) = schema.field(name).ok_or_else(missing)?;
            fields.push((index, Arc::clone(&field.schema)));
        }
        let keep = |name: &str| (!options.fields.iter().any(|f| f == name)).then(|| name.to_owned());
        let moves = options.operation == Operation::Move;
        Ok(Self {
            fields,
            defaults: Defaults::of(schema, options.replace_null_with_default)?,
            rest: moves
                .then(|| Projection::new(schema, options.replace_null_with_default, keep))
                .transpose()?,
        })
    }
}

impl Transform for From {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let (options, side) = (&self.options, self.options.side);
        let mut data = std::mem::take(side.of_mut(&mut record));
        if let Some(schema) = &data.schema {
            let plan = self.plans.try_get(schema, |schema| Plan::new(schema, options))?;
            let Value::Struct(members) = &mut data.value else {
                let text = format!(
                    "needs a struct as {}, and it is {}",
                    side.name(),
                    data.value.kind_name()
                );
                return Err(TransformError::new(text));
            };
            let mut shown;
            let values = if plan.rest.is_none() {
                // The value itself keeps its nulls.
                shown = members.clone();
                plan.defaults.fill(&mut shown);
                &shown
            } else {
                plan.defaults.fill(members);
                &*members
            };
            for (name, (index, schema)) in options.headers.iter().zip(&plan.fields) {
                let value = values.get(*index).cloned().unwrap_or_default();
                record.add_header(name, SchemaAndValue::new(Arc::clone(schema), value));
            }
            if let Some(rest) = &plan.rest {
                data.value = Value::Struct(rest.apply(std::mem::take(members)));
                data.schema = Some(Arc::clone(&rest.schema));
            }
        } else {
            let entries = map_mut(&mut data, side.name())?;
            for (field, name) in options.fields.iter().zip(&options.headers) {
                let at = entries.iter().position(|(key, _)| key.as_str() == Some(field));
                let value = at
                    .and_then(|at| entries.get(at))
                    .map(|(_, v)| v.clone())
                    .unwrap_or_default();
                if let Some(at) = at.filter(|_| options.operation == Operation::Move) {
                    entries.remove(at);
                }
                record.add_header(name, SchemaAndValue::schemaless(value));
            }
        }
        *side.of_mut(&mut record) = data;
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, json, plain, record, row, row_schema};

    fn options(operation: Operation) -> HeaderFrom {
        HeaderFrom {
            side: Side::Value,
            fields: vec!["v".into()],
            headers: vec!["x".into()],
            operation,
            replace_null_with_default: true,
        }
    }

    #[test]
    fn fields_become_headers() {
        let value = || record(SchemaAndValue::new(row_schema(), row(1, None)));
        let moved = apply(&options(Operation::Move), value()).unwrap().unwrap();
        assert_eq!(json(&moved), r#"{"id":1}"#);
        assert_eq!(
            moved.header("x").unwrap().data.value,
            Value::String("dflt".into())
        );
        let copied = apply(&options(Operation::Copy), value()).unwrap().unwrap();
        assert_eq!(json(&copied), r#"{"id":1,"v":null}"#);
        assert_eq!(
            copied.header("x").unwrap().data.value,
            Value::String("dflt".into())
        );
        let map = apply(&options(Operation::Move), plain(r#"{"v":[1],"w":2}"#))
            .unwrap()
            .unwrap();
        assert_eq!(json(&map), r#"{"w":2}"#);
        assert!(
            apply(&options(Operation::Move), record(SchemaAndValue::null())).is_err(),
            "a tombstone"
        );
        let short = HeaderFrom {
            headers: vec![],
            ..options(Operation::Copy)
        };
        assert!(short.build().unwrap_err().starts_with("headers: "));
    }
}
