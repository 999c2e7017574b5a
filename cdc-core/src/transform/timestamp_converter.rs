//! Timestamps in another form.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::date_format::DateFormat;
use super::envelope::basics;
use super::header_from::on;
use super::reshape::{Defaults, Side, map_mut};
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::convert::{DAY_MS, Logical};
use crate::record::{Record, SchemaCache, Value};

/// Converts a timestamp between text, numbers and Connect's types. What is finer than a millisecond is lost.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimestampConverter {
    /// Which side of the record.
    #[serde(default)]
    pub side: Side,
    /// The field; empty for the whole key or value.
    #[serde(default)]
    pub field: String,
    /// The form wanted.
    pub target_type: TargetType,
    /// Form of texts, as Java's SimpleDateFormat; needed where a text is read or written.
    #[serde(default)]
    pub format: String,
    /// Unit of numbers without a type of their own.
    #[serde(default)]
    pub unix_precision: UnixPrecision,
    /// Whether null becomes the field's default.
    #[serde(default = "on")]
    pub replace_null_with_default: bool,
}

/// A form of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetType {
    /// Text.
    #[serde(rename = "string")]
    Text,
    /// A number since 1970-01-01 UTC.
    #[serde(rename = "unix")]
    Unix,
    /// Connect's Date: the time of day is cut off.
    Date,
    /// Connect's Time: the day is cut off.
    Time,
    /// Connect's Timestamp.
    Timestamp,
}

/// Unit of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnixPrecision {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    #[default]
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl Build for TimestampConverter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let format = self.format.trim();
        if self.target_type == TargetType::Text && format.is_empty() {
            return Err("format: is needed to write a text: give a pattern such as yyyy-MM-dd".into());
        }
        let compile = || DateFormat::new(format).map_err(|e| format!("format: {e}"));
        Ok(Box::new(Converter {
            form: Form {
                target: self.target_type,
                precision: self.unix_precision,
                format: (!format.is_empty()).then(compile).transpose()?,
            },
            options: self.clone(),
            plans: SchemaCache::default(),
        }))
    }
}

/// The forms to convert from and to.
#[derive(Clone, Debug)]
struct Form {
    target: TargetType,
    precision: UnixPrecision,
    format: Option<DateFormat>,
}

impl Form {
    fn schema(&self, optional: bool) -> Schema {
        let named =
            |kind, name: &str| Schema::new(kind).named(format!("org.apache.kafka.connect.data.{name}"), 1);
        let schema = match self.target {
            TargetType::Text => Schema::new(Kind::String),
            TargetType::Unix => Schema::new(Kind::Int64),
            TargetType::Date => named(Kind::Int32, "Date"),
            TargetType::Time => named(Kind::Int32, "Time"),
            TargetType::Timestamp => named(Kind::Int64, "Timestamp"),
        };
        Schema { optional, ..schema }
    }

    /// Milliseconds since 1970-01-01 UTC of a value.
    fn read(&self, schema: Option<&Schema>, value: &Value) -> Result<i64, TransformError> {
        let logical = schema.and_then(Logical::of);
        match (value, logical) {
            (_, Some(logical)) => {
                let wrong = || TransformError::new("the timestamp is not of its schema");
                value.as_i64().map(|n| logical.to_millis(n)).ok_or_else(wrong)
            }
            (Value::Int64(n), None) => Ok(match self.precision {
                UnixPrecision::Seconds => n.saturating_mul(1000),
                UnixPrecision::Milliseconds => *n,
                // Java's conversion of units cuts towards zero.
                UnixPrecision::Microseconds => n / 1000,
                UnixPrecision::Nanoseconds => n / 1_000_000,
            }),
            (Value::String(text), None) => {
                let format = self.format.as_ref();
                let format = format.ok_or_else(|| TransformError::new("format: is needed to read a text"))?;
                format
                    .parse(text)
                    .ok_or_else(|| TransformError::new("the text does not match the format"))
            }
            (other, None) => {
                let text = format!("{} is no timestamp: a text or an int64 is one", other.kind_name());
                Err(TransformError::new(text))
            }
        }
    }

    fn write(&self, millis: i64) -> Result<Value, TransformError> {
        let narrow = |n: i64| {
            let far = |_| TransformError::new("the date is out of range");
            i32::try_from(n).map(Value::Int32).map_err(far)
        };
        Ok(match self.target {
            TargetType::Text => {
                let text = self.format.as_ref().map(|f| f.format(millis)).unwrap_or_default();
                Value::String(text.into())
            }
            TargetType::Unix => Value::Int64(match self.precision {
                UnixPrecision::Seconds => millis / 1000,
                UnixPrecision::Milliseconds => millis,
                UnixPrecision::Microseconds => millis.saturating_mul(1000),
                UnixPrecision::Nanoseconds => millis.saturating_mul(1_000_000),
            }),
            TargetType::Date => narrow(millis.div_euclid(DAY_MS))?,
            TargetType::Time => narrow(millis.rem_euclid(DAY_MS))?,
            TargetType::Timestamp => Value::Int64(millis),
        })
    }

    fn convert(&self, schema: Option<&Schema>, value: &Value) -> Result<Value, TransformError> {
        if let Some(schema) = schema
            && Logical::of(schema).is_none()
            && !matches!(schema.kind, Kind::Int64 | Kind::String)
        {
            let text = format!(
                "{} is no timestamp: a text or an int64 is one",
                schema.kind.name()
            );
            return Err(TransformError::new(text));
        }
        if value.is_null() {
            return Ok(Value::Null);
        }
        self.write(self.read(schema, value)?)
    }
}

#[derive(Clone, Debug)]
struct Converter {
    options: TimestampConverter,
    form: Form,
    plans: SchemaCache<Plan>,
}

/// What depends on the schema alone.
#[derive(Clone, Debug)]
struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    /// Index and old schema of the field; none if the struct does not have it.
    field: Option<(usize, Arc<Schema>)>,
}

impl Converter {
    fn plan(schema: &Arc<Schema>, form: &Form, options: &TimestampConverter) -> Result<Plan, TransformError> {
        if options.field.is_empty() {
            return Ok(Plan {
                schema: Arc::new(form.schema(schema.optional)),
                defaults: Defaults::default(),
                field: Some((0, Arc::clone(schema))),
            });
        }
        let mut fields = schema.fields().to_vec();
        let found = schema
            .field(&options.field)
            .map(|(i, f)| (i, Arc::clone(&f.schema)));
        if let Some((index, old)) = &found
            && let Some(field) = fields.get_mut(*index)
        {
            *field = Field::new(options.field.clone(), form.schema(old.optional));
        }
        let mut new = basics(schema, Kind::Struct(fields));
        new.optional = schema.optional;
        Ok(Plan {
            schema: Arc::new(new),
            defaults: Defaults::of(schema, options.replace_null_with_default)?,
            field: found,
        })
    }
}

impl Transform for Converter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let (form, options) = (&self.form, &self.options);
        let data = options.side.of_mut(&mut record);
        let whole = options.field.is_empty();
        let Some(schema) = &data.schema else {
            if whole || data.value.is_null() {
                data.value = form.convert(None, &data.value)?;
            } else {
                map_mut(data, options.side.name())?;
                let old = data.value.entry(&options.field).cloned().unwrap_or_default();
                data.value.set_entry(&options.field, form.convert(None, &old)?);
            }
            return Ok(Some(record));
        };
        let plan = self
            .plans
            .try_get(schema, |schema| Self::plan(schema, form, options))?;
        match &mut data.value {
            value if whole => *value = form.convert(Some(schema), value)?,
            Value::Null => {}
            Value::Struct(members) => {
                plan.defaults.fill(members);
                if let Some((index, old)) = &plan.field
                    && let Some(member) = members.get_mut(*index)
                {
                    *member = form.convert(Some(old), member)?;
                }
            }
            other => {
                let text = format!("needs a struct, and it is {}", other.kind_name());
                return Err(TransformError::new(text));
            }
        }
        data.schema = Some(Arc::clone(&plan.schema));
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
    use crate::transform::fixture::{apply, json, plain, record, structure};

    fn to(target: TargetType, field: &str) -> TimestampConverter {
        TimestampConverter {
            side: Side::Value,
            field: field.into(),
            target_type: target,
            format: "yyyy-MM-dd HH:mm:ss.SSS".into(),
            unix_precision: UnixPrecision::Microseconds,
            replace_null_with_default: true,
        }
    }

    fn micros() -> Record {
        let fields = vec![(
            "t",
            Schema::new(Kind::Int64).optional(),
            Value::Int64(1_704_164_645_678_901),
        )];
        record(structure("s", fields))
    }

    #[test]
    fn a_field_is_converted_in_its_struct() {
        let convert = |target| {
            let got = apply(&to(target, "t"), micros()).unwrap().unwrap();
            let schema = got.value.schema.clone().unwrap();
            let field = Arc::clone(&schema.field("t").unwrap().1.schema);
            (json(&got), field.name.clone().unwrap_or_default(), field.optional)
        };
        let data = |what: &str| format!("org.apache.kafka.connect.data.{what}");
        assert_eq!(
            convert(TargetType::Text),
            (r#"{"t":"2024-01-02 03:04:05.678"}"#.into(), String::new(), true)
        );
        assert_eq!(convert(TargetType::Unix).0, r#"{"t":1704164645678000}"#);
        assert_eq!(
            convert(TargetType::Date),
            (r#"{"t":19724}"#.into(), data("Date"), true)
        );
        assert_eq!(convert(TargetType::Time).0, r#"{"t":11045678}"#);
        assert_eq!(
            convert(TargetType::Timestamp),
            (r#"{"t":1704164645678}"#.into(), data("Timestamp"), true)
        );
    }

    #[test]
    fn the_source_s_form_is_told_from_schema_or_value() {
        let date = Schema::new(Kind::Int32).named("org.apache.kafka.connect.data.Date", 1);
        let whole = record(SchemaAndValue::new(date, Value::Int32(19_724)));
        let got = apply(&to(TargetType::Text, ""), whole).unwrap().unwrap();
        assert_eq!(json(&got), r#""2024-01-02 00:00:00.000""#);
        let map = plain(r#"{"t":"2024-01-02 03:04:05.678"}"#);
        assert_eq!(
            json(&apply(&to(TargetType::Unix, "t"), map).unwrap().unwrap()),
            r#"{"t":1704164645678000}"#
        );
        assert!(apply(&to(TargetType::Unix, "t"), plain(r#"{"t":"x"}"#)).is_err());
        assert!(apply(&to(TargetType::Unix, "t"), plain(r#"{"t":true}"#)).is_err());
        assert_eq!(
            json(&apply(&to(TargetType::Unix, "u"), plain("{}")).unwrap().unwrap()),
            r#"{"u":null}"#
        );
        let bare = TimestampConverter {
            format: String::new(),
            ..to(TargetType::Text, "")
        };
        assert!(bare.build().is_err());
    }
}
