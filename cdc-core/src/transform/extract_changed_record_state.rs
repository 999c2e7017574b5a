//! Headers that list which columns an update changed.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::is_envelope;
use super::{Build, HeaderUse, Transform, TransformError};
use crate::connect::{Kind, Schema};
use crate::record::{Record, SchemaAndValue, Value};

/// Debezium's ExtractChangedRecordState: which columns changed between `before` and `after`. The headers are always there; where
/// one of the two rows is missing their lists are empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractChangedRecordState {
    /// Header for the columns that changed; none if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_changed_name: Option<String>,
    /// Header for the columns that stayed; none if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_unchanged_name: Option<String>,
}

impl Build for ExtractChangedRecordState {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let header = |name: &Option<String>| {
            let name = name.as_ref().filter(|n| !n.trim().is_empty())?;
            let items = Schema::new(Kind::String).optional();
            let mut schema = Schema::new(Kind::Array(Arc::new(items))).optional();
            schema.name = Some(name.clone());
            Some((name.clone(), Arc::new(schema)))
        };
        Ok(Box::new(Changed {
            changed: header(&self.header_changed_name),
            unchanged: header(&self.header_unchanged_name),
        }))
    }
}

#[derive(Clone, Debug)]
struct Changed {
    changed: Option<(String, Arc<Schema>)>,
    unchanged: Option<(String, Arc<Schema>)>,
}

impl Transform for Changed {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        if record.value.value.is_null() || !is_envelope(&record.value) {
            return Ok(Some(record));
        }
        if let Some(schema) = &record.value.schema
            && let Some(missing) = ["after", "before"].iter().find(|n| schema.field(n).is_none())
        {
            return Err(TransformError::new(format!("the envelope has no {missing}")));
        }
        let (changed, unchanged) = compare(&record.value);
        for (header, names) in [(&self.changed, changed), (&self.unchanged, unchanged)] {
            if let Some((name, schema)) = header {
                record.add_header(name, SchemaAndValue::new(Arc::clone(schema), Value::Array(names)));
            }
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::Adds
    }
}

/// Names of the columns that changed and that stayed.
fn compare(envelope: &SchemaAndValue) -> (Vec<Value>, Vec<Value>) {
    let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
    let mut add = |name: &str, same: bool| {
        let names = if same { &mut unchanged } else { &mut changed };
        names.push(Value::String(name.into()));
    };
    if let Some(schema) = &envelope.schema {
        let part = |name| {
            schema
                .field(name)
                .map(|(index, field)| (&field.schema, envelope.value.member(index)))
        };
        if let (Some((_, before)), Some((row, after))) = (part("before"), part("after"))
            && !before.is_null()
            && !after.is_null()
        {
            for (index, field) in row.fields().iter().enumerate() {
                add(&field.name, before.member(index) == after.member(index));
            }
        }
    } else if let (Some(before), Some(Value::Map(after))) =
        (envelope.value.entry("before"), envelope.value.entry("after"))
        && !before.is_null()
    {
        for (name, value) in after {
            let name = name.as_str().unwrap_or_default();
            add(name, before.entry(name).unwrap_or(&Value::Null) == value);
        }
    }
    (changed, unchanged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, envelope, payload, row};

    #[test]
    fn changed_columns_are_listed() {
        let options = ExtractChangedRecordState {
            header_changed_name: Some("Changed".into()),
            header_unchanged_name: Some("Same".into()),
        };
        let lists = |record| {
            let got = apply(&options, record).unwrap().unwrap();
            let list = |name| payload(&got.header(name).unwrap().data);
            (list("Changed"), list("Same"))
        };
        let update = envelope("u", Some(row(1, Some("a"))), Some(row(1, Some("b"))));
        assert_eq!(lists(update), (r#"["v"]"#.into(), r#"["id"]"#.into()));
        let insert = envelope("c", None, Some(row(1, None)));
        assert_eq!(lists(insert), ("[]".into(), "[]".into()));
    }
}
