//! Every type, mode and value of the recordings of the real Debezium, and what they leave open.

mod absent;
mod collections;
mod numbers;
mod recorded;
mod times;

use super::*;
use crate::row::Datum;
use crate::schema::{TypeInfo, TypeKind};
use proptest::prelude::*;
use serde::Deserialize;

fn column(oid: u32, typmod: i32) -> Column {
    Column {
        name: "c".to_owned(),
        type_oid: oid,
        typmod,
        identity: false,
        nullable: true,
        default: None,
        generated: false,
        identity_column: false,
        comment: None,
    }
}

fn catalog() -> TypeCatalog {
    let mut catalog = TypeCatalog::default();
    let mut add = |oid, name: &str, kind| {
        catalog.insert(TypeInfo {
            oid,
            schema: "public".to_owned(),
            name: name.to_owned(),
            kind,
        });
    };
    add(HSTORE, "hstore", TypeKind::Base);
    add(VECTOR, "vector", TypeKind::Base);
    add(HALFVEC, "halfvec", TypeKind::Base);
    add(SPARSEVEC, "sparsevec", TypeKind::Base);
    add(GEOMETRY, "geometry", TypeKind::Base);
    add(
        MOOD,
        "mood",
        TypeKind::Enum(vec!["sad".to_owned(), "ok".to_owned()]),
    );
    catalog
}

const HSTORE: u32 = 90_001;
const VECTOR: u32 = 90_002;
const HALFVEC: u32 = 90_003;
const SPARSEVEC: u32 = 90_004;
const GEOMETRY: u32 = 90_005;
const MOOD: u32 = 90_006;

fn writer(column: &Column, o: &ValueOptions) -> ColumnWriter {
    ColumnWriter::compile(column, &catalog(), o).unwrap().unwrap()
}

fn token(w: &ColumnWriter, datum: Datum<'_>) -> String {
    let mut out = b"before".to_vec();
    match w.write(datum, &mut out) {
        Ok(()) => String::from_utf8(out.split_off(6)).unwrap(),
        Err(e) => {
            assert_eq!(out, b"before", "nothing is appended on an error");
            format!("error: {}", e.reason())
        }
    }
}

fn text_of(oid: u32, typmod: i32, o: &ValueOptions, text: &str) -> String {
    token(&writer(&column(oid, typmod), o), Datum::Text(text.as_bytes()))
}

fn with(change: impl FnOnce(&mut ValueOptions)) -> ValueOptions {
    let mut o = ValueOptions::default();
    change(&mut o);
    o
}

const fn numeric_typmod(precision: i32, scale: i32) -> i32 {
    (precision << 16 | (scale & 0x7ff)) + 4
}

#[test]
fn errors_name_column_and_type_but_not_the_value() {
    let w = writer(&column(23, -1), &ValueOptions::default());
    let error = w.write(Datum::Text(b"secret"), &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "column c of type oid 23: not an integer");
    assert_eq!(Error::from(error).kind(), ErrorKind::Value);
}

#[test]
fn the_plainest_types_also_read_their_binary_form() {
    let o = ValueOptions::default();
    let cases: [(u32, &[u8], &str); 6] = [
        (16, &[1], "true"),
        (23, &[255, 255, 255, 254], "-2"),
        (20, &[0, 0, 0, 0, 0, 0, 1, 0], "256"),
        (701, &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0], "1.0"),
        (17, &[1, 2, 255], "\"AQL/\""),
        (23, &[1], "error: a binary value of the wrong length"),
    ];
    for (oid, bytes, expected) in cases {
        assert_eq!(
            token(&writer(&column(oid, -1), &o), Datum::Binary(bytes)),
            expected
        );
    }
    assert!(token(&writer(&column(1114, -1), &o), Datum::Binary(&[0; 8])).starts_with("error:"));
}

/// Every type there is a writer for, and some there is none for.
pub(crate) const OIDS: [u32; 62] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 600, 601, 628, 650, 700, 701, 718, 790, 829, 869, 1000,
    1001, 1005, 1007, 1009, 1016, 1021, 1022, 1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184, 1185,
    1186, 1231, 1266, 1270, 1560, 1561, 1562, 1700, 2950, 2951, 3614, 3802, 3807, 3904, 3905, 3614, HSTORE,
    VECTOR, HALFVEC, SPARSEVEC, GEOMETRY, MOOD, 2970,
];

proptest! {
    #[test]
    fn no_text_breaks_a_writer(
        oid in proptest::sample::select(OIDS.to_vec()),
        typmod in prop_oneof![Just(-1), 0..10_i32, any::<i32>()],
        text in prop_oneof![
            "[0-9.:+ {},\"\\\\NULaIfinty()=>/x-]{0,40}",
            any::<String>(),
        ],
        decimal in prop_oneof![
            Just(DecimalHandling::Precise), Just(DecimalHandling::Double), Just(DecimalHandling::String)],
        numeric in any::<bool>(),
    ) {
        let o = with(|o| {
            o.decimal = decimal;
            o.include_unknown_datatypes = true;
            if numeric {
                o.decimal_format = DecimalFormat::Numeric;
            }
        });
        let Some(w) = ColumnWriter::compile(&column(oid, typmod), &catalog(), &o).unwrap() else {
            return Ok(());
        };
        let mut out = Vec::new();
        if w.write(Datum::Text(text.as_bytes()), &mut out).is_ok() {
            prop_assert!(serde_json::from_slice::<Box<serde_json::value::RawValue>>(&out).is_ok(),
                "{oid} {text:?}: {}", String::from_utf8_lossy(&out));
        } else {
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn any_integer_is_two_s_complement(n in any::<i128>(), scale in 0_i32..30) {
        let o = ValueOptions::default();
        let digits = n.unsigned_abs().to_string();
        let padded = format!("{digits:0>40}");
        let (whole, fraction) = padded.split_at(40 - usize::try_from(scale).unwrap());
        let sign = if n < 0 { "-" } else { "" };
        let text = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
        let json = text_of(1700, numeric_typmod(38, scale), &o, &text);
        let bytes = base64_simd::STANDARD.decode_to_vec(json.trim_matches('"').as_bytes()).unwrap();
        prop_assert!(bytes.len() <= 16);
        let fill = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
        let mut wide = [fill; 16];
        wide[16 - bytes.len()..].copy_from_slice(&bytes);
        prop_assert_eq!(i128::from_be_bytes(wide), n);
        let minimal = bytes.len() == 1 || !matches!((bytes[0], bytes[1] & 0x80), (0, 0) | (0xff, 0x80));
        prop_assert!(minimal);
    }

    #[test]
    fn long_integers_agree_with_short_ones(digits in "[1-9][0-9]{38,120}", negative in any::<bool>()) {
        // The same number, read digit by digit into bytes.
        let mut magnitude = [0_u8; 64];
        for d in digits.bytes() {
            let mut carry = u32::from(d - b'0');
            for byte in magnitude.iter_mut().rev() {
                let v = u32::from(*byte) * 10 + carry;
                *byte = (v & 0xff) as u8;
                carry = v >> 8;
            }
        }
        if negative {
            let mut carry = true;
            for byte in magnitude.iter_mut().rev() {
                let (v, c) = (!*byte).overflowing_add(u8::from(carry));
                *byte = v;
                carry = c;
            }
        }
        let text = format!("{}{digits}", if negative { "-" } else { "" });
        let json = text_of(1700, numeric_typmod(1000, 0), &ValueOptions::default(), &text);
        let bytes = base64_simd::STANDARD.decode_to_vec(json.trim_matches('"').as_bytes()).unwrap();
        prop_assert!(magnitude.ends_with(&bytes));
        let fill = if negative { 0xff } else { 0 };
        prop_assert!(magnitude[..64 - bytes.len()].iter().all(|b| *b == fill));
        prop_assert_eq!(bytes[0] & 0x80 != 0, negative);
    }
}
