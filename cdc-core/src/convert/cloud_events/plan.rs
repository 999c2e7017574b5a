//! What of an event depends on its schemas alone: the attributes' schema, the data's schema, and where each value is found.

use std::sync::Arc;

use super::CloudEventsOptions;
use super::metadata::{Metadata, MetadataSource};
use crate::connect::{Field, Kind, Schema};
use crate::convert::text::timestamp_text;
use crate::convert::{ConvertError, default_value};
use crate::record::{SchemaAndValue, SchemaInterner, Text, Value};

/// Version of the specification.
const SPEC_VERSION: &str = "1.0";
/// What names of extension attributes begin with.
const EXTENSION: &str = "iodebezium";
/// Members of the `transaction` block, in its order.
const TRANSACTION: [&str; 3] = ["id", "total_order", "data_collection_order"];

/// How events of one schema are made.
#[derive(Debug)]
pub(super) struct Plan {
    source_schema: Arc<Schema>,
    /// Server and database that the schema's name was made of; null if it is a given one.
    named_after: [Value; 2],
    data_schema_name: Option<Text>,
    /// Schema of the attributes, in Avro with the data behind them.
    attributes: Arc<Schema>,
    data_schema: Arc<Schema>,
    /// Members of the value that are the data; none if all are.
    data_members: Option<[usize; 2]>,
    at: SourceMembers,
    /// Whether there are extension attributes, and the members of `source` in order.
    extensions: Option<Vec<Extension>>,
}

/// Places of members of `source`.
#[derive(Debug)]
struct SourceMembers {
    connector: usize,
    name: usize,
    database: usize,
    ts_ms: usize,
    lsn: usize,
    tx_id: usize,
    sequence: usize,
}

/// A member of `source` as an attribute.
#[derive(Debug)]
struct Extension {
    default: Option<Value>,
    /// 64-bit numbers are text, for CloudEvents have none.
    as_text: bool,
}

impl Plan {
    pub(super) fn new(
        options: &CloudEventsOptions,
        schema: &Arc<Schema>,
        metadata: &Metadata<'_>,
        avro_data: bool,
        avro_event: bool,
        interner: &mut SchemaInterner,
    ) -> Result<Self, ConvertError> {
        let source = metadata.source_schema;
        let at = SourceMembers::of(source)?;
        let [server, database] = [at.name, at.database].map(|i| metadata.source.member(i).clone());
        let name = options
            .schema_name
            .clone()
            .unwrap_or_else(|| format!("{}.{}.CloudEvents.Envelope", java(&server), java(&database)));
        let mut members: Vec<Field> = ["id", "source", "specversion", "type", "time", "datacontenttype"]
            .map(|name| Field::new(name, Schema::new(Kind::String)))
            .into();
        if avro_data {
            members.push(Field::new("dataschema", Schema::new(Kind::String)));
        }
        if options.tracing_attributes {
            members.push(Field::new("traceparent", Schema::new(Kind::String)));
        }
        let extensions = match options.extension_attributes {
            true => Some(extensions(source, &mut members)?),
            false => None,
        };
        if avro_event {
            members.push(Field::new("data", Schema::new(Kind::Bytes)));
        }
        let mut attributes = Schema::new(Kind::Struct(members));
        attributes.name = Some(options.name_adjustment.schema(&name));

        let data_members = match options.metadata.source {
            MetadataSource::Value => Some([place(schema, "before")?, place(schema, "after")?]),
            MetadataSource::Header => None,
        };
        let fields = match data_members {
            Some(members) => members
                .iter()
                .filter_map(|i| schema.fields().get(*i))
                .cloned()
                .collect(),
            None => schema.fields().to_vec(),
        };
        let mut data_schema = Schema::new(Kind::Struct(fields));
        data_schema.name = Some(match metadata.data_schema_name {
            Some(name) => name.to_string(),
            None => format!(
                "io.debezium.connector.{}.Data",
                java(metadata.source.member(at.connector))
            ),
        });
        let given = options.schema_name.is_some();
        Ok(Self {
            source_schema: Arc::clone(source),
            named_after: if given {
                [Value::Null, Value::Null]
            } else {
                [server, database]
            },
            data_schema_name: metadata.data_schema_name.cloned(),
            attributes: interner.intern(attributes),
            data_schema: interner.intern(data_schema),
            data_members,
            at,
            extensions,
        })
    }

    /// Whether the plan was made of metadata like these.
    pub(super) fn fits(&self, metadata: &Metadata<'_>) -> bool {
        let named = |value: &Value, at| value.is_null() || value == metadata.source.member(at);
        let [server, database] = &self.named_after;
        Arc::ptr_eq(&self.source_schema, metadata.source_schema)
            && named(server, self.at.name)
            && named(database, self.at.database)
            && self.data_schema_name.as_ref() == metadata.data_schema_name
    }

    /// The data of an event.
    pub(super) fn data(&self, of: &SchemaAndValue) -> SchemaAndValue {
        let value = match self.data_members {
            Some(members) => Value::Struct(members.map(|i| of.value.member(i).clone()).into()),
            None => of.value.clone(),
        };
        SchemaAndValue {
            schema: Some(Arc::clone(&self.data_schema)),
            value,
        }
    }

    /// The attributes of an event; `data_schema` is the address of the data's schema, if they have one.
    ///
    /// # Errors
    /// If the source does not say when the change was made.
    pub(super) fn attributes(
        &self,
        metadata: &Metadata<'_>,
        content_type: &str,
        data_schema: Option<String>,
    ) -> Result<SchemaAndValue, ConvertError> {
        let source = |at: usize| metadata.source.member(at);
        let at = &self.at;
        let connector = java(source(at.connector));
        let time = source(at.ts_ms).as_i64();
        let time = time.ok_or_else(|| ConvertError::new("the source of an event has no number in ts_ms"))?;
        let generated_id = || {
            let (name, lsn) = (java(source(at.name)), java(source(at.lsn)));
            let (tx_id, sequence) = (java(source(at.tx_id)), java(source(at.sequence)));
            format!("name:{name};lsn:{lsn};txId:{tx_id};sequence:{sequence}").into()
        };
        let generated_type = || format!("io.debezium.connector.{connector}.DataChangeEvent").into();
        let mut values = vec![
            Value::String(metadata.id.cloned().unwrap_or_else(generated_id)),
            Value::String(format!("/debezium/{connector}/{}", java(source(at.name))).into()),
            Value::String(SPEC_VERSION.into()),
            Value::String(metadata.event_type.cloned().unwrap_or_else(generated_type)),
            Value::String(timestamp_text(time).into()),
            Value::String(content_type.into()),
        ];
        values.extend(data_schema.map(|uri| Value::String(uri.into())));
        values.extend(metadata.trace_parent.map(|text| Value::String(text.clone())));
        if let Some(extensions) = &self.extensions {
            values.push(metadata.operation.clone());
            values.extend(extensions.iter().enumerate().map(|(i, e)| e.value(source(i))));
            let transaction = |i| as_text(metadata.transaction.member(i));
            values.extend((0..TRANSACTION.len()).map(transaction));
        }
        Ok(SchemaAndValue {
            schema: Some(Arc::clone(&self.attributes)),
            value: Value::Struct(values),
        })
    }
}

impl SourceMembers {
    fn of(source: &Schema) -> Result<Self, ConvertError> {
        Ok(Self {
            connector: place(source, "connector")?,
            name: place(source, "name")?,
            database: place(source, "db")?,
            ts_ms: place(source, "ts_ms")?,
            lsn: place(source, "lsn")?,
            tx_id: place(source, "txId")?,
            sequence: place(source, "sequence")?,
        })
    }
}

fn place(schema: &Schema, name: &str) -> Result<usize, ConvertError> {
    let found = schema.field(name).map(|(index, _)| index);
    found.ok_or_else(|| {
        ConvertError::new(format!(
            "a CloudEvent needs the member {name}, and the event has none"
        ))
    })
}

/// Appends the schemas of the extension attributes.
fn extensions(source: &Schema, members: &mut Vec<Field>) -> Result<Vec<Extension>, ConvertError> {
    members.push(Field::new(extension_name("op"), Schema::new(Kind::String)));
    let mut all = Vec::new();
    for field in source.fields() {
        let kind = match field.schema.kind {
            Kind::Boolean => Kind::Boolean,
            Kind::Int8 | Kind::Int16 | Kind::Int32 => Kind::Int32,
            Kind::Int64 | Kind::String => Kind::String,
            _ => {
                return Err(ConvertError::new(format!(
                    "the member {} of the source is of type {}, which no attribute of a CloudEvent has: set extension_attributes to false",
                    field.name,
                    field.schema.kind.name()
                )));
            }
        };
        let schema = Schema {
            optional: field.schema.optional,
            ..Schema::new(kind)
        };
        members.push(Field::new(extension_name(&field.name), schema));
        all.push(Extension {
            default: default_value(&field.schema)?,
            as_text: field.schema.kind == Kind::Int64,
        });
    }
    for name in TRANSACTION {
        let name = extension_name(&format!("tx{name}"));
        members.push(Field::new(name, Schema::new(Kind::String).optional()));
    }
    Ok(all)
}

impl Extension {
    fn value(&self, value: &Value) -> Value {
        match &self.default {
            Some(default) if value.is_null() => default.clone(),
            _ if self.as_text => as_text(value),
            _ => value.clone(),
        }
    }
}

/// Numbers as text; others stay.
fn as_text(value: &Value) -> Value {
    match value.as_i64() {
        Some(n) => Value::String(itoa::Buffer::new().format(n).into()),
        None => value.clone(),
    }
}

/// Letters and digits of a name behind the prefix. Debezium leaves capitals, which CloudEvents does not allow.
fn extension_name(name: &str) -> String {
    let plain = name.chars().filter(char::is_ascii_alphanumeric);
    EXTENSION.chars().chain(plain).collect()
}

/// A value as Java appends it to a text.
fn java(value: &Value) -> Text {
    match value {
        Value::String(text) => text.clone(),
        other => match other.as_i64() {
            Some(n) => itoa::Buffer::new().format(n).into(),
            None => "null".into(),
        },
    }
}
