//! A relation's plan: everything about its events that does not change from row to row, as bytes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::column::PlanColumn;
use super::encoder::Shared;
use super::key::{KeyPlan, PHYSICAL_TABLE};
use super::mapper::Mapper;
use super::naming::{NameAdjustment, Role};
use super::schemas::{self, Wrapper};
use super::script::{Compiler, Script, Side};
use super::source::SourceTable;
use super::source_type::SourceType;
use crate::connect::{Field, Kind, Schema};
use crate::schema::{Table, TypeCatalog};
use crate::types::{ColumnWriter, Direct};
use crate::{Error, ErrorKind, Topic, json};

/// How the rows of one relation become records. Compiled when the relation is seen, used for each row.
#[derive(Debug)]
pub struct RelationPlan {
    pub(super) topic: Arc<Topic>,
    /// `schema.table`.
    pub(super) identifier: Arc<str>,
    pub(super) key: Option<KeyPlan>,
    pub(super) columns: Vec<Arc<PlanColumn>>,
    pub(super) scripts: Scripts,
    /// What closes the value after the envelope.
    pub(super) close: &'static [u8],
    /// What the source block says of the table.
    pub(super) source: SourceTable,
    schema: Arc<Schema>,
}

impl RelationPlan {
    /// Topic of the rows.
    #[must_use]
    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// `schema.table`.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Whether records hold anything of the table's column `index`: of those that are left out none does.
    #[must_use]
    pub fn reads(&self, index: usize) -> bool {
        let key = self.key.iter().flat_map(|k| &k.columns);
        self.columns.iter().chain(key).any(|c| c.index == index)
    }

    /// Schema of keys; none if the table has no key.
    #[must_use]
    pub fn key_schema(&self) -> Option<&Arc<Schema>> {
        self.key.as_ref().map(|k| &k.schema)
    }

    /// Schema of values: the envelope.
    #[must_use]
    pub fn value_schema(&self) -> &Arc<Schema> {
        &self.schema
    }
}

/// How records are written, by what they have of a row.
#[derive(Debug)]
pub(super) struct Scripts {
    /// The new row alone.
    pub(super) new: Script,
    /// Both rows.
    pub(super) both: Script,
    /// The old row alone.
    pub(super) old: Script,
    /// None.
    pub(super) none: Script,
}

impl Scripts {
    /// `open`: what stands before the envelope.
    fn new(key: Option<&KeyPlan>, open: &[u8], columns: &[Arc<PlanColumn>]) -> Self {
        let begin = |side| {
            let key = key.map_or_else(Compiler::default, |key| key.script(side));
            key.text(open).text(b"{\"before\":")
        };
        Self {
            new: begin(Side::New)
                .text(b"null,\"after\":")
                .row(Side::New, columns, b"}")
                .finish(),
            both: begin(Side::New)
                .row(Side::Old, columns, b"}")
                .text(b",\"after\":")
                .row(Side::New, columns, b"}")
                .finish(),
            old: begin(Side::Old)
                .row(Side::Old, columns, b"}")
                .text(b",\"after\":null")
                .finish(),
            none: Compiler::default()
                .text(open)
                .text(b"{\"before\":null,\"after\":null")
                .finish(),
        }
    }
}

/// A column that has a representation.
struct Known {
    index: usize,
    writer: Arc<ColumnWriter>,
    schema: Schema,
}

/// Compiles the plan of a captured table.
pub(super) fn compile(shared: &Shared, table: &Table, types: &TypeCatalog) -> Result<RelationPlan, Error> {
    let identifier = format!("{}.{}", table.schema, table.name);
    let topic = shared.names.table(&table.schema, &table.name);
    let known = known_columns(shared, table, types)?;
    let value = ValueSide::compile(shared, &identifier, table, &known, types)?;
    let key = compile_key(shared, &identifier, &topic, table, &known)?;
    let schema = {
        let mut row = schemas::structure(&schema_name(shared, &topic, "Value")?, None, value.fields);
        row.optional = true;
        schemas::envelope(&schema_name(shared, &topic, "Envelope")?, &Arc::new(row))
    };
    let wrapper = Wrapper::new(&schema, shared.format.value_schemas);
    Ok(RelationPlan {
        scripts: Scripts::new(key.as_ref(), &wrapper.open, &value.columns),
        close: wrapper.close,
        topic: Arc::new(Topic { name: topic }),
        identifier: identifier.into(),
        key,
        columns: value.columns,
        source: SourceTable::new(&table.schema, &table.name),
        schema: Arc::new(schema),
    })
}

fn known_columns(shared: &Shared, table: &Table, types: &TypeCatalog) -> Result<Vec<Known>, Error> {
    let mut known = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        let Some(writer) = ColumnWriter::compile(column, types, &shared.format.values)? else {
            continue;
        };
        let mut schema = writer.schema().clone();
        if shared.format.include_schema_comments && column.comment.is_some() {
            schema.doc.clone_from(&column.comment);
        }
        known.push(Known {
            index,
            writer: Arc::new(writer),
            schema,
        });
    }
    Ok(known)
}

struct ValueSide {
    columns: Vec<Arc<PlanColumn>>,
    fields: Vec<Field>,
}

impl ValueSide {
    fn compile(
        shared: &Shared,
        identifier: &str,
        table: &Table,
        known: &[Known],
        types: &TypeCatalog,
    ) -> Result<Self, Error> {
        let mut side = Self {
            columns: Vec::new(),
            fields: Vec::new(),
        };
        for k in known {
            let Some(column) = table.columns.get(k.index) else {
                continue;
            };
            if !shared.capture.column(&table.schema, &table.name, &column.name) {
                continue;
            }
            let mut schema = k.schema.clone();
            let source = SourceType::of(column, types);
            let mapper = shared
                .rules
                .apply(identifier, &column.name, &source, &k.writer, &mut schema);
            add(
                shared,
                identifier,
                table,
                k,
                (schema, mapper),
                &mut side.columns,
                &mut side.fields,
            )?;
        }
        Ok(side)
    }
}

/// `pg_type.oid` of `name`.
const NAME: u32 = 19;

/// Adds a column to a key or a value.
fn add(
    shared: &Shared,
    identifier: &str,
    table: &Table,
    known: &Known,
    (schema, mapper): (Schema, Option<Mapper>),
    columns: &mut Vec<Arc<PlanColumn>>,
    fields: &mut Vec<Field>,
) -> Result<(), Error> {
    let Some(column) = table.columns.get(known.index) else {
        return Ok(());
    };
    let name = shared
        .format
        .field_name_adjustment
        .adjust(&column.name, Role::Field);
    if fields.iter().any(|f| f.name == name) {
        let text = format!(
            "two columns of table {identifier} become the field {name}: exclude or rename one of them"
        );
        return Err(Error::new(ErrorKind::Config, text));
    }
    let snapshot_only = shared.format.values.null_names_in_stream
        && !shared.format.values.include_unknown_datatypes
        && column.type_oid == NAME;
    let member = member(columns.is_empty(), &name);
    let plain = mapper.is_none() && !snapshot_only;
    columns.push(Arc::new(PlanColumn {
        index: known.index,
        name: column.name.clone(),
        identity: column.identity,
        nullable: column.nullable,
        member,
        null: (plain && column.nullable).then(|| known.writer.null().into()),
        direct: if plain { known.writer.direct() } else { Direct::Not },
        snapshot_only,
        plain,
        writer: Arc::clone(&known.writer),
        mapper,
        reported: AtomicBool::new(false),
    }));
    fields.push(Field::new(name, schema));
    Ok(())
}

/// `{"name":` for the first member of an object, `,"name":` for others.
fn member(first: bool, name: &str) -> Box<[u8]> {
    let mut out = vec![if first { b'{' } else { b',' }];
    json::write_str(&mut out, name.as_bytes());
    out.push(b':');
    out.into()
}

fn compile_key(
    shared: &Shared,
    identifier: &str,
    topic: &str,
    table: &Table,
    known: &[Known],
) -> Result<Option<KeyPlan>, Error> {
    let (mut columns, mut fields) = (Vec::new(), Vec::new());
    shared.keys.warn_of_missing(identifier, table);
    for index in shared.keys.columns(identifier, table) {
        let Some(k) = known.iter().find(|k| k.index == index) else {
            continue;
        };
        add(
            shared,
            identifier,
            table,
            k,
            (k.schema.clone(), None),
            &mut columns,
            &mut fields,
        )?;
    }
    let mut tail = Vec::new();
    if let Some(physical) = shared.names.physical_table(&table.schema, &table.name) {
        let first = columns.is_empty();
        tail.extend_from_slice(
            member(first, PHYSICAL_TABLE)
                .get(usize::from(first)..)
                .unwrap_or_default(),
        );
        json::write_str(&mut tail, physical.as_bytes());
        fields.push(Field::new(PHYSICAL_TABLE, Schema::new(Kind::String)));
    }
    tail.push(b'}');
    if fields.is_empty() {
        return Ok(None);
    }
    let schema = schemas::structure(&schema_name(shared, topic, "Key")?, None, fields);
    let wrapper = Wrapper::new(&schema, shared.format.key_schemas);
    Ok(Some(KeyPlan {
        columns,
        open: wrapper.open,
        close: wrapper.close,
        tail: tail.into(),
        header: Wrapper::new(&schema, shared.headers.schemas),
        schema: Arc::new(schema),
    }))
}

/// Full name of a schema, adjusted. Two names that become one would make consumers mix up two schemas.
fn schema_name(shared: &Shared, topic: &str, what: &str) -> Result<String, Error> {
    let original = format!("{topic}.{what}");
    let adjusted = shared
        .format
        .schema_name_adjustment
        .adjust(&original, Role::Schema);
    if shared.format.schema_name_adjustment == NameAdjustment::None {
        return Ok(adjusted);
    }
    let mut seen = shared
        .schema_names
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let first = seen.entry(adjusted.clone()).or_insert_with(|| original.clone());
    if *first != original {
        let text = format!(
            "the schema names {first} and {original} both become {adjusted}: use schema_name_adjustment avro_unicode"
        );
        return Err(Error::new(ErrorKind::Config, text));
    }
    Ok(adjusted)
}
