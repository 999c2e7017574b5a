//! A row of ten columns, and the ways in which it becomes a record.
#![allow(clippy::unwrap_used, reason = "a bench stops by panicking")]

use std::sync::Arc;

use cdc_core::convert::{AvroConverter, AvroOptions, ConvertError, Converter, SchemaRegistry, SubjectNaming};
use cdc_core::envelope::{Encoder, EventContext, Format, OldRow, RelationPlan, Reshape, RowOp};
use cdc_core::filter::{Capture, Filters};
use cdc_core::row::{ColumnKind, ColumnRef, RowView};
use cdc_core::schema::{Column, Table, TypeCatalog, TypeInfo, TypeKind};
use cdc_core::transform::{ChainConfig, ExtractNewRecordState, StepConfig};
use cdc_core::{Batch, Lsn};

/// The ways by name.
pub const CASES: [&str; 8] = [
    "insert, schemas off",
    "full update, schemas off",
    "insert, schemas on",
    "full update, schemas on",
    "insert, Avro",
    "full update, Avro",
    "insert, unwrapped, schemas off",
    "insert, unwrapped, schemas on",
];

/// Bytes of a batch before it is used again, as in the engine.
const BATCH: usize = 256 << 10;

/// One way, ready to encode.
#[derive(Debug)]
pub struct Case {
    encoder: Encoder,
    plan: Arc<RelationPlan>,
    context: EventContext,
    data: Vec<u8>,
    columns: Vec<ColumnRef>,
    update: bool,
    batch: Batch,
}

impl Case {
    /// The way of a name.
    ///
    /// # Panics
    /// If it is not one of [`CASES`].
    #[must_use]
    pub fn new(name: &str) -> Self {
        assert!(CASES.contains(&name), "the cases are {CASES:?}");
        let schemas = name.ends_with("schemas on");
        let reshape = match name {
            _ if name.contains("Avro") => avro(),
            _ if name.contains("unwrapped") => unwrap(),
            _ => Reshape::default(),
        };
        let format = Format {
            topic_prefix: "srv".into(),
            key_schemas: schemas,
            value_schemas: schemas,
            ..Format::default()
        };
        let capture = Arc::new(Capture::new(&Filters::default()).unwrap());
        let encoder = Encoder::with_reshape(&Arc::new(format), capture, "shop", reshape).unwrap();
        let plan = encoder.plan(&table(), &types()).unwrap().unwrap();
        let (data, columns) = row();
        Self {
            encoder,
            plan,
            context: EventContext {
                lsn: Lsn(22_179_479_552),
                last_commit_lsn: Some(Lsn(22_179_479_320)),
                xid: Some(4711),
                commit_us: 1_795_527_662_098_465,
                now_ns: 1_795_527_662_454_910_007,
                ..EventContext::default()
            },
            data,
            columns,
            update: name.starts_with("full update"),
            batch: Batch::with_capacity(2 * BATCH),
        }
    }

    /// Encodes the row once more, as a later one of its transaction.
    pub fn encode(&mut self) {
        self.context.lsn.0 += 232;
        let row = RowView::new(&self.data, &self.columns);
        let op = match self.update {
            false => RowOp::Insert(row),
            true => RowOp::Update {
                old: Some(OldRow::Full(row)),
                new: row,
            },
        };
        if self.batch.bytes_len() > BATCH {
            self.batch.reset(2 * BATCH);
        }
        self.encoder
            .row(&self.plan, op, &self.context, &mut self.batch)
            .unwrap();
    }
}

/// Name, type OID, type name, modifier, value: about 190 bytes a row.
const COLUMNS: [(&str, u32, &str, i32, &str); 10] = [
    ("id", 20, "int8", -1, "1234567"),
    ("customer_id", 23, "int4", -1, "42001"),
    ("status", 25, "text", -1, "shipped"),
    ("amount", 1700, "numeric", ((10 << 16) | 2) + 4, "1234.56"),
    ("paid", 16, "bool", -1, "t"),
    (
        "created_at",
        1184,
        "timestamptz",
        -1,
        "2024-02-29 12:34:56.789123+00",
    ),
    ("due", 1082, "date", -1, "2024-03-31"),
    (
        "reference",
        2950,
        "uuid",
        -1,
        "9f0c7f6e-3d0a-4b43-9a6f-0d7f3b0a1c55",
    ),
    (
        "address",
        1043,
        "varchar",
        204,
        "12 Long Street, Some Town, Somewhere",
    ),
    (
        "note",
        25,
        "text",
        -1,
        "a note with \"quotes\" and an é, as they come",
    ),
];

fn table() -> Table {
    let columns = COLUMNS
        .iter()
        .enumerate()
        .map(|(i, (name, type_oid, _, typmod, _))| Column {
            name: (*name).into(),
            type_oid: *type_oid,
            typmod: *typmod,
            identity: i == 0,
            nullable: i != 0,
            default: None,
            generated: false,
            identity_column: false,
            comment: None,
        });
    let columns = columns.collect();
    Table {
        schema: "public".into(),
        name: "orders".into(),
        columns,
        key: vec![0],
        ..Table::default()
    }
}

fn types() -> TypeCatalog {
    let mut types = TypeCatalog::default();
    for (_, oid, name, _, _) in COLUMNS {
        types.insert(TypeInfo {
            oid,
            schema: "pg_catalog".into(),
            name: name.into(),
            kind: TypeKind::Base,
        });
    }
    types
}

fn row() -> (Vec<u8>, Vec<ColumnRef>) {
    let (mut data, mut columns) = (Vec::new(), Vec::new());
    for (.., value) in COLUMNS {
        let (start, len) = (
            u32::try_from(data.len()).unwrap(),
            u32::try_from(value.len()).unwrap(),
        );
        columns.push(ColumnRef {
            kind: ColumnKind::Text,
            start,
            len,
        });
        data.extend_from_slice(value.as_bytes());
    }
    (data, columns)
}

/// A registry that knows every schema by the same number.
#[derive(Debug)]
struct One;

impl SchemaRegistry for One {
    fn register(&self, _: &str, _: &str) -> Result<u32, ConvertError> {
        Ok(1)
    }

    fn lookup(&self, _: &str, _: &str) -> Result<u32, ConvertError> {
        Ok(1)
    }

    fn latest(&self, subject: &str) -> Result<(u32, String), ConvertError> {
        Err(ConvertError::new(format!("{subject} is not known")))
    }

    fn schema(&self, id: u32) -> Result<String, ConvertError> {
        Err(ConvertError::new(format!("{id} is not known")))
    }
}

fn avro() -> Reshape {
    let converter = |key| -> Option<Box<dyn Converter>> {
        let options = AvroOptions {
            key,
            subjects: SubjectNaming::Topic,
            auto_register: true,
            use_latest: false,
        };
        Some(Box::new(AvroConverter::new(options, Arc::new(One))))
    };
    Reshape {
        key: converter(true),
        value: converter(false),
        ..Reshape::default()
    }
}

/// ExtractNewRecordState with two added fields.
fn unwrap() -> Reshape {
    let step = StepConfig {
        extract_new_record_state: Some(ExtractNewRecordState {
            add_fields: vec!["op".into(), "source.ts_ms".into()],
            ..ExtractNewRecordState::default()
        }),
        ..StepConfig::default()
    };
    let chain = ChainConfig {
        transforms: vec![step],
        ..ChainConfig::default()
    };
    Reshape {
        chain: chain.build().unwrap(),
        ..Reshape::default()
    }
}
