//! Fields with what is known of a record besides its value.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reshape::{Defaults, Side, extended, map_mut, take_struct};
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::record::{Record, SchemaCache, Value};

/// Adds fields to the key or value. A name that ends in `!` makes the field required, one that ends in `?` optional, as it is
/// without either. Null keys and values pass.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InsertField {
    /// Which side of the record.
    pub side: Side,
    /// Field for the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_field: Option<String>,
    /// Field for the partition, where one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_field: Option<String>,
    /// Field for the offset: for records consumed from Kafka only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_field: Option<String>,
    /// Field for the timestamp, where one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_field: Option<String>,
    /// Field for a constant text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_field: Option<String>,
    /// That text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_value: Option<String>,
    /// Whether null becomes the field's default in what was there before.
    pub replace_null_with_default: bool,
}

impl Default for InsertField {
    fn default() -> Self {
        Self {
            side: Side::Value,
            topic_field: None,
            partition_field: None,
            offset_field: None,
            timestamp_field: None,
            static_field: None,
            static_value: None,
            replace_null_with_default: true,
        }
    }
}

/// What is inserted.
#[derive(Clone, Debug)]
enum What {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(String),
}

#[derive(Clone, Debug)]
struct Insertion {
    name: String,
    optional: bool,
    what: What,
}

impl Insertion {
    fn new(spec: &str, what: What) -> Self {
        let (name, optional) = match (spec.strip_suffix('!'), spec.strip_suffix('?')) {
            (Some(name), _) => (name, false),
            (None, Some(name)) => (name, true),
            (None, None) => (spec, true),
        };
        Self {
            name: name.to_owned(),
            optional,
            what,
        }
    }

    fn schema(&self) -> Schema {
        let schema = match self.what {
            What::Topic | What::Static(_) => Schema::new(Kind::String),
            What::Partition => Schema::new(Kind::Int32),
            What::Offset => Schema::new(Kind::Int64),
            What::Timestamp => Schema::new(Kind::Int64).named("org.apache.kafka.connect.data.Timestamp", 1),
        };
        Schema {
            optional: self.optional,
            ..schema
        }
    }

    fn value(&self, record: &Record) -> Result<Value, TransformError> {
        Ok(match &self.what {
            What::Topic => Value::String(record.topic().into()),
            What::Partition => record.head.partition.map_or(Value::Null, Value::Int32),
            What::Offset => {
                let none =
                    || TransformError::new("offset_field: only records consumed from Kafka have an offset");
                Value::Int64(record.offset().ok_or_else(none)?)
            }
            What::Timestamp => record.head.timestamp_ms.map_or(Value::Null, Value::Int64),
            What::Static(text) => Value::String(text.as_str().into()),
        })
    }
}

impl Build for InsertField {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let mut all = Vec::new();
        let mut add = |spec: &Option<String>, what| {
            if let Some(spec) = spec {
                all.push(Insertion::new(spec, what));
            }
        };
        add(&self.topic_field, What::Topic);
        add(&self.partition_field, What::Partition);
        add(&self.offset_field, What::Offset);
        add(&self.timestamp_field, What::Timestamp);
        match (&self.static_field, &self.static_value) {
            (Some(_), None) => return Err("static_value: is missing: give the text of static_field".into()),
            (None, Some(_)) => return Err("static_field: is missing: name the field of static_value".into()),
            (field, value) => add(field, What::Static(value.clone().unwrap_or_default())),
        }
        if all.is_empty() {
            return Err("names no field to insert".into());
        }
        Ok(Box::new(Insert {
            side: self.side,
            insertions: all,
            defaults: self.replace_null_with_default,
            plans: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Insert {
    side: Side,
    insertions: Vec<Insertion>,
    defaults: bool,
    plans: SchemaCache<(Arc<Schema>, Defaults)>,
}

impl Transform for Insert {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        if self.side.of(&record).value.is_null() {
            return Ok(Some(record));
        }
        let mut values = Vec::with_capacity(self.insertions.len());
        for insertion in &self.insertions {
            values.push(insertion.value(&record)?);
        }
        let side = self.side.name();
        let data = self.side.of_mut(&mut record);
        if let Some(schema) = &data.schema {
            let (insertions, wanted) = (&self.insertions, self.defaults);
            let (new, defaults) = self.plans.try_get(schema, |schema| {
                let fields = insertions.iter().map(|i| Field::new(i.name.clone(), i.schema()));
                Ok::<_, TransformError>((extended(schema, fields)?, Defaults::of(schema, wanted)?))
            })?;
            let new = Arc::clone(new);
            let mut members = take_struct(data, side)?;
            defaults.fill(&mut members);
            members.extend(values);
            data.value = Value::Struct(members);
            data.schema = Some(new);
        } else {
            map_mut(data, side)?;
            for (insertion, value) in self.insertions.iter().zip(values) {
                // Without a schema there is no place for what is not known.
                if !value.is_null() {
                    data.value.set_entry(&insertion.name, value);
                }
            }
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
    fn fields_are_appended_in_a_fixed_order() {
        let options = InsertField {
            topic_field: Some("topic!".into()),
            partition_field: Some("p".into()),
            timestamp_field: Some("at?".into()),
            static_field: Some("origin".into()),
            static_value: Some("pg".into()),
            ..InsertField::default()
        };
        let mut r = record(SchemaAndValue::new(row_schema(), row(1, None)));
        r.head.timestamp_ms = Some(5);
        let got = apply(&options, r).unwrap().unwrap();
        assert_eq!(
            json(&got),
            r#"{"id":1,"v":"dflt","topic":"srv.public.t","p":null,"at":5,"origin":"pg"}"#
        );
        let schema = got.value.schema.unwrap();
        let optional: Vec<bool> = schema
            .fields()
            .iter()
            .skip(2)
            .map(|f| f.schema.optional)
            .collect();
        assert_eq!(
            (optional, schema.optional),
            (vec![false, true, true, true], false)
        );
        let map = apply(&options, plain(r#"{"origin":1}"#)).unwrap().unwrap();
        assert_eq!(json(&map), r#"{"origin":"pg","topic":"srv.public.t"}"#);
        let tombstone = apply(&options, record(SchemaAndValue::null())).unwrap().unwrap();
        assert_eq!(tombstone.value, SchemaAndValue::null());
    }

    #[test]
    fn offsets_are_of_consumed_records_only() {
        let options = InsertField {
            offset_field: Some("o".into()),
            ..InsertField::default()
        };
        assert!(
            apply(&options, plain("{}"))
                .unwrap_err()
                .to_string()
                .contains("offset")
        );
        let mut consumed = plain("{}");
        consumed.head.position = crate::Position {
            commit_lsn: crate::Lsn(0),
            seq: 42,
        };
        assert_eq!(json(&apply(&options, consumed).unwrap().unwrap()), r#"{"o":42}"#);
        assert!(InsertField::default().build().is_err());
        let half = InsertField {
            static_field: Some("x".into()),
            ..InsertField::default()
        };
        assert!(half.build().unwrap_err().starts_with("static_value"));
    }
}
