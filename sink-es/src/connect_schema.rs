//! Kafka Connect's schemas as its JSON carries them.

use serde::Deserialize;
use serde_json::Value;

/// A schema.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Schema {
    /// `int32`, `string`, `struct`, …
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Semantic type, such as `io.debezium.time.Date`.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Name of the field, when it is one.
    #[serde(default)]
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) parameters: std::collections::BTreeMap<String, Value>,
    /// Fields of a struct.
    #[serde(default)]
    pub(crate) fields: Vec<Schema>,
    /// Elements of an array.
    #[serde(default)]
    pub(crate) items: Option<Box<Schema>>,
    /// Values of a map.
    #[serde(default)]
    pub(crate) values: Option<Box<Schema>>,
    /// Keys of a map.
    #[serde(default)]
    pub(crate) keys: Option<Box<Schema>>,
}

impl Schema {
    /// Reads a schema; none for `null` and for what is no schema.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The schema of the row in an envelope; of anything else, the schema itself.
    pub(crate) fn row(&self) -> &Self {
        let field = |name: &str| self.fields.iter().find(|f| f.field == name);
        match (field("after"), field("source"), field("op")) {
            (Some(after), Some(_), Some(_)) => after,
            _ => self,
        }
    }

    /// Semantic type.
    pub(crate) fn meaning(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// A parameter as text.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).and_then(Value::as_str)
    }

    /// Number of decimals of a decimal.
    pub(crate) fn scale(&self) -> i32 {
        self.parameter("scale").and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    /// Whether it is a map with text keys, which is a JSON object; others are lists of pairs.
    pub(crate) fn has_text_keys(&self) -> bool {
        self.keys.as_ref().is_none_or(|k| k.kind == "string")
    }
}
