//! Structs with fewer, more or renamed members: what the transforms of fields share.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TransformError;
use super::envelope::basics;
use crate::connect::{Field, Kind, Schema};
use crate::convert::default_value;
use crate::record::{Record, SchemaAndValue, Value};

/// Which side of a record a transform changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The key.
    Key,
    /// The value.
    #[default]
    Value,
}

impl Side {
    pub(super) fn of(self, record: &Record) -> &SchemaAndValue {
        match self {
            Self::Key => &record.key,
            Self::Value => &record.value,
        }
    }

    pub(super) fn of_mut(self, record: &mut Record) -> &mut SchemaAndValue {
        match self {
            Self::Key => &mut record.key,
            Self::Value => &mut record.value,
        }
    }

    /// The side's name, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// Takes the members of a struct.
pub(super) fn take_struct(data: &mut SchemaAndValue, side: &str) -> Result<Vec<Value>, TransformError> {
    match std::mem::take(&mut data.value) {
        Value::Struct(members) => Ok(members),
        other => Err(TransformError::new(format!(
            "needs a struct as {side}, and it is {}",
            other.kind_name()
        ))),
    }
}

/// Checks that no two entries have one name: a JSON object in which they had would be read differently by each reader.
///
/// # Errors
/// Which name comes twice, as for values with a schema.
pub(super) fn one_of_each(entries: &[(Value, Value)]) -> Result<(), TransformError> {
    let mut seen = std::collections::HashSet::with_capacity(entries.len());
    let again = entries
        .iter()
        .filter_map(|(key, _)| key.as_str())
        .find(|name| !seen.insert(*name));
    match again {
        Some(name) => Err(TransformError::new(format!("two fields would be called {name}"))),
        None => Ok(()),
    }
}

/// The entries of a map, to change.
pub(super) fn map_mut<'a>(
    data: &'a mut SchemaAndValue,
    side: &str,
) -> Result<&'a mut Vec<(Value, Value)>, TransformError> {
    match &mut data.value {
        Value::Map(entries) => Ok(entries),
        other => Err(TransformError::new(format!(
            "needs an object as {side} without a schema, and it is {}",
            other.kind_name()
        ))),
    }
}

/// Defaults of a struct's fields; nothing if no field has one.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults(Box<[(usize, Value)]>);

impl Defaults {
    /// The defaults of a schema, if they are to replace nulls.
    pub(super) fn of(schema: &Schema, wanted: bool) -> Result<Self, TransformError> {
        let mut all = Vec::new();
        for (index, field) in schema.fields().iter().enumerate().filter(|_| wanted) {
            if let Some(value) = default_value(&field.schema)? {
                all.push((index, value));
            }
        }
        Ok(Self(all.into()))
    }

    /// Puts defaults in the place of nulls.
    pub(super) fn fill(&self, members: &mut [Value]) {
        for (index, default) in &self.0 {
            if let Some(member) = members.get_mut(*index).filter(|m| m.is_null()) {
                member.clone_from(default);
            }
        }
    }
}

/// A struct made of some members of another one.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    pub(super) schema: Arc<Schema>,
    defaults: Defaults,
    /// Index of each member in the old struct.
    from: Vec<usize>,
}

impl Projection {
    /// Keeps the members for which `name` gives a name. The new schema is required and has no default, as Connect makes it.
    pub(super) fn new(
        schema: &Schema,
        replace_null_with_default: bool,
        name: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TransformError> {
        let (mut fields, mut from): (Vec<Field>, Vec<usize>) = (Vec::new(), Vec::new());
        for (index, field) in schema.fields().iter().enumerate() {
            let Some(name) = name(&field.name) else { continue };
            if fields.iter().any(|f| f.name == name) {
                return Err(TransformError::new(format!("two fields would be called {name}")));
            }
            fields.push(Field::new(name, Arc::clone(&field.schema)));
            from.push(index);
        }
        Ok(Self {
            schema: Arc::new(basics(schema, Kind::Struct(fields))),
            defaults: Defaults::of(schema, replace_null_with_default)?,
            from,
        })
    }

    /// The new struct's members.
    pub(super) fn apply(&self, mut members: Vec<Value>) -> Vec<Value> {
        self.defaults.fill(&mut members);
        let mut take = |index: &usize| members.get_mut(*index).map(std::mem::take).unwrap_or_default();
        self.from.iter().map(&mut take).collect()
    }
}

/// The fields of a schema and further ones.
pub(super) fn extended(
    schema: &Schema,
    more: impl IntoIterator<Item = Field>,
) -> Result<Arc<Schema>, TransformError> {
    let mut fields = schema.fields().to_vec();
    for field in more {
        if fields.iter().any(|f| f.name == field.name) {
            let text = format!("the field {} would be there twice", field.name);
            return Err(TransformError::new(text));
        }
        fields.push(field);
    }
    Ok(Arc::new(basics(schema, Kind::Struct(fields))))
}
