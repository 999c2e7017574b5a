//! Values replaced by something that says nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::header_from::on;
use super::reshape::{Defaults, Side, map_mut};
use super::{Build, Transform, TransformError};
use crate::connect::Schema;
use crate::convert::Logical;
use crate::record::{Decimal, Record, SchemaCache, Value};

/// Replaces the values of fields by their type's zero, or by a replacement.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskField {
    /// Which side of the record.
    #[serde(default)]
    pub side: Side,
    /// Fields.
    pub fields: Vec<String>,
    /// What numbers and texts become; their zero and the empty text if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// Whether null becomes the field's default.
    #[serde(default = "on")]
    pub replace_null_with_default: bool,
}

impl Build for MaskField {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if self.fields.is_empty() {
            return Err("fields: name at least one".into());
        }
        Ok(Box::new(Mask {
            options: self.clone(),
            plans: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Mask {
    options: MaskField,
    /// Indices of the masked fields, and whether each is a date or time.
    plans: SchemaCache<(Vec<(usize, bool)>, Defaults)>,
}

impl Mask {
    fn plan(schema: &Schema, options: &MaskField) -> Result<(Vec<(usize, bool)>, Defaults), TransformError> {
        let found = |name: &String| {
            schema
                .field(name)
                .map(|(i, f)| (i, Logical::of(&f.schema).is_some()))
        };
        let fields = options.fields.iter().filter_map(found).collect();
        Ok((fields, Defaults::of(schema, options.replace_null_with_default)?))
    }
}

impl Transform for Mask {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let options = &self.options;
        let replacement = options.replacement.as_deref();
        let side = options.side.name();
        let data = options.side.of_mut(&mut record);
        if let Some(schema) = &data.schema {
            let (fields, defaults) = self.plans.try_get(schema, |schema| Self::plan(schema, options))?;
            let Value::Struct(members) = &mut data.value else {
                let text = format!("needs a struct as {side}, and it is {}", data.value.kind_name());
                return Err(TransformError::new(text));
            };
            defaults.fill(members);
            for (index, temporal) in fields {
                if let Some(member) = members.get_mut(*index) {
                    mask(member, replacement, *temporal)?;
                }
            }
        } else {
            map_mut(data, side)?;
            for name in &options.fields {
                let mut value = data.value.entry(name).cloned().unwrap_or_default();
                mask(&mut value, replacement, false)?;
                data.value.set_entry(name, value);
            }
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

/// Masks a value; null stays null.
fn mask(value: &mut Value, replacement: Option<&str>, temporal: bool) -> Result<(), TransformError> {
    let cannot = |value: &Value| {
        let with = if replacement.is_some() {
            " with a replacement"
        } else {
            ""
        };
        Err(TransformError::new(format!(
            "cannot mask {}{with}",
            value.kind_name()
        )))
    };
    let wrong = || TransformError::new("the replacement is no number of the field's type");
    let text = replacement;
    if temporal && text.is_some() {
        return if value.is_null() {
            Ok(())
        } else {
            Err(TransformError::new(
                "cannot mask a date or time with a replacement",
            ))
        };
    }
    match value {
        Value::Null => {}
        Value::Int8(n) => *n = text.map_or(Ok(0), str::parse).map_err(|_| wrong())?,
        Value::Int16(n) => *n = text.map_or(Ok(0), str::parse).map_err(|_| wrong())?,
        Value::Int32(n) => *n = text.map_or(Ok(0), str::parse).map_err(|_| wrong())?,
        Value::Int64(n) => *n = text.map_or(Ok(0), str::parse).map_err(|_| wrong())?,
        Value::Float32(n) => *n = text.map_or(Ok(0.0), str::parse).map_err(|_| wrong())?,
        Value::Float64(n) => *n = text.map_or(Ok(0.0), str::parse).map_err(|_| wrong())?,
        Value::String(s) => *s = text.unwrap_or_default().into(),
        Value::Decimal(d) => *d = masked_decimal(d.scale, text).ok_or_else(wrong)?,
        Value::Bool(b) if text.is_none() => *b = false,
        Value::Array(items) if text.is_none() => items.clear(),
        Value::Map(entries) if text.is_none() => entries.clear(),
        Value::Bool(_) | Value::Array(_) | Value::Map(_) | Value::Struct(_) | Value::Bytes(_) => {
            return cannot(value);
        }
    }
    Ok(())
}

/// Zero or the replacement, with the digits after the point that the field's schema has.
fn masked_decimal(scale: i32, text: Option<&str>) -> Option<Decimal> {
    let Some(text) = text else {
        return Some(Decimal::from_i128(0, scale));
    };
    let given = Decimal::parse(text)?;
    let more = u32::try_from(scale.checked_sub(given.scale)?).ok()?;
    let unscaled = given.unscaled_i128()?.checked_mul(10_i128.checked_pow(more)?)?;
    Some(Decimal::from_i128(unscaled, scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::{apply, json, plain, record, row, row_schema};

    fn mask_of(fields: &[&str], replacement: Option<&str>) -> MaskField {
        MaskField {
            side: Side::Value,
            fields: fields.iter().map(|f| (*f).to_owned()).collect(),
            replacement: replacement.map(str::to_owned),
            replace_null_with_default: false,
        }
    }

    #[test]
    fn values_become_their_types_zero() {
        let value = || record(SchemaAndValue::new(row_schema(), row(9, Some("secret"))));
        let got = apply(&mask_of(&["id", "v", "none"], None), value())
            .unwrap()
            .unwrap();
        assert_eq!(json(&got), r#"{"id":0,"v":""}"#);
        let got = apply(&mask_of(&["id", "v"], Some("7")), value())
            .unwrap()
            .unwrap();
        assert_eq!(json(&got), r#"{"id":7,"v":"7"}"#);
        assert!(apply(&mask_of(&["id"], Some("x")), value()).is_err());
        let map = plain(r#"{"a":[1],"b":true,"c":null}"#);
        let got = apply(&mask_of(&["a", "b", "c", "d"], None), map)
            .unwrap()
            .unwrap();
        assert_eq!(json(&got), r#"{"a":[],"b":false,"c":null,"d":null}"#);
        assert!(
            apply(&mask_of(&["v"], None), record(SchemaAndValue::null())).is_err(),
            "a tombstone"
        );
        assert!(apply(&mask_of(&["b"], Some("x")), plain(r#"{"b":true}"#)).is_err());
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(masked_decimal(2, None), Some(Decimal::from_i128(0, 2)));
        assert_eq!(masked_decimal(2, Some("1.5")), Some(Decimal::from_i128(150, 2)));
        assert_eq!(masked_decimal(0, Some("1.5")), None);
    }
}
