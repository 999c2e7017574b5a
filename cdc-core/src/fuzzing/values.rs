//! Targets over the values of columns.

use crate::row::Datum;
use crate::schema::{Column, TypeCatalog, TypeInfo, TypeKind};
use crate::types::{
    BinaryHandling, ColumnWriter, DecimalFormat, DecimalHandling, HstoreHandling, IntervalHandling,
    TimePrecision, ValueOptions,
};

/// Types by OID, extensions' types at the end.
const OIDS: [u32; 56] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 600, 601, 602, 604, 628, 650, 700, 701, 718, 790, 829, 869,
    1001, 1005, 1007, 1009, 1021, 1022, 1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184, 1185, 1186,
    1231, 1266, 1270, 1560, 1562, 1700, 2951, 3614, 3807, 3904, EXTENSION, 90_001, 90_002, 90_003, 90_004,
    90_005,
];
const EXTENSION: u32 = 90_000;

fn catalog() -> TypeCatalog {
    let names = [
        "hstore",
        "vector",
        "halfvec",
        "sparsevec",
        "geometry",
        "unheard_of",
    ];
    let mut catalog = TypeCatalog::default();
    for (oid, name) in (EXTENSION..).zip(names) {
        catalog.insert(TypeInfo {
            oid,
            schema: "public".to_owned(),
            name: name.to_owned(),
            kind: TypeKind::Base,
        });
    }
    catalog
}

fn column(type_oid: u32, typmod: i32) -> Column {
    Column {
        name: "c".to_owned(),
        type_oid,
        typmod,
        identity: false,
        nullable: true,
        default: None,
        generated: false,
        identity_column: false,
        comment: None,
    }
}

/// Options chosen by the bits of `choice`.
fn options(choice: u8) -> ValueOptions {
    let pick = |shift: u8, n: u8| choice.wrapping_shr(u32::from(shift)) % n;
    ValueOptions {
        decimal: match pick(0, 3) {
            0 => DecimalHandling::Precise,
            1 => DecimalHandling::Double,
            _ => DecimalHandling::String,
        },
        decimal_format: match pick(2, 2) {
            0 => DecimalFormat::Base64,
            _ => DecimalFormat::Numeric,
        },
        time: match pick(3, 4) {
            0 => TimePrecision::Adaptive,
            1 => TimePrecision::Connect,
            2 => TimePrecision::Isostring,
            _ => TimePrecision::Nanoseconds,
        },
        interval: match pick(5, 2) {
            0 => IntervalHandling::Numeric,
            _ => IntervalHandling::String,
        },
        hstore: match pick(6, 2) {
            0 => HstoreHandling::Json,
            _ => HstoreHandling::Map,
        },
        binary: match pick(5, 3) {
            0 => BinaryHandling::Bytes,
            1 => BinaryHandling::Base64UrlSafe,
            _ => BinaryHandling::Hex,
        },
        include_unknown_datatypes: true,
        ..ValueOptions::default()
    }
}

/// Writes `text` and checks that what comes out is one JSON value, or nothing.
fn write(column: &Column, o: &ValueOptions, text: &[u8]) {
    let Ok(Some(writer)) = ColumnWriter::compile(column, &catalog(), o) else {
        return;
    };
    let mut out = Vec::new();
    match writer.write(Datum::Text(text), &mut out) {
        Ok(()) => {
            // The server vouches for UTF-8; where the input breaks it, so may the output.
            if std::str::from_utf8(text).is_ok() {
                let parsed = serde_json::from_slice::<&serde_json::value::RawValue>(&out);
                assert!(parsed.is_ok(), "not JSON: {}", String::from_utf8_lossy(&out));
            }
        }
        Err(_) => assert!(out.is_empty(), "an error left bytes behind"),
    }
}

/// Any text for any type: the first three bytes choose type, options and modifier; the rest is the value, and also
/// the default expression of the column.
///
/// # Panics
/// If what is written is not one JSON value.
pub fn tuple_text(input: &[u8]) {
    let Some((&[oid, choice, typmod], text)) = input.split_first_chunk::<3>() else {
        return;
    };
    let oid = OIDS.get(usize::from(oid) % OIDS.len()).copied().unwrap_or(25);
    let mut column = column(oid, i32::from(typmod.cast_signed()));
    if let Ok(text) = std::str::from_utf8(text) {
        column.default = Some(text.to_owned());
    }
    write(&column, &options(choice), text);
}

/// Any text as a `numeric`, with the scale and form that the first three bytes choose.
///
/// # Panics
/// If what is written is not one JSON value.
pub fn numeric(input: &[u8]) {
    let Some((&[choice, precision, scale], text)) = input.split_first_chunk::<3>() else {
        return;
    };
    let typmod = match precision {
        0 => -1,
        p => ((i32::from(p) << 16) | (i32::from(scale.cast_signed()) & 0x7ff)) + 4,
    };
    write(&column(1700, typmod), &options(choice), text);
}
