//! Schemas inferred from JSON texts: what EventRouter and DecodeLogicalDecodingMessageContent expand.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::connect::{Field, Kind, Schema};
use crate::envelope::NameAdjustment;
use crate::record::{SchemaAndValue, Value};

/// What becomes of a null in the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NullBehavior {
    /// It is left out.
    #[default]
    Ignore,
    /// It is a null of optional bytes.
    OptionalBytes,
}

/// What becomes of an empty array in the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyArrayBehavior {
    /// It is left out.
    #[default]
    Ignore,
    /// It is an array of optional strings.
    OptionalString,
}

/// Infers schemas.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inference {
    pub(super) nulls: NullBehavior,
    pub(super) empty_arrays: EmptyArrayBehavior,
    pub(super) names: NameAdjustment,
}

impl Inference {
    /// Schema and value of a JSON object or array; none where an array at the top is empty.
    ///
    /// # Errors
    /// If the text is no JSON object or array, or an array holds values of several types.
    pub(super) fn expand(&self, name: Option<&str>, text: &str) -> Result<SchemaAndValue, String> {
        if !text.starts_with(['{', '[']) {
            return Err("the text is neither a JSON object nor an array".into());
        }
        let json: Json = serde_json::from_str(text).map_err(|e| format!("the text is not JSON: {e}"))?;
        if has_wide_integer(text) {
            return Err("a whole number is beyond 64 bits".into());
        }
        let schema = self
            .schema(name, &json)?
            .ok_or("the array is empty, so that it has no schema")?;
        let value = self.value(&json, &schema);
        Ok(SchemaAndValue::new(schema, value))
    }

    fn schema(&self, key: Option<&str>, json: &Json) -> Result<Option<Schema>, String> {
        let simple = |kind| Ok(Some(Schema::new(kind).optional()));
        match json {
            Json::String(_) => simple(Kind::String),
            Json::Bool(_) => simple(Kind::Boolean),
            Json::Number(n) => simple(number_kind(n)),
            Json::Null if self.nulls == NullBehavior::OptionalBytes => simple(Kind::Bytes),
            Json::Null => Ok(None),
            Json::Array(items) if items.is_empty() => Ok(match self.empty_arrays {
                EmptyArrayBehavior::Ignore => None,
                EmptyArrayBehavior::OptionalString => {
                    let items = Schema::new(Kind::String).optional();
                    Some(Schema::new(Kind::Array(Arc::new(items))).optional())
                }
            }),
            Json::Array(items) => {
                let items = self.items(key, items)?;
                Ok(Some(Schema::new(Kind::Array(Arc::new(items))).optional()))
            }
            Json::Object(members) => {
                let mut fields: Vec<Field> = Vec::new();
                for (name, value) in members {
                    let name = self.names.field(name);
                    let path = match key {
                        Some(key) if !key.trim().is_empty() => format!("{key}.{name}"),
                        _ => name.clone(),
                    };
                    let schema = self.schema(Some(&path), value)?;
                    if name.is_empty() && schema.is_some() {
                        return Err("a member has an empty name".into());
                    }
                    if let Some(schema) = schema.filter(|_| !fields.iter().any(|f| f.name == name)) {
                        fields.push(Field::new(name, schema));
                    }
                }
                let mut schema = Schema::new(Kind::Struct(fields)).optional();
                schema.name = key.map(str::to_owned);
                Ok(Some(schema))
            }
        }
    }

    /// Schema of an array's items: objects are merged, others must be of one type.
    fn items(&self, key: Option<&str>, items: &[Json]) -> Result<Schema, String> {
        let mut given = items.iter().filter(|i| !i.is_null());
        // Where nulls have a schema, an array of nothing else has one too.
        let first = given.next().unwrap_or(&Json::Null);
        for item in given {
            let same = match (first, item) {
                (Json::Number(a), Json::Number(b)) => number_kind(a) == number_kind(b),
                (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
            };
            if !same {
                return Err("an array holds values of several types".into());
            }
        }
        if !first.is_object() {
            return self
                .schema(None, first)?
                .ok_or_else(|| "an array holds nothing but null, or an empty array first".into());
        }
        // Only schemas that differ are merged, and only a merged one is required, as in Debezium.
        let mut distinct: Vec<Schema> = Vec::new();
        for item in items.iter().filter(|i| i.is_object()) {
            if let Some(next) = self.schema(key, item)?
                && !distinct.contains(&next)
            {
                distinct.push(next);
            }
        }
        let merged = distinct.into_iter().reduce(|merged, next| merge(merged, &next));
        merged.ok_or_else(|| "an array holds nothing but null".into())
    }

    fn value(&self, json: &Json, schema: &Schema) -> Value {
        match (json, &schema.kind) {
            (Json::Object(members), Kind::Struct(fields)) => {
                let member = |field: &Field| {
                    // The first name that is adjusted to the field's.
                    let found = members
                        .iter()
                        .find(|(name, _)| self.names.field(name) == field.name);
                    found.map_or(Value::Null, |(_, json)| self.value(json, &field.schema))
                };
                Value::Struct(fields.iter().map(member).collect())
            }
            (Json::Array(items), Kind::Array(inner)) => {
                Value::Array(items.iter().map(|item| self.value(item, inner)).collect())
            }
            (Json::String(text), Kind::String) => Value::String(text.as_str().into()),
            (Json::Bool(b), Kind::Boolean) => Value::Bool(*b),
            (Json::Number(n), Kind::Int32) => n
                .as_i64()
                .and_then(|n| i32::try_from(n).ok())
                .map_or(Value::Null, Value::Int32),
            (Json::Number(n), Kind::Int64) => n.as_i64().map_or(Value::Null, Value::Int64),
            (Json::Number(n), Kind::Float64) => n.as_f64().map_or(Value::Null, Value::Float64),
            _ => Value::Null,
        }
    }
}

/// Whether a JSON text holds an integer of more than 64 bits, which its parsed form would show as a float.
fn has_wide_integer(text: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let mut outside = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ if !quoted => outside.push(c),
            _ => {}
        }
    }
    let tokens = outside.split(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    let integers = tokens.filter(|t| t.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()));
    integers
        .filter(|t| !t.is_empty())
        .any(|t| t.parse::<i64>().is_err())
}

fn number_kind(n: &serde_json::Number) -> Kind {
    match n.as_i64() {
        Some(n) if i32::try_from(n).is_ok() => Kind::Int32,
        Some(_) => Kind::Int64,
        None => Kind::Float64,
    }
}

/// Fields of both; bytes, which stand for null, give way to what the other has.
fn merge(left: Schema, right: &Schema) -> Schema {
    let mut fields = left.fields().to_vec();
    for field in right.fields() {
        match fields.iter_mut().find(|f| f.name == field.name) {
            None => fields.push(field.clone()),
            Some(known) if known.schema.kind == Kind::Bytes && field.schema.kind != Kind::Bytes => {
                *known = field.clone();
            }
            Some(_) => {}
        }
    }
    Schema {
        kind: Kind::Struct(fields),
        optional: false,
        default_json: None,
        ..left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::payload;

    fn expand(text: &str) -> Result<String, String> {
        Inference::default()
            .expand(Some("payload"), text)
            .map(|data| payload(&data))
    }

    #[test]
    fn objects_have_the_types_of_their_members() {
        let text =
            r#"{"a":1,"b":[1,2],"c":null,"d":[],"e":{"x":1.5},"f":3000000000,"g":[{"h":1},{"i":"z"}]}"#;
        let data = Inference::default().expand(Some("payload"), text).unwrap();
        assert_eq!(
            payload(&data),
            r#"{"a":1,"b":[1,2],"e":{"x":1.5},"f":3000000000,"g":[{"h":1,"i":null},{"h":null,"i":"z"}]}"#
        );
        let schema = data.schema.unwrap();
        assert_eq!(
            schema.field("e").unwrap().1.schema.name.as_deref(),
            Some("payload.e")
        );
        assert_eq!(schema.field("f").unwrap().1.schema.kind, Kind::Int64);
        let items = |text: &str| {
            let data = Inference::default().expand(None, text).unwrap();
            let schema = data.schema.unwrap();
            let Kind::Array(items) = schema.kind.clone() else {
                panic!()
            };
            items.optional
        };
        assert!(items(r#"[{"a":1},{"a":2}]"#) && !items(r#"[{"a":1},{"b":2}]"#));
        let all = Inference {
            nulls: NullBehavior::OptionalBytes,
            empty_arrays: EmptyArrayBehavior::OptionalString,
            names: NameAdjustment::None,
        };
        assert_eq!(
            payload(&all.expand(None, r#"{"c":null,"d":[]}"#).unwrap()),
            r#"{"c":null,"d":[]}"#
        );
    }

    #[test]
    fn what_has_no_schema_is_refused() {
        for text in [
            "x",
            "1",
            "{",
            r#"{"a":[1,"x"]}"#,
            r#"{"a":[1,1.5]}"#,
            r#"{"a":[null]}"#,
            r#"{"":1}"#,
            r#"{"a":9223372036854775808}"#,
            r#"{"a":[-12345678901234567890123]}"#,
            "[]",
        ] {
            assert!(expand(text).is_err(), "{text}");
        }
        assert_eq!(expand("[1,2]").unwrap(), "[1,2]");
        // An empty name without a schema is none; digits in texts and floats are no integers.
        let text = r#"{"":null,"\"a":"\"12345678901234567890123","b":1e30,"c":-9223372036854775808}"#;
        assert_eq!(
            expand(text).unwrap(),
            r#"{"\"a":"\"12345678901234567890123","b":1.0E30,"c":-9223372036854775808}"#
        );
        let nulls = Inference {
            nulls: NullBehavior::OptionalBytes,
            ..Inference::default()
        };
        assert_eq!(
            payload(&nulls.expand(None, r#"{"a":[null]}"#).unwrap()),
            r#"{"a":[null]}"#
        );
    }
}
