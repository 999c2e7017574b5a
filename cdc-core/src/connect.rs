//! Kafka Connect's schema model, as JsonConverter writes it.
//!
//! Plans render it once a relation; transforms and other converters read the same model.

use std::sync::Arc;

use crate::json;

/// Connect's type of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `boolean`
    Boolean,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `float` (32 bits)
    Float32,
    /// `double` (64 bits)
    Float64,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `array` of items
    Array(Arc<Schema>),
    /// `map` of keys and values
    Map(Arc<Schema>, Arc<Schema>),
    /// `struct` of named fields
    Struct(Vec<Field>),
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Schema, shared: whoever takes the member out of its struct keeps the very same schema.
    pub schema: Arc<Schema>,
}

/// A schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Type.
    pub kind: Kind,
    /// Whether null is allowed.
    pub optional: bool,
    /// Logical name.
    pub name: Option<String>,
    /// Version.
    pub version: Option<i32>,
    /// Documentation.
    pub doc: Option<String>,
    /// Parameters in order of insertion.
    pub parameters: Vec<(String, String)>,
    /// Default value, already in the encoding of JsonConverter.
    pub default_json: Option<String>,
}

impl Schema {
    /// A required schema of `kind`, with nothing else set.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default_json: None,
        }
    }

    /// Allows null.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Sets logical name and version.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>, version: i32) -> Self {
        self.name = Some(name.into());
        self.version = Some(version);
        self
    }

    /// Sets the documentation.
    #[must_use]
    pub fn with_doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = Some(doc.into());
        self
    }

    /// Appends a parameter.
    #[must_use]
    pub fn with_parameter(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((key.into(), value.into()));
        self
    }

    /// The members of a struct; none for other types.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Kind::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// Index and member called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields().iter().enumerate().find(|(_, f)| f.name == name)
    }

    /// Whether the logical name is `name`.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Appends the schema as JsonConverter writes it; `field` is the member's name where it is a member of a struct.
    ///
    /// Members that do not apply are left out; the order is `type`, the inner schemas, `optional`, `name`, `version`,
    /// `doc`, `parameters`, `default`, `field`.
    pub fn render(&self, field: Option<&str>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(self.kind.name().as_bytes());
        out.push(b'"');
        self.render_inner(out);
        out.extend_from_slice(b",\"optional\":");
        out.extend_from_slice(if self.optional { b"true" } else { b"false" });
        render_text(out, "name", self.name.as_deref());
        if let Some(version) = self.version {
            out.extend_from_slice(b",\"version\":");
            json::write_i64(out, i64::from(version));
        }
        render_text(out, "doc", self.doc.as_deref());
        self.render_parameters(out);
        if let Some(default) = &self.default_json {
            out.extend_from_slice(b",\"default\":");
            out.extend_from_slice(default.as_bytes());
        }
        render_text(out, "field", field);
        out.push(b'}');
    }

    fn render_inner(&self, out: &mut Vec<u8>) {
        match &self.kind {
            Kind::Array(items) => {
                out.extend_from_slice(b",\"items\":");
                items.render(None, out);
            }
            Kind::Map(keys, values) => {
                out.extend_from_slice(b",\"keys\":");
                keys.render(None, out);
                out.extend_from_slice(b",\"values\":");
                values.render(None, out);
            }
            Kind::Struct(fields) => {
                out.extend_from_slice(b",\"fields\":[");
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    field.schema.render(Some(&field.name), out);
                }
                out.push(b']');
            }
            _ => {}
        }
    }

    fn render_parameters(&self, out: &mut Vec<u8>) {
        for (i, (key, value)) in self.parameters.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b",\"parameters\":{" } else { b"," });
            json::write_str(out, key.as_bytes());
            out.push(b':');
            json::write_str(out, value.as_bytes());
        }
        if !self.parameters.is_empty() {
            out.push(b'}');
        }
    }
}

impl Kind {
    /// The type's name in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float",
            Self::Float64 => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Array(_) => "array",
            Self::Map(..) => "map",
            Self::Struct(_) => "struct",
        }
    }
}

impl Field {
    /// A member called `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, schema: impl Into<Arc<Schema>>) -> Self {
        Self {
            name: name.into(),
            schema: schema.into(),
        }
    }
}

/// Appends `,"member":"text"` if there is a text.
fn render_text(out: &mut Vec<u8>, member: &str, text: Option<&str>) {
    if let Some(text) = text {
        out.push(b',');
        json::write_str(out, member.as_bytes());
        out.push(b':');
        json::write_str(out, text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(schema: &Schema, field: Option<&str>) -> String {
        let mut out = Vec::new();
        schema.render(field, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_come_in_the_converter_s_order() {
        let mut schema = Schema::new(Kind::Bytes)
            .optional()
            .named("org.apache.kafka.connect.data.Decimal", 1)
            .with_doc("d \"q\"")
            .with_parameter("scale", "2")
            .with_parameter("connect.decimal.precision", "6");
        schema.default_json = Some("\"AJY=\"".to_owned());
        assert_eq!(
            rendered(&schema, Some("n")),
            r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"doc":"d \"q\"","parameters":{"scale":"2","connect.decimal.precision":"6"},"default":"AJY=","field":"n"}"#
        );
    }

    #[test]
    fn inner_schemas_follow_the_type() {
        let map = Schema::new(Kind::Map(
            Arc::new(Schema::new(Kind::String)),
            Arc::new(Schema::new(Kind::String).optional()),
        ));
        assert_eq!(
            rendered(&map, None),
            r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":false}"#
        );
        let array = Schema::new(Kind::Array(Arc::new(Schema::new(Kind::Int32).optional()))).optional();
        let record = Schema::new(Kind::Struct(vec![
            Field::new("id", Schema::new(Kind::Int64)),
            Field::new("y", array),
        ]))
        .named("srv.public.t.Value", 1);
        assert_eq!(
            rendered(&record, None),
            r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"array","items":{"type":"int32","optional":true},"optional":true,"field":"y"}],"optional":false,"name":"srv.public.t.Value","version":1}"#
        );
    }
}
