//! Fields left out or renamed.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reshape::{Projection, Side, map_mut, one_of_each, take_struct};
use super::{Build, Transform, TransformError};
use crate::record::{Record, SchemaCache, Value};

/// Leaves fields of the key or value out, and renames the others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplaceField {
    /// Which side of the record.
    pub side: Side,
    /// Fields that go, even if they are included.
    pub exclude: Vec<String>,
    /// Fields that stay; all if none is named.
    pub include: Vec<String>,
    /// New names as `old:new`.
    pub renames: Vec<String>,
    /// Whether null becomes the field's default.
    pub replace_null_with_default: bool,
}

impl Default for ReplaceField {
    fn default() -> Self {
        Self {
            side: Side::Value,
            exclude: Vec::new(),
            include: Vec::new(),
            renames: Vec::new(),
            replace_null_with_default: true,
        }
    }
}

impl Build for ReplaceField {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let mut renames = BTreeMap::new();
        for rename in &self.renames {
            match rename.split(':').collect::<Vec<_>>().as_slice() {
                [old, new] if !old.is_empty() && !new.is_empty() => {
                    renames.insert((*old).to_owned(), (*new).to_owned());
                }
                _ => return Err(format!("renames: `{rename}` is not of the form old:new")),
            }
        }
        Ok(Box::new(Replace {
            names: Names {
                exclude: self.exclude.clone(),
                include: self.include.clone(),
                renames,
            },
            side: self.side,
            defaults: self.replace_null_with_default,
            projections: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Names {
    exclude: Vec<String>,
    include: Vec<String>,
    renames: BTreeMap<String, String>,
}

impl Names {
    /// The new name of a field; none if it goes.
    fn of(&self, name: &str) -> Option<String> {
        let has = |list: &[String]| list.iter().any(|n| n == name);
        let stays = !has(&self.exclude) && (self.include.is_empty() || has(&self.include));
        stays.then(|| self.renames.get(name).cloned().unwrap_or_else(|| name.to_owned()))
    }
}

#[derive(Clone, Debug)]
struct Replace {
    names: Names,
    side: Side,
    defaults: bool,
    projections: SchemaCache<Projection>,
}

impl Transform for Replace {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let side = self.side.name();
        let data = self.side.of_mut(&mut record);
        if data.value.is_null() {
            return Ok(Some(record));
        }
        if let Some(schema) = &data.schema {
            let (names, defaults) = (&self.names, self.defaults);
            let make = |schema: &Arc<_>| Projection::new(schema, defaults, |name| names.of(name));
            let projection = self.projections.try_get(schema, make)?;
            let members = take_struct(data, side)?;
            data.value = Value::Struct(projection.apply(members));
            data.schema = Some(Arc::clone(&projection.schema));
        } else {
            let entries = map_mut(data, side)?;
            entries.retain_mut(|(key, _)| {
                let new = key.as_str().and_then(|name| self.names.of(name));
                if let Some(new) = &new {
                    *key = Value::String(new.as_str().into());
                }
                new.is_some()
            });
            one_of_each(entries)?;
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::{apply, json, plain, record, row, row_schema};

    #[test]
    fn fields_go_or_change_their_names() {
        let options = ReplaceField {
            include: vec!["id".into(), "v".into()],
            exclude: vec!["id".into()],
            renames: vec!["v:w".into()],
            ..ReplaceField::default()
        };
        let got = apply(&options, record(SchemaAndValue::new(row_schema(), row(1, None))))
            .unwrap()
            .unwrap();
        assert_eq!(json(&got), r#"{"w":"dflt"}"#);
        assert!(!got.value.schema.unwrap().optional);
        assert_eq!(
            json(
                &apply(&options, plain(r#"{"id":1,"v":2,"x":3}"#))
                    .unwrap()
                    .unwrap()
            ),
            r#"{"w":2}"#
        );
        let clash = ReplaceField {
            renames: vec!["v:id".into()],
            ..ReplaceField::default()
        };
        let error = apply(&clash, record(SchemaAndValue::new(row_schema(), row(1, None)))).unwrap_err();
        assert_eq!(error.to_string(), "two fields would be called id");
        let error = apply(&clash, plain(r#"{"id":1,"v":2}"#)).unwrap_err();
        assert_eq!(error.to_string(), "two fields would be called id");
        let wrong = ReplaceField {
            renames: vec!["v".into()],
            ..ReplaceField::default()
        };
        assert!(wrong.build().unwrap_err().starts_with("renames"));
    }
}
