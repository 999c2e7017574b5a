//! A key made of fields of the value.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::header_from::on;
use super::reshape::Defaults;
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::record::{Record, SchemaAndValue, SchemaCache, Value};

/// Replaces the key by fields of the value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueToKey {
    /// Fields, in the order of the key.
    pub fields: Vec<String>,
    /// Whether null becomes the field's default.
    #[serde(default = "on")]
    pub replace_null_with_default: bool,
}

impl Build for ValueToKey {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if self.fields.is_empty() {
            return Err("fields: name at least one".into());
        }
        Ok(Box::new(ToKey {
            options: self.clone(),
            plans: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct ToKey {
    options: ValueToKey,
    plans: SchemaCache<(Arc<Schema>, Vec<usize>, Defaults)>,
}

impl Transform for ToKey {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let options = &self.options;
        let value = &record.value;
        match (&value.schema, &value.value) {
            (Some(schema), Value::Struct(members)) => {
                let (key, from, defaults) = self.plans.try_get(schema, |schema| plan(schema, options))?;
                let take = |index: &usize| members.get(*index).cloned().unwrap_or_default();
                let mut values: Vec<Value> = from.iter().map(take).collect();
                defaults.fill(&mut values);
                record.key = SchemaAndValue::new(Arc::clone(key), Value::Struct(values));
            }
            (None, map @ Value::Map(_)) => {
                let entry = |name: &String| {
                    let value = map.entry(name).cloned().unwrap_or_default();
                    (Value::String(name.as_str().into()), value)
                };
                record.key =
                    SchemaAndValue::schemaless(Value::Map(options.fields.iter().map(entry).collect()));
            }
            (_, other) => {
                let text = format!(
                    "needs a struct or object as value, and it is {}",
                    other.kind_name()
                );
                return Err(TransformError::new(text));
            }
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

fn plan(
    schema: &Schema,
    options: &ValueToKey,
) -> Result<(Arc<Schema>, Vec<usize>, Defaults), TransformError> {
    let (mut fields, mut from) = (Vec::new(), Vec::new());
    for name in &options.fields {
        let missing = || TransformError::new(format!("the value has no field {name}"));
        let (index, field) = schema.field(name).ok_or_else(missing)?;
        fields.push(Field::new(name.clone(), Arc::clone(&field.schema)));
        from.push(index);
    }
    let key = Schema::new(Kind::Struct(fields));
    let defaults = Defaults::of(&key, options.replace_null_with_default)?;
    Ok((Arc::new(key), from, defaults))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, payload, plain, record, row, row_schema};

    #[test]
    fn fields_of_the_value_become_the_key() {
        let options = ValueToKey {
            fields: vec!["v".into(), "id".into()],
            replace_null_with_default: true,
        };
        let got = apply(&options, record(SchemaAndValue::new(row_schema(), row(3, None))))
            .unwrap()
            .unwrap();
        assert_eq!(payload(&got.key), r#"{"v":"dflt","id":3}"#);
        assert_eq!(got.key.schema.unwrap().name, None);
        let map = apply(&options, plain(r#"{"id":1}"#)).unwrap().unwrap();
        assert_eq!(payload(&map.key), r#"{"v":null,"id":1}"#);
        assert!(apply(&options, record(SchemaAndValue::null())).is_err());
    }
}
