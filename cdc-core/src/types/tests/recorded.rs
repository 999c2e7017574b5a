//! Every type, mode and value of the recordings of the real Debezium.

use super::*;

/// A column of a recorded case: what the catalog says, the options, and the server's text beside Debezium's token.
#[derive(Deserialize)]
struct Recorded {
    case: String,
    options: ValueOptions,
    name: String,
    oid: u32,
    typmod: i32,
    nullable: bool,
    default: Option<String>,
    generated: bool,
    identity: bool,
    types: Vec<RecordedType>,
    /// Rendered schema, if the case has schemas.
    schema: Option<String>,
    /// Whether Debezium shows the column at all.
    present: bool,
    values: Vec<(Option<String>, String)>,
}

#[derive(Deserialize)]
struct RecordedType {
    oid: u32,
    schema: String,
    name: String,
    typtype: String,
    array: bool,
    elem: u32,
    base: u32,
    typmod: i32,
    labels: Option<Vec<String>>,
}

impl Recorded {
    fn column(&self) -> Column {
        Column {
            name: self.name.clone(),
            type_oid: self.oid,
            typmod: self.typmod,
            identity: false,
            nullable: self.nullable,
            default: self.default.clone(),
            generated: self.generated,
            identity_column: self.identity,
            comment: None,
        }
    }

    fn catalog(&self) -> TypeCatalog {
        let mut catalog = TypeCatalog::default();
        for t in &self.types {
            let kind = match (t.typtype.as_str(), t.array) {
                (_, true) => TypeKind::Array {
                    element: t.elem,
                    // Of the server's types only box has another delimiter.
                    delimiter: if t.elem == 603 { b';' } else { b',' },
                },
                ("d", _) => TypeKind::Domain {
                    base: t.base,
                    typmod: t.typmod,
                },
                ("e", _) => TypeKind::Enum(t.labels.clone().unwrap()),
                ("c", _) => TypeKind::Composite,
                ("r", _) => TypeKind::Range,
                ("m", _) => TypeKind::Multirange,
                _ => TypeKind::Base,
            };
            catalog.insert(TypeInfo {
                oid: t.oid,
                schema: t.schema.clone(),
                name: t.name.clone(),
                kind,
            });
        }
        catalog
    }
}

/// Replays one file of recorded columns; returns the number of values compared.
fn replay(file: &str) -> usize {
    let mut compared = 0;
    for line in file.split('\n').filter(|l| !l.is_empty()) {
        let r: Recorded = serde_json::from_str(line).unwrap();
        let at = format!("{} column {}", r.case, r.name);
        let writer = ColumnWriter::compile(&r.column(), &r.catalog(), &r.options).unwrap();
        assert_eq!(writer.is_some(), r.present, "{at}: presence");
        let Some(writer) = writer else { continue };
        if let Some(expected) = &r.schema {
            let mut schema = Vec::new();
            writer.schema().render(Some(&r.name), &mut schema);
            assert_eq!(String::from_utf8(schema).unwrap(), *expected, "{at}: schema");
        }
        for (text, token) in &r.values {
            let datum = text.as_ref().map_or(Datum::Null, |t| Datum::Text(t.as_bytes()));
            let mut out = Vec::new();
            writer.write(datum, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), *token, "{at}: {text:?}");
            compared += 1;
        }
    }
    compared
}

macro_rules! recorded {
    ($($case:ident >= $least:literal)*) => {$(
        #[test]
        fn $case() {
            let file = include_str!(concat!("../../../tests/data/values/", stringify!($case), ".ndjson"));
            assert!(replay(file) >= $least);
        }
    )*};
}

recorded! {
    types_default >= 45
    types_adaptive_micros >= 45
    types_double_connect >= 45
    types_microseconds >= 45
    types_nanoseconds >= 45
    types_string_iso >= 45
    arrays >= 60
    special_values >= 80
    defaults >= 24
    user_types >= 9
    user_types_unknown >= 22
    types_more >= 30
}
