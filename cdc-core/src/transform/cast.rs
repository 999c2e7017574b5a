//! Values of other types.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::basics;
use super::header_from::on;
use super::reshape::{Defaults, Side, map_mut};
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::convert::{connect_text, default_text, default_value};
use crate::record::{Record, SchemaCache, Value};

/// Casts fields, or the whole key or value, to other types.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// Which side of the record.
    #[serde(default)]
    pub side: Side,
    /// `field:type` for each field, or one type for the whole: int8, int16, int32, int64, float32, float64, boolean, string.
    pub spec: Vec<String>,
    /// Whether null becomes the field's default.
    #[serde(default = "on")]
    pub replace_null_with_default: bool,
}

/// A type to cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    Text,
}

impl Target {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name.trim().to_ascii_lowercase().as_str() {
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "boolean" => Self::Boolean,
            "string" => Self::Text,
            other => {
                return Err(format!(
                    "spec: `{other}` is none of int8, int16, int32, int64, float32, float64, boolean, string"
                ));
            }
        })
    }

    fn kind(self) -> Kind {
        match self {
            Self::Int8 => Kind::Int8,
            Self::Int16 => Kind::Int16,
            Self::Int32 => Kind::Int32,
            Self::Int64 => Kind::Int64,
            Self::Float32 => Kind::Float32,
            Self::Float64 => Kind::Float64,
            Self::Boolean => Kind::Boolean,
            Self::Text => Kind::String,
        }
    }
}

/// What is cast.
#[derive(Clone, Debug)]
enum Spec {
    Whole(Target),
    Fields(Vec<(String, Target)>),
}

impl Build for Cast {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let mut fields = Vec::new();
        let mut whole = None;
        for item in &self.spec {
            match item.split(':').collect::<Vec<_>>().as_slice() {
                [target] => whole = Some(Target::parse(target)?),
                [field, target] => fields.push((field.trim().to_owned(), Target::parse(target)?)),
                _ => return Err(format!("spec: `{item}` is not of the form field:type")),
            }
        }
        let spec = match whole {
            Some(target) if self.spec.len() == 1 => Spec::Whole(target),
            Some(_) => return Err("spec: a type for the whole excludes others: remove it, or them".into()),
            None if fields.is_empty() => return Err("spec: name at least one field".into()),
            None => Spec::Fields(fields),
        };
        Ok(Box::new(Caster {
            side: self.side,
            spec,
            defaults: self.replace_null_with_default,
            plans: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Caster {
    side: Side,
    spec: Spec,
    defaults: bool,
    plans: SchemaCache<Plan>,
}

/// What depends on the schema alone.
#[derive(Clone, Debug)]
struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    /// Index, old schema and target of each field.
    fields: Vec<(usize, Arc<Schema>, Target)>,
}

/// Name, version, documentation and parameters stay where the whole is cast, and only there.
fn cast_schema(old: &Schema, target: Target, keep: bool) -> Result<Schema, TransformError> {
    let mut new = match keep {
        true => basics(old, target.kind()),
        false => Schema::new(target.kind()),
    };
    new.optional = old.optional;
    if let Some(default) = default_value(old)? {
        let default = cast(Some(old), default, target)?;
        new.default_json = Some(default_text(&new, &default)?);
    }
    Ok(new)
}

impl Plan {
    fn new(schema: &Arc<Schema>, spec: &Spec, defaults: bool) -> Result<Self, TransformError> {
        let casts = match spec {
            Spec::Whole(target) => {
                return Ok(Self {
                    schema: Arc::new(cast_schema(schema, *target, true)?),
                    defaults: Defaults::default(),
                    fields: vec![(0, Arc::clone(schema), *target)],
                });
            }
            Spec::Fields(casts) => casts,
        };
        let (mut fields, mut found) = (Vec::new(), Vec::new());
        for (index, field) in schema.fields().iter().enumerate() {
            match casts.iter().find(|(name, _)| *name == field.name) {
                Some((_, target)) => {
                    fields.push(Field::new(
                        field.name.clone(),
                        cast_schema(&field.schema, *target, false)?,
                    ));
                    found.push((index, Arc::clone(&field.schema), *target));
                }
                None => fields.push(field.clone()),
            }
        }
        let mut new = basics(schema, Kind::Struct(fields));
        new.optional = schema.optional;
        Ok(Self {
            schema: Arc::new(new),
            defaults: Defaults::of(schema, defaults)?,
            fields: found,
        })
    }
}

impl Transform for Caster {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let side = self.side.name();
        let data = self.side.of_mut(&mut record);
        if data.value.is_null() {
            return Ok(Some(record));
        }
        if let Some(schema) = &data.schema {
            let (spec, defaults) = (&self.spec, self.defaults);
            let plan = self
                .plans
                .try_get(schema, |schema| Plan::new(schema, spec, defaults))?;
            match (&self.spec, &mut data.value) {
                (Spec::Whole(target), value) => *value = cast(Some(schema), std::mem::take(value), *target)?,
                (Spec::Fields(_), Value::Struct(members)) => {
                    plan.defaults.fill(members);
                    for (index, old, target) in &plan.fields {
                        if let Some(member) = members.get_mut(*index) {
                            *member = cast(Some(old), std::mem::take(member), *target)?;
                        }
                    }
                }
                (Spec::Fields(_), other) => {
                    let text = format!("needs a struct as {side}, and it is {}", other.kind_name());
                    return Err(TransformError::new(text));
                }
            }
            data.schema = Some(Arc::clone(&plan.schema));
            return Ok(Some(record));
        }
        match &self.spec {
            Spec::Whole(target) => data.value = cast(None, std::mem::take(&mut data.value), *target)?,
            Spec::Fields(fields) => {
                map_mut(data, side)?;
                for (name, target) in fields {
                    let value = data.value.entry(name).cloned().unwrap_or_default();
                    data.value.set_entry(name, cast(None, value, *target)?);
                }
            }
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

/// A number of any type.
enum Number {
    Whole(i64),
    Single(f32),
    Double(f64),
}

/// Casts a value as Java does: numbers narrow by dropping high bits, texts are parsed, booleans are 0 and 1. Null stays.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "Java's conversions of numbers"
)]
fn cast(schema: Option<&Schema>, value: Value, target: Target) -> Result<Value, TransformError> {
    if value.is_null() {
        return Ok(value);
    }
    if target == Target::Text {
        if matches!(value, Value::Array(_) | Value::Map(_) | Value::Struct(_)) {
            return Err(TransformError::new(format!("cannot cast {}", value.kind_name())));
        }
        return Ok(Value::String(
            connect_text(schema, &value).unwrap_or_default().into(),
        ));
    }
    let range = || TransformError::new("the text is no value of the type, or out of its range");
    let number = match &value {
        Value::Bool(b) => Number::Whole(i64::from(*b)),
        Value::Float32(v) => Number::Single(*v),
        Value::Float64(v) => Number::Double(*v),
        Value::Decimal(d) => match target {
            Target::Float32 | Target::Float64 => Number::Double(d.to_f64()),
            _ => Number::Whole(d.to_i64_wrapping()),
        },
        Value::String(text) => {
            return Ok(match target {
                Target::Int8 => Value::Int8(text.parse().map_err(|_| range())?),
                Target::Int16 => Value::Int16(text.parse().map_err(|_| range())?),
                Target::Int32 => Value::Int32(text.parse().map_err(|_| range())?),
                Target::Int64 => Value::Int64(text.parse().map_err(|_| range())?),
                Target::Float32 => Value::Float32(text.trim().parse().map_err(|_| range())?),
                Target::Float64 => Value::Float64(text.trim().parse().map_err(|_| range())?),
                Target::Boolean | Target::Text => Value::Bool(text.eq_ignore_ascii_case("true")),
            });
        }
        other => match other.as_i64() {
            Some(n) => Number::Whole(n),
            None => return Err(TransformError::new(format!("cannot cast {}", other.kind_name()))),
        },
    };
    // A float becomes a small number by way of a 32-bit one.
    let (wide, narrow, double, single) = match number {
        Number::Whole(n) => (n, n as i32, n as f64, n as f32),
        Number::Single(v) => (v as i64, v as i32, f64::from(v), v),
        Number::Double(v) => (v as i64, v as i32, v, v as f32),
    };
    Ok(match target {
        Target::Int8 => Value::Int8(narrow as i8),
        Target::Int16 => Value::Int16(narrow as i16),
        Target::Int32 => Value::Int32(narrow),
        Target::Int64 => Value::Int64(wide),
        Target::Float32 => Value::Float32(single),
        Target::Float64 => Value::Float64(double),
        Target::Boolean | Target::Text => Value::Bool(wide != 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Decimal, SchemaAndValue};
    use crate::transform::fixture::{apply, json, plain, record, row, row_schema};

    fn spec(items: &[&str]) -> Cast {
        Cast {
            side: Side::Value,
            spec: items.iter().map(|i| (*i).to_owned()).collect(),
            replace_null_with_default: true,
        }
    }

    #[test]
    fn values_are_cast_as_in_java() {
        let to = |value, target| cast(None, value, target).unwrap();
        assert_eq!(to(Value::Int32(300), Target::Int8), Value::Int8(44));
        assert_eq!(to(Value::Float64(1e10), Target::Int16), Value::Int16(-1));
        assert_eq!(to(Value::Float64(-2.9), Target::Int64), Value::Int64(-2));
        assert_eq!(to(Value::Bool(true), Target::Float32), Value::Float32(1.0));
        assert_eq!(
            to(Value::Float64(12.5), Target::Text),
            Value::String("12.5".into())
        );
        assert_eq!(
            to(Value::Decimal(Decimal::from_i128(1250, 2)), Target::Int32),
            Value::Int32(12)
        );
        assert_eq!(
            to(Value::Decimal(Decimal::from_i128(1250, 2)), Target::Text),
            Value::String("12.50".into())
        );
        assert_eq!(
            to(Value::String("TRUE".into()), Target::Boolean),
            Value::Bool(true)
        );
        assert_eq!(to(Value::Float64(0.5), Target::Boolean), Value::Bool(false));
        assert_eq!(
            to(Value::Bytes([1, 2].into()), Target::Text),
            Value::String("AQI=".into())
        );
        assert!(cast(None, Value::String("300".into()), Target::Int8).is_err());
        assert!(cast(None, Value::Array(vec![]), Target::Text).is_err());
        let date = Schema::new(Kind::Int32).named("org.apache.kafka.connect.data.Date", 1);
        assert_eq!(
            cast(Some(&date), Value::Int32(19_724), Target::Text).unwrap(),
            Value::String("2024-01-02".into())
        );
    }

    #[test]
    fn schemas_and_defaults_follow() {
        let got = apply(
            &spec(&["id:int64", "v:boolean"]),
            record(SchemaAndValue::new(row_schema(), row(1, None))),
        );
        let got = got.unwrap().unwrap();
        assert_eq!(json(&got), r#"{"id":1,"v":false}"#);
        let schema = got.value.schema.unwrap();
        let v = &schema.field("v").unwrap().1.schema;
        assert_eq!(
            (&v.kind, v.optional, v.default_json.as_deref()),
            (&Kind::Boolean, true, Some("false"))
        );
        let map = apply(&spec(&["a:string", "b:int8"]), plain(r#"{"a":1.5}"#))
            .unwrap()
            .unwrap();
        assert_eq!(json(&map), r#"{"a":"1.5","b":null}"#);
        let whole = apply(
            &spec(&["string"]),
            record(SchemaAndValue::new(Schema::new(Kind::Int8), Value::Int8(3))),
        );
        assert_eq!(json(&whole.unwrap().unwrap()), r#""3""#);
        for wrong in [&["a:bytes"][..], &["int8", "a:int8"], &[], &["a:b:c"]] {
            assert!(spec(wrong).build().unwrap_err().starts_with("spec"));
        }
    }
}
