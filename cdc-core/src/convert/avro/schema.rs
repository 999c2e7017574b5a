//! Connect schemas as Avro schemas, as Confluent's AvroData makes them, and how values of them are written.

use std::collections::BTreeMap;

use super::super::text::Logical;
use super::super::{ConvertError, default_value, is_decimal, scale};
use crate::connect::{Field, Kind, Schema};
use crate::json;
use crate::record::Value;

/// Namespace and name of records without one.
const NAMESPACE: &str = "io.confluent.connect.avro";
const DEFAULT_NAME: &str = "ConnectDefault";
/// Record of a map's entry, where keys are not strings.
const MAP_ENTRY: &str = "MapEntry";
/// Digits of a decimal whose precision is not known.
const PRECISION: i32 = 64;

/// How a value is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Boolean,
    /// `int`, of 8, 16 or 32 bits in Connect.
    Int(Width),
    Long,
    Float,
    Double,
    String,
    Bytes,
    /// Decimal with its scale.
    Decimal(i32),
    Array(Box<Node>),
    /// A map with string keys.
    Map(Box<Node>),
    /// Another map: an array of records of key and value.
    Entries(Box<Node>, Box<Node>),
    Record(Vec<Member>),
    /// A union with null. The branch of null comes first unless there is a default, which null becomes.
    Optional {
        inner: Box<Node>,
        default: Option<Value>,
    },
    /// A required value with a default, which null becomes.
    Default(Box<Node>, Value),
}

/// A member of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// What stands before its value in the encoder's JSON: `{"name":` or `,"name":`.
    pub(super) token: Box<[u8]>,
    pub(super) node: Node,
}

/// Width of an `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Eight,
    Sixteen,
    ThirtyTwo,
}

/// An Avro schema made of a Connect schema.
#[derive(Clone, Debug)]
pub(super) struct AvroSchema {
    /// The schema as JSON, members in the order in which Avro's Java library writes them.
    pub(super) text: String,
    pub(super) node: Node,
    /// Full name, if it is a record.
    pub(super) record: Option<String>,
}

/// Makes the schema.
///
/// # Errors
/// If a name is none in Avro, or two different records have one name.
pub(super) fn convert(schema: &Schema) -> Result<AvroSchema, ConvertError> {
    let mut writer = Writer {
        out: Vec::new(),
        seen: BTreeMap::new(),
    };
    writer.schema(schema, "")?;
    let record = matches!(schema.kind, Kind::Struct(_)).then(|| {
        let (namespace, name) = names(schema);
        join(&namespace, &name)
    });
    Ok(AvroSchema {
        text: String::from_utf8_lossy(&writer.out).into_owned(),
        node: node(schema)?,
        record,
    })
}

fn node(schema: &Schema) -> Result<Node, ConvertError> {
    let base = match &schema.kind {
        Kind::Boolean => Node::Boolean,
        Kind::Int8 => Node::Int(Width::Eight),
        Kind::Int16 => Node::Int(Width::Sixteen),
        Kind::Int32 => Node::Int(Width::ThirtyTwo),
        Kind::Int64 => Node::Long,
        Kind::Float32 => Node::Float,
        Kind::Float64 => Node::Double,
        Kind::String => Node::String,
        Kind::Bytes if is_decimal(schema) => Node::Decimal(scale(schema)?),
        Kind::Bytes => Node::Bytes,
        Kind::Array(items) => Node::Array(Box::new(node(items)?)),
        Kind::Map(keys, values) if is_string_map(keys) => Node::Map(Box::new(node(values)?)),
        Kind::Map(keys, values) => Node::Entries(Box::new(node(keys)?), Box::new(node(values)?)),
        Kind::Struct(fields) => {
            let member = |(i, field): (usize, &Field)| {
                let mut token = vec![if i == 0 { b'{' } else { b',' }];
                json::write_str(&mut token, field.name.as_bytes());
                token.push(b':');
                Ok(Member {
                    token: token.into(),
                    node: node(&field.schema)?,
                })
            };
            let members = fields.iter().enumerate().map(member);
            Node::Record(members.collect::<Result<_, ConvertError>>()?)
        }
    };
    let default = default_value(schema)?;
    Ok(match (schema.optional, default) {
        (true, default) => Node::Optional {
            inner: Box::new(base),
            default,
        },
        (false, Some(default)) => Node::Default(Box::new(base), default),
        (false, None) => base,
    })
}

fn is_string_map(keys: &Schema) -> bool {
    keys.kind == Kind::String && !keys.optional
}

/// Namespace and name of a schema.
fn names(schema: &Schema) -> (String, String) {
    match schema.name.as_deref() {
        None => (NAMESPACE.into(), DEFAULT_NAME.into()),
        Some(full) => match full.rsplit_once('.') {
            Some((namespace, name)) => (namespace.into(), name.into()),
            None => (String::new(), full.into()),
        },
    }
}

fn join(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        _ => format!("{namespace}.{name}"),
    }
}

/// Writes a schema as JSON.
struct Writer {
    out: Vec<u8>,
    /// Records that are defined, by full name: further uses only name them.
    seen: BTreeMap<String, Schema>,
}

impl Writer {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, text: &str) {
        json::write_str(&mut self.out, text.as_bytes());
    }

    fn member(&mut self, name: &str, text: &str) {
        self.raw(",");
        self.string(name);
        self.raw(":");
        self.string(text);
    }

    fn number(&mut self, name: &str, number: i32) {
        self.raw(",");
        self.string(name);
        self.raw(":");
        json::write_i64(&mut self.out, i64::from(number));
    }

    /// Writes a schema; `space` is the namespace around it.
    fn schema(&mut self, schema: &Schema, space: &str) -> Result<(), ConvertError> {
        match (schema.optional, schema.default_json.is_some()) {
            (false, _) => self.base(schema, space),
            (true, false) => {
                self.raw("[\"null\",");
                self.base(schema, space)?;
                self.raw("]");
                Ok(())
            }
            (true, true) => {
                self.raw("[");
                self.base(schema, space)?;
                self.raw(",\"null\"]");
                Ok(())
            }
        }
    }

    fn base(&mut self, schema: &Schema, space: &str) -> Result<(), ConvertError> {
        let simple = |kind: &Kind| match kind {
            Kind::Boolean => "boolean",
            Kind::Int8 | Kind::Int16 | Kind::Int32 => "int",
            Kind::Int64 => "long",
            Kind::Float32 => "float",
            Kind::Float64 => "double",
            Kind::String => "string",
            _ => "bytes",
        };
        match &schema.kind {
            Kind::Struct(fields) => return self.record(schema, fields, space),
            Kind::Array(items) => {
                self.raw("{\"type\":\"array\",\"items\":");
                self.schema(items, space)?;
            }
            Kind::Map(keys, values) if is_string_map(keys) => {
                self.raw("{\"type\":\"map\",\"values\":");
                self.schema(values, space)?;
            }
            Kind::Map(keys, values) => {
                self.raw("{\"type\":\"array\",\"items\":");
                self.entry(schema, keys, values, space)?;
            }
            kind if is_bare(schema) => {
                self.string(simple(kind));
                return Ok(());
            }
            kind => {
                self.raw("{\"type\":");
                self.string(simple(kind));
                if is_decimal(schema) {
                    self.number("scale", scale(schema)?);
                    self.number("precision", precision(schema));
                }
            }
        }
        self.properties(schema)?;
        self.raw("}");
        Ok(())
    }

    fn record(&mut self, schema: &Schema, fields: &[Field], space: &str) -> Result<(), ConvertError> {
        let (namespace, name) = names(schema);
        let full = join(&namespace, &name);
        let required = Schema {
            optional: false,
            ..schema.clone()
        };
        if let Some(known) = self.seen.get(&full) {
            if *known != required {
                return Err(ConvertError::new(format!(
                    "two different schemas have the name {full}: rename one of them"
                )));
            }
            self.string(if namespace == space { &name } else { &full });
            return Ok(());
        }
        valid(&full)?;
        self.raw("{\"type\":\"record\",\"name\":");
        self.string(&name);
        if namespace != space {
            self.member("namespace", &namespace);
        }
        // A record may not hold itself, so that it may be noted when it is done.
        self.raw(",\"fields\":[");
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.raw(",");
            }
            self.field(&field.name, &field.schema, &namespace)?;
        }
        self.raw("]");
        self.seen.insert(full, required);
        self.properties(schema)?;
        self.raw("}");
        Ok(())
    }

    fn field(&mut self, name: &str, schema: &Schema, space: &str) -> Result<(), ConvertError> {
        valid(name)?;
        self.raw("{\"name\":");
        self.string(name);
        self.raw(",\"type\":");
        self.schema(schema, space)?;
        if let Some(default) = &schema.default_json {
            self.raw(",\"default\":");
            self.default(schema, default)?;
        } else if schema.optional {
            self.raw(",\"default\":null");
        }
        self.raw("}");
        Ok(())
    }

    fn entry(
        &mut self,
        schema: &Schema,
        keys: &Schema,
        values: &Schema,
        space: &str,
    ) -> Result<(), ConvertError> {
        let (namespace, name) = match schema.name {
            None => (NAMESPACE.to_owned(), MAP_ENTRY.to_owned()),
            Some(_) => names(schema),
        };
        self.raw("{\"type\":\"record\",\"name\":");
        self.string(&name);
        if namespace != space {
            self.member("namespace", &namespace);
        }
        self.raw(",\"fields\":[");
        self.field("key", keys, &namespace)?;
        self.raw(",");
        self.field("value", values, &namespace)?;
        self.raw("]");
        if schema.name.is_some() {
            self.member("connect.internal.type", MAP_ENTRY);
        }
        self.raw("}");
        Ok(())
    }

    /// What Avro has no place for.
    fn properties(&mut self, schema: &Schema) -> Result<(), ConvertError> {
        if let Some(doc) = &schema.doc {
            self.member("connect.doc", doc);
        }
        if let Some(version) = schema.version {
            self.number("connect.version", version);
        }
        if !schema.parameters.is_empty() {
            self.raw(",\"connect.parameters\":{");
            for (i, (name, value)) in schema.parameters.iter().enumerate() {
                if i > 0 {
                    self.raw(",");
                }
                self.string(name);
                self.raw(":");
                self.string(value);
            }
            self.raw("}");
        }
        if let Some(default) = &schema.default_json {
            self.raw(",\"connect.default\":");
            self.default(schema, default)?;
        }
        if let Some(name) = &schema.name {
            self.member("connect.name", name);
        }
        match schema.kind {
            Kind::Int8 => self.member("connect.type", "int8"),
            Kind::Int16 => self.member("connect.type", "int16"),
            _ => {}
        }
        if is_decimal(schema) {
            // Also where the scale is beyond what Avro allows, as the converter does.
            self.member("logicalType", "decimal");
        }
        match Logical::of(schema) {
            Some(Logical::Date) => self.member("logicalType", "date"),
            Some(Logical::Time) => self.member("logicalType", "time-millis"),
            Some(Logical::Timestamp) => self.member("logicalType", "timestamp-millis"),
            None => {}
        }
        for (name, value) in schema
            .parameters
            .iter()
            .filter(|(name, _)| name.starts_with("avro"))
        {
            self.member(name, value);
        }
        Ok(())
    }

    /// A default as Avro writes it: bytes are a string with one character a byte.
    fn default(&mut self, schema: &Schema, json: &str) -> Result<(), ConvertError> {
        if schema.kind != Kind::Bytes {
            self.raw(json);
            return Ok(());
        }
        let bytes = match default_value(schema)? {
            Some(Value::Bytes(bytes)) => bytes,
            Some(Value::Decimal(d)) => d.unscaled().into(),
            _ => Box::default(),
        };
        let text: String = bytes.iter().map(|b| char::from(*b)).collect();
        self.string(&text);
        Ok(())
    }
}

/// Whether a simple type says everything by its name.
fn is_bare(schema: &Schema) -> bool {
    let plain = !matches!(schema.kind, Kind::Int8 | Kind::Int16);
    plain
        && schema.doc.is_none()
        && schema.version.is_none()
        && schema.parameters.is_empty()
        && schema.default_json.is_none()
        && schema.name.is_none()
}

/// Digits of a decimal.
fn precision(schema: &Schema) -> i32 {
    let given = schema
        .parameters
        .iter()
        .find(|(name, _)| name == "connect.decimal.precision");
    given.and_then(|(_, p)| p.parse().ok()).unwrap_or(PRECISION)
}

/// Checks a name of a record or field: parts of letters, digits and underscores that do not begin with a digit.
fn valid(name: &str) -> Result<(), ConvertError> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if name.split('.').all(part) {
        return Ok(());
    }
    Err(ConvertError::new(format!(
        "`{name}` is no name in Avro: set schema_name_adjustment and field_name_adjustment to avro, or rename it"
    )))
}
