//! Numbers since 1970 to texts.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mode, cannot};
use crate::connect::{Field, Kind, Schema};
use crate::record::{Record, SchemaAndValue, SchemaCache, Value};
use crate::transform::date_format::DateFormat;
use crate::transform::envelope::basics;
use crate::transform::{Build, Side, Transform, TransformError};

/// MOSIP's TimestampConverterAdv: a number since 1970 becomes a text in UTC.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimestampConverterAdv {
    /// Side of the record.
    pub side: Side,
    /// Field; the whole key or value if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the number counts.
    pub input_type: EpochUnit,
    /// Pattern of Java's SimpleDateFormat.
    pub output_format: String,
    /// Whether the Java class's flaws are kept.
    pub mode: Mode,
}

impl Default for TimestampConverterAdv {
    fn default() -> Self {
        Self {
            side: Side::Value,
            field: None,
            input_type: EpochUnit::MilliSec,
            output_format: "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'".into(),
            mode: Mode::Strict,
        }
    }
}

/// What a number since 1970 counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EpochUnit {
    /// Milliseconds, an `int64`.
    #[default]
    MilliSec,
    /// Microseconds, an `int64`.
    MicroSec,
    /// Days, an `int32`.
    DaysEpoch,
}

impl Build for TimestampConverterAdv {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let format = DateFormat::new(&self.output_format).map_err(|e| format!("output_format: {e}"))?;
        Ok(Box::new(Converter {
            options: Arc::new(self.clone()),
            format: Arc::new(format),
            schemas: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Converter {
    options: Arc<TimestampConverterAdv>,
    format: Arc<DateFormat>,
    schemas: SchemaCache<(Option<usize>, Arc<Schema>)>,
}

impl Converter {
    fn text(&self, value: &Value) -> Result<Value, TransformError> {
        let strict = self.options.mode == Mode::Strict;
        let what = "the number of a timestamp";
        let ms = match (value, self.options.input_type) {
            (Value::Null, _) => return Ok(Value::Null),
            (Value::Int64(n), EpochUnit::MilliSec) => *n,
            (Value::Int64(n), EpochUnit::MicroSec) if strict => n.div_euclid(1000),
            (Value::Int64(n), EpochUnit::MicroSec) => n / 1000,
            (Value::Int32(n), EpochUnit::DaysEpoch) => i64::from(*n) * 86_400_000,
            (Value::Int64(n), EpochUnit::DaysEpoch) if strict => {
                n.checked_mul(86_400_000).ok_or_else(|| cannot(what, value))?
            }
            _ => return Err(cannot(what, value)),
        };
        Ok(Value::String(self.format.format(ms).into()))
    }
}

fn text_schema(old: &Schema) -> Schema {
    let schema = Schema::new(Kind::String);
    if old.optional { schema.optional() } else { schema }
}

impl Transform for Converter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let side = self.options.side;
        if side.of(&record).value.is_null() {
            return Ok(Some(record));
        }
        let SchemaAndValue { schema, value } = std::mem::take(side.of_mut(&mut record));
        let changed = match (&self.options.field, schema) {
            (None, schema) => SchemaAndValue {
                schema: schema.map(|s| Arc::new(text_schema(&s))),
                value: self.text(&value)?,
            },
            (Some(field), None) => {
                let mut value = value;
                if !matches!(value, Value::Map(_)) {
                    return Err(cannot("a value without a schema that is converted", &value));
                }
                let found = value.entry(field);
                // The Java class adds a field that is not there.
                if found.is_some() || self.options.mode == Mode::Compatible {
                    let text = self.text(found.unwrap_or(&Value::Null))?;
                    value.set_entry(field, text);
                }
                SchemaAndValue::schemaless(value)
            }
            (Some(field), Some(schema)) => {
                let (at, changed) = self.schemas.try_get(&schema, |schema| {
                    let at = schema.fields().iter().position(|f| f.name == *field);
                    let fields = schema.fields().iter().enumerate().map(|(i, f)| {
                        if Some(i) == at {
                            Field::new(f.name.clone(), text_schema(&f.schema))
                        } else {
                            f.clone()
                        }
                    });
                    let mut changed = basics(schema, Kind::Struct(fields.collect()));
                    changed.optional = schema.optional;
                    Ok::<_, TransformError>((at, Arc::new(changed)))
                })?;
                let (at, changed) = (*at, Arc::clone(changed));
                let mut value = value;
                if let (Value::Struct(members), Some(at)) = (&mut value, at)
                    && let Some(member) = members.get_mut(at)
                {
                    *member = self.text(member)?;
                }
                SchemaAndValue::new(changed, value)
            }
        };
        *side.of_mut(&mut record) = changed;
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
