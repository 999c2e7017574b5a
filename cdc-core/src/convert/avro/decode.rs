//! Avro schemas as Connect schemas, and values out of the binary encoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::super::json::DECIMAL;
use super::super::{ConvertError, default_text};
use crate::connect::{Field, Kind, Schema};
use crate::record::{Decimal, SchemaAndValue, Text, Value};

/// Nesting of schemas that is followed.
const DEPTH: u32 = 64;

/// How values of one Avro schema are read.
#[derive(Debug)]
pub(super) struct Reader {
    schema: Arc<Schema>,
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    Null,
    Boolean,
    Int8,
    Int16,
    Int32,
    Long,
    Float,
    Double,
    String,
    Bytes,
    Fixed(usize),
    Decimal(Box<Node>, i32),
    Enum(Vec<String>),
    Array(Box<Node>),
    Map(Box<Node>),
    Entries(Box<Node>, Box<Node>),
    Record(Vec<Node>),
    Union(Vec<Node>),
}

impl Reader {
    /// Reads an Avro schema.
    ///
    /// # Errors
    /// If it is none, refers to itself, or holds a union of more than null and one type.
    pub(super) fn new(text: &str) -> Result<Self, ConvertError> {
        let json: Json = serde_json::from_str(text).map_err(|_| wrong("the registry's text is not JSON"))?;
        let mut names = BTreeMap::new();
        let (schema, node) = Parser { names: &mut names }.schema(&json, "", 0)?;
        Ok(Self {
            schema: Arc::new(schema),
            node,
        })
    }

    pub(super) fn read(&self, payload: &[u8]) -> Result<SchemaAndValue, ConvertError> {
        // Bytes alone stand without their length.
        if matches!(self.node, Node::Bytes) {
            return Ok(SchemaAndValue::new(
                Arc::clone(&self.schema),
                Value::Bytes(payload.into()),
            ));
        }
        let mut input = Input(payload);
        let value = input.value(&self.node)?;
        if !input.0.is_empty() {
            return Err(wrong("bytes follow the value"));
        }
        Ok(SchemaAndValue::new(Arc::clone(&self.schema), value))
    }
}

fn wrong(what: &str) -> ConvertError {
    ConvertError::new(format!("not the Avro that was expected: {what}"))
}

struct Parser<'a> {
    /// Named types that are complete.
    names: &'a mut BTreeMap<String, (Schema, Node)>,
}

impl Parser<'_> {
    fn schema(&mut self, json: &Json, space: &str, depth: u32) -> Result<(Schema, Node), ConvertError> {
        if depth > DEPTH {
            return Err(wrong("the schema is nested too deeply"));
        }
        match json {
            Json::String(name) => self.named(name, space),
            Json::Array(branches) => self.union(branches, space, depth),
            Json::Object(_) => self.object(json, space, depth),
            _ => Err(wrong("a schema is neither a name, a union nor an object")),
        }
    }

    fn named(&mut self, name: &str, space: &str) -> Result<(Schema, Node), ConvertError> {
        let (kind, node) = match name {
            "null" => return Ok((Schema::new(Kind::String).optional(), Node::Null)),
            "boolean" => (Kind::Boolean, Node::Boolean),
            "int" => (Kind::Int32, Node::Int32),
            "long" => (Kind::Int64, Node::Long),
            "float" => (Kind::Float32, Node::Float),
            "double" => (Kind::Float64, Node::Double),
            "string" => (Kind::String, Node::String),
            "bytes" => (Kind::Bytes, Node::Bytes),
            other => {
                let full = full_name(other, space);
                let known = self.names.get(&full).or_else(|| self.names.get(other));
                let unknown = || wrong(&format!("the type {full} is unknown, or holds itself"));
                return known.cloned().ok_or_else(unknown);
            }
        };
        Ok((Schema::new(kind), node))
    }

    fn union(&mut self, branches: &[Json], space: &str, depth: u32) -> Result<(Schema, Node), ConvertError> {
        let mut found = None;
        let mut nodes = Vec::with_capacity(branches.len());
        for branch in branches {
            let (schema, node) = self.schema(branch, space, depth + 1)?;
            if !matches!(node, Node::Null) && found.replace(schema).is_some() {
                return Err(wrong(
                    "a union of several types besides null has no counterpart here",
                ));
            }
            nodes.push(node);
        }
        let schema = found.unwrap_or_else(|| Schema::new(Kind::String));
        let nullable = nodes.iter().any(|n| matches!(n, Node::Null));
        let schema = if nullable { schema.optional() } else { schema };
        Ok((schema, Node::Union(nodes)))
    }

    fn object(&mut self, json: &Json, space: &str, depth: u32) -> Result<(Schema, Node), ConvertError> {
        let kind = json.get("type").ok_or_else(|| wrong("a schema has no type"))?;
        let inner = |name: &str| {
            json.get(name)
                .ok_or_else(|| wrong(&format!("a schema has no {name}")))
        };
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        let (schema, node) = match kind.as_str() {
            Some("record") => return self.record(json, space, depth),
            Some("enum") => {
                let symbols = inner("symbols")?.as_array().into_iter().flatten();
                let symbols = symbols.filter_map(Json::as_str).map(str::to_owned).collect();
                let made = (Schema::new(Kind::String), Node::Enum(symbols));
                self.define(json, space, &made)?;
                made
            }
            Some("fixed") => {
                let size = inner("size")?.as_u64().and_then(|n| usize::try_from(n).ok());
                let node = Node::Fixed(size.ok_or_else(|| wrong("a fixed type has no size"))?);
                let made = decimal(json, Schema::new(Kind::Bytes), node);
                self.define(json, space, &made)?;
                made
            }
            Some("array") => {
                let (items, node) = self.schema(inner("items")?, space, depth + 1)?;
                match entry(json, &items, &node) {
                    Some(made) => made,
                    None => (
                        Schema::new(Kind::Array(Arc::new(items))),
                        Node::Array(Box::new(node)),
                    ),
                }
            }
            Some("map") => {
                let (values, node) = self.schema(inner("values")?, space, depth + 1)?;
                let kind = Kind::Map(Arc::new(Schema::new(Kind::String)), Arc::new(values));
                (Schema::new(kind), Node::Map(Box::new(node)))
            }
            Some(name) => {
                let (schema, node) = self.named(name, space)?;
                match (&schema.kind, text("connect.type"), text("logicalType")) {
                    (Kind::Int32, Some("int8"), _) => (Schema::new(Kind::Int8), Node::Int8),
                    (Kind::Int32, Some("int16"), _) => (Schema::new(Kind::Int16), Node::Int16),
                    (Kind::Int32, _, Some("date")) => (logical(schema, "Date"), node),
                    (Kind::Int32, _, Some("time-millis")) => (logical(schema, "Time"), node),
                    (Kind::Int64, _, Some("timestamp-millis")) => (logical(schema, "Timestamp"), node),
                    (Kind::Bytes, ..) => decimal(json, schema, node),
                    _ => (schema, node),
                }
            }
            None => self.schema(kind, space, depth + 1)?,
        };
        Ok((annotated(json, schema), node))
    }

    fn define(&mut self, json: &Json, space: &str, made: &(Schema, Node)) -> Result<(), ConvertError> {
        self.names.insert(own_name(json, space)?, made.clone());
        Ok(())
    }

    fn record(&mut self, json: &Json, space: &str, depth: u32) -> Result<(Schema, Node), ConvertError> {
        let full = own_name(json, space)?;
        let space = full.rsplit_once('.').map_or("", |(space, _)| space);
        let (mut fields, mut nodes) = (Vec::new(), Vec::new());
        for field in json.get("fields").and_then(Json::as_array).into_iter().flatten() {
            let name = field.get("name").and_then(Json::as_str);
            let name = name.ok_or_else(|| wrong("a field has no name"))?;
            let kind = field.get("type").ok_or_else(|| wrong("a field has no type"))?;
            let (mut schema, node) = self.schema(kind, space, depth + 1)?;
            if let Some(default) = field
                .get("default")
                .filter(|d| !d.is_null() && schema.default_json.is_none())
            {
                schema.default_json = json_default(&schema, default);
            }
            if schema.doc.is_none() {
                schema.doc = field.get("doc").and_then(Json::as_str).map(str::to_owned);
            }
            fields.push(Field::new(name, schema));
            nodes.push(node);
        }
        let mut schema = Schema::new(Kind::Struct(fields));
        if full != "io.confluent.connect.avro.ConnectDefault" {
            schema.name = Some(full.clone());
        }
        schema.doc = json.get("doc").and_then(Json::as_str).map(str::to_owned);
        let schema = annotated(json, schema);
        let made = (schema, Node::Record(nodes));
        self.names.insert(full, made.clone());
        Ok(made)
    }
}

fn full_name(name: &str, space: &str) -> String {
    match (name.contains('.'), space) {
        (true, _) | (_, "") => name.to_owned(),
        (false, space) => format!("{space}.{name}"),
    }
}

fn own_name(json: &Json, space: &str) -> Result<String, ConvertError> {
    let name = json.get("name").and_then(Json::as_str);
    let name = name.ok_or_else(|| wrong("a named type has no name"))?;
    let own = json.get("namespace").and_then(Json::as_str).unwrap_or(space);
    Ok(full_name(name, own))
}

fn logical(schema: Schema, name: &str) -> Schema {
    schema.named(format!("org.apache.kafka.connect.data.{name}"), 1)
}

/// Bytes with Connect's Decimal, if they are marked so.
fn decimal(json: &Json, schema: Schema, node: Node) -> (Schema, Node) {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    if text("logicalType") != Some("decimal") && text("connect.name") != Some(DECIMAL) {
        return (schema, node);
    }
    let number = |name: &str| {
        json.get(name)
            .and_then(Json::as_i64)
            .and_then(|n| i32::try_from(n).ok())
    };
    let scale = number("scale").unwrap_or(0);
    let mut schema = schema
        .named(DECIMAL, 1)
        .with_parameter("scale", scale.to_string());
    if let Some(precision) = number("precision").filter(|p| *p != 64) {
        schema = schema.with_parameter("connect.decimal.precision", precision.to_string());
    }
    (schema, Node::Decimal(Box::new(node), scale))
}

/// An array that stands for a map, because its keys are not strings.
fn entry(json: &Json, items: &Schema, node: &Node) -> Option<(Schema, Node)> {
    let marked = json
        .pointer("/items/connect.internal.type")
        .and_then(Json::as_str)
        == Some("MapEntry");
    if !marked && !items.is_named("io.confluent.connect.avro.MapEntry") {
        return None;
    }
    let ([key, value], Node::Record(nodes)) = (items.fields(), node) else {
        return None;
    };
    let [key_node, value_node] = nodes.as_slice() else {
        return None;
    };
    let kind = Kind::Map(Arc::clone(&key.schema), Arc::clone(&value.schema));
    let node = Node::Entries(Box::new(key_node.clone()), Box::new(value_node.clone()));
    Some((Schema::new(kind), node))
}

/// What Connect's converter has written beside the type.
fn annotated(json: &Json, mut schema: Schema) -> Schema {
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    if let Some(name) = text("connect.name") {
        schema.name = Some(name);
    }
    if let Some(doc) = text("connect.doc") {
        schema.doc = Some(doc);
    }
    let version = json.get("connect.version").and_then(Json::as_i64);
    if let Some(version) = version.and_then(|v| i32::try_from(v).ok()) {
        schema.version = Some(version);
    }
    if let Some(Json::Object(parameters)) = json.get("connect.parameters") {
        let given = |(name, value): (&String, &Json)| Some((name.clone(), value.as_str()?.to_owned()));
        schema.parameters = parameters.iter().filter_map(given).collect();
    }
    if let Some(default) = json.get("connect.default") {
        schema.default_json = json_default(&schema, default);
    }
    schema
}

/// An Avro default in the form of Connect's JSON: there bytes are base64.
fn json_default(schema: &Schema, default: &Json) -> Option<String> {
    match (&schema.kind, default) {
        (_, Json::Null) => None,
        (Kind::Bytes, Json::String(text)) => {
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            let plain = Schema::new(Kind::Bytes);
            default_text(&plain, &Value::Bytes(bytes?.into())).ok()
        }
        _ => serde_json::to_string(default).ok(),
    }
}

/// Bytes that are read from the front.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8], ConvertError> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| wrong("the bytes end too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, ConvertError> {
        self.take(1)?
            .first()
            .copied()
            .ok_or_else(|| wrong("the bytes end too early"))
    }

    fn long(&mut self) -> Result<i64, ConvertError> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed());
            }
        }
        Err(wrong("a number is too long"))
    }

    fn length(&mut self) -> Result<usize, ConvertError> {
        usize::try_from(self.long()?).map_err(|_| wrong("a length is below zero"))
    }

    fn bytes(&mut self) -> Result<&[u8], ConvertError> {
        let length = self.length()?;
        self.take(length)
    }

    /// Items of the next block; none at the end.
    fn block(&mut self) -> Result<usize, ConvertError> {
        let count = self.long()?;
        if count < 0 {
            // The block's size in bytes follows, for those who pass over it.
            self.long()?;
        }
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| wrong("a block is too long"))?;
        // Items of no bytes at all are no reason to believe any number.
        if count > self.0.len().saturating_add(1) {
            return Err(wrong("a block is longer than the bytes"));
        }
        Ok(count)
    }

    fn value(&mut self, node: &Node) -> Result<Value, ConvertError> {
        let narrow = |_| wrong("a number is out of its type's range");
        Ok(match node {
            Node::Null => Value::Null,
            Node::Boolean => Value::Bool(self.byte()? != 0),
            Node::Int8 => Value::Int8(i8::try_from(self.long()?).map_err(narrow)?),
            Node::Int16 => Value::Int16(i16::try_from(self.long()?).map_err(narrow)?),
            Node::Int32 => Value::Int32(i32::try_from(self.long()?).map_err(narrow)?),
            Node::Long => Value::Int64(self.long()?),
            Node::Float => {
                let bytes = self.take(4)?.first_chunk::<4>().copied().unwrap_or_default();
                Value::Float32(f32::from_le_bytes(bytes))
            }
            Node::Double => {
                let bytes = self.take(8)?.first_chunk::<8>().copied().unwrap_or_default();
                Value::Float64(f64::from_le_bytes(bytes))
            }
            Node::String => Value::String(Text::from_utf8_lossy(self.bytes()?)),
            Node::Bytes => Value::Bytes(self.bytes()?.into()),
            Node::Fixed(size) => Value::Bytes(self.take(*size)?.into()),
            Node::Decimal(inner, scale) => match self.value(inner)? {
                Value::Bytes(bytes) => Value::Decimal(Decimal::from_bytes(&bytes, *scale)),
                other => other,
            },
            Node::Enum(symbols) => {
                let at = self.length()?;
                let symbol = symbols
                    .get(at)
                    .ok_or_else(|| wrong("an enum has no such symbol"))?;
                Value::String(symbol.as_str().into())
            }
            Node::Array(items) => {
                let mut all = Vec::new();
                loop {
                    let count = self.block()?;
                    if count == 0 {
                        break Value::Array(all);
                    }
                    for _ in 0..count {
                        all.push(self.value(items)?);
                    }
                }
            }
            Node::Map(values) => self.entries(&Node::String, values)?,
            Node::Entries(keys, values) => self.entries(keys, values)?,
            Node::Record(fields) => {
                let members = fields.iter().map(|field| self.value(field));
                Value::Struct(members.collect::<Result<_, _>>()?)
            }
            Node::Union(branches) => {
                let at = self.length()?;
                let branch = branches
                    .get(at)
                    .ok_or_else(|| wrong("a union has no such branch"))?;
                self.value(branch)?
            }
        })
    }

    fn entries(&mut self, keys: &Node, values: &Node) -> Result<Value, ConvertError> {
        let mut all = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(Value::Map(all));
            }
            for _ in 0..count {
                let key = self.value(keys)?;
                all.push((key, self.value(values)?));
            }
        }
    }
}
