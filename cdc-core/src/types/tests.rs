//! Every type, mode and value of the recordings of the real Debezium, and what they leave open.

use super::*;
use crate::row::Datum;
use crate::schema::{TypeInfo, TypeKind};
use proptest::prelude::*;
use serde::Deserialize;

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
            let file = include_str!(concat!("../../tests/data/values/", stringify!($case), ".ndjson"));
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
fn decimals_as_numbers_read_as_big_decimal_s_text() {
    let o = with(|o| o.decimal_format = DecimalFormat::Numeric);
    let cases = [
        (10, 2, "12.34", "12.34"),
        (10, 2, "-0.05", "-0.05"),
        (10, 2, "0.00", "0.00"),
        (20, 8, "0.00000001", "1E-8"),
        (20, 8, "0.00000000", "0E-8"),
        (20, 8, "0.00000120", "0.00000120"),
        (20, 10, "-0.0000001200", "-1.200E-7"),
        (5, -2, "12300", "1.23E+4"),
        (5, -2, "0", "0E+2"),
        (
            38,
            0,
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345678",
        ),
    ];
    for (precision, scale, text, expected) in cases {
        assert_eq!(
            text_of(1700, numeric_typmod(precision, scale), &o, text),
            expected
        );
    }
}

#[test]
fn a_negative_scale_is_read_as_such() {
    let w = writer(&column(1700, numeric_typmod(5, -2)), &ValueOptions::default());
    assert_eq!(w.schema().parameters.first().map(|(_, v)| v.as_str()), Some("-2"));
    assert_eq!(token(&w, Datum::Text(b"12300")), "\"ew==\"");
    assert_eq!(
        token(&w, Datum::Text(b"12345")),
        "error: more digits than the column's scale allows"
    );
}

#[test]
fn not_a_number_is_null_where_decimals_are_exact_and_a_word_elsewhere() {
    for text in ["NaN", "Infinity", "-Infinity"] {
        let o = ValueOptions::default();
        assert_eq!(text_of(1700, -1, &o, text), "null");
        assert_eq!(text_of(1700, numeric_typmod(10, 2), &o, text), "null");
        assert_eq!(text_of(1231, -1, &o, &format!("{{1,{text}}}")), "null");
        for mode in [DecimalHandling::String, DecimalHandling::Double] {
            let o = with(|o| o.decimal = mode);
            assert_eq!(text_of(1700, -1, &o, text), format!("\"{text}\""));
        }
    }
    let mut required = column(1700, -1);
    required.nullable = false;
    let w = writer(&required, &ValueOptions::default());
    assert!(token(&w, Datum::Text(b"NaN")).starts_with("error:"));
}

#[test]
fn the_longest_numeric_is_written_and_a_longer_one_refused() {
    let w = writer(&column(1700, -1), &ValueOptions::default());
    let longest = format!("-{}.{}", "9".repeat(131_072), "9".repeat(16_383));
    let json = token(&w, Datum::Text(longest.as_bytes()));
    assert!(
        json.starts_with("{\"scale\":16383,\"value\":\""),
        "{}",
        &json[..40]
    );
    // ceil(147455 * log2(10) / 8) bytes and one for the sign, at most, in base64.
    assert!((81_000..82_000).contains(&json.len()), "{}", json.len());
    let longer = "9".repeat(147_456);
    assert_eq!(
        token(&w, Datum::Text(longer.as_bytes())),
        "error: more digits than numeric allows"
    );
}

#[test]
fn money_is_rounded_to_the_digits_asked_for() {
    for (digits, text, expected) in [
        (2, "-$0.05", "\"+w==\""),
        (0, "$1.50", "\"Ag==\""),
        (1, "$0.04", "\"AA==\""),
        (3, "$1.23", "\"BM4=\""),
    ] {
        let o = with(|o| o.money_fraction_digits = digits);
        assert_eq!(text_of(790, -1, &o, text), expected, "{text}");
    }
    let o = with(|o| o.decimal = DecimalHandling::String);
    assert_eq!(text_of(790, -1, &o, "-$1,234.56"), "\"-1234.56\"");
}

#[test]
fn the_ends_of_time_and_eras() {
    let o = ValueOptions::default();
    let iso = with(|o| o.time = TimePrecision::Isostring);
    let nanos = with(|o| o.time = TimePrecision::Nanoseconds);
    let cases = [
        (1082, -1, &o, "infinity", "2147483647"),
        (1082, -1, &o, "-infinity", "-2147483648"),
        (1082, -1, &o, "0044-03-15 BC", "-735160"),
        (1082, -1, &iso, "0044-03-15 BC", "\"-0043-03-15Z\""),
        (1082, -1, &iso, "12345-01-01", "\"+12345-01-01Z\""),
        (1114, -1, &iso, "infinity", "\"+294247-01-10T04:00:25.2Z\""),
        (1114, 3, &o, "infinity", "9223372036825200"),
        (1114, 3, &o, "-infinity", "-9223372036832400"),
        (1114, -1, &nanos, "infinity", "9223372036854775807"),
        (1114, -1, &nanos, "2300-01-01 00:00:00", "null"),
        (
            1115,
            -1,
            &nanos,
            r#"{"2010-10-16 00:00:00","3244-11-11 23:56:32",NULL}"#,
            "[1287187200000000000,null,null]",
        ),
        (1114, -1, &o, "0044-03-15 12:00:00 BC", "-63517780800000000"),
        (
            1114,
            -1,
            &o,
            "294276-12-31 23:59:59.999999",
            "error: outside the range of 64-bit microseconds since 1970",
        ),
        (
            1114,
            -1,
            &iso,
            "294276-12-31 23:59:59.999999",
            "\"+294276-12-31T23:59:59.999999Z\"",
        ),
        (1114, 3, &o, "1969-12-31 23:59:59.999", "-1"),
        (
            1184,
            2,
            &o,
            "12345-01-01 00:00:00+00",
            "\"+12345-01-01T00:00:00.00Z\"",
        ),
        (1184, 0, &o, "2016-11-04 11:51:31+00", "\"2016-11-04T11:51:31Z\""),
        (
            1184,
            -1,
            &o,
            "2016-01-01 01:00:00+05:30",
            "\"2015-12-31T19:30:00.000000Z\"",
        ),
        (1083, -1, &iso, "24:00:00", "\"00:00:00Z\""),
        (1083, 0, &o, "24:00:00", "86400000"),
        (1266, -1, &o, "24:00:00+00", "\"24:00:00Z\""),
        (1266, -1, &o, "24:00:00+02", "\"22:00:00Z\""),
        (1266, -1, &o, "00:00:00.5+01", "\"23:00:00.5Z\""),
    ];
    for (oid, typmod, options, text, expected) in cases {
        assert_eq!(text_of(oid, typmod, options, text), expected, "{oid} {text}");
    }
}

#[test]
fn arrays_of_times_lose_what_debezium_loses() {
    let o = ValueOptions::default();
    assert_eq!(text_of(1183, -1, &o, "{13:51:30.123456}"), "[49890123000]");
    assert_eq!(text_of(1270, -1, &o, "{13:51:30.123456+02}"), "[\"11:51:30Z\"]");
}

#[test]
fn arrays_nest_and_keep_their_bounds_to_themselves() {
    let o = ValueOptions::default();
    let cases = [
        (1007, "{{1,2},{3,NULL}}", "[[1,2],[3,null]]"),
        (1007, "[0:1]={1,2}", "[1,2]"),
        (1009, r#"{{a,"b,}"},{"",NULL}}"#, r#"[["a","b,}"],["",null]]"#),
        (1009, r#"{"a\"b\\c"}"#, r#"["a\"b\\c"]"#),
        (1001, r#"{"\\xdead"}"#, r#"["3q0="]"#),
        (3905, r#"{"[1,5)",empty}"#, r#"["[1,5)","empty"]"#),
        (1040, "{08:00:2b:01:02:03}", r#"["08:00:2b:01:02:03"]"#),
    ];
    for (oid, text, expected) in cases {
        assert_eq!(text_of(oid, -1, &o, text), expected, "{text}");
    }
    for text in [
        "",
        "{",
        "}",
        "{1",
        "{1,}",
        "{,1}",
        "{1}}",
        "{1}x",
        "{{1}",
        "1",
        "{\"1}",
        "[0:1]",
        "{1 \"2\"}",
        "{\\",
        "{\"\\",
    ] {
        assert!(text_of(1007, -1, &o, text).starts_with("error:"), "{text}");
    }
}

#[test]
fn arrays_without_a_form_are_left_out() {
    for oid in [791, 1187, 1017, 1563, 143, 1003, 2201] {
        for unknown in [false, true] {
            let o = with(|o| o.include_unknown_datatypes = unknown);
            assert!(
                ColumnWriter::compile(&column(oid, -1), &catalog(), &o)
                    .unwrap()
                    .is_none(),
                "{oid}"
            );
        }
    }
}

#[test]
fn hstore_comes_in_java_s_order() {
    let text = r#""k2"=>NULL, "k 1"=>"v\"1", "é"=>"\\", "😀"=>"a😀
"#
    .trim_end()
    .to_owned()
        + "\"";
    let o = ValueOptions::default();
    let json = text_of(HSTORE, -1, &o, &text);
    let inner: String = serde_json::from_str(&json).unwrap();
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&inner).unwrap();
    assert_eq!(object["k 1"], "v\"1");
    assert_eq!(object["é"], "\\");
    assert_eq!(object["😀"], "a😀");
    // As java.util.HashMap iterates these keys.
    assert!(object.keys().eq(["k2", "😀", "é", "k 1"]), "{inner}");
    let keys: Vec<String> = (0..40).map(|i| format!("key{}", i * 7919)).collect();
    let many: Vec<String> = keys.iter().map(|k| format!("\"{k}\"=>\"\"")).collect();
    let inner: String = serde_json::from_str(&text_of(HSTORE, -1, &o, &many.join(", "))).unwrap();
    let start = r#"{"key87109":"","key300922":"","key15838":"","key0":"","key134623":"","#;
    assert!(inner.starts_with(start), "{inner}");
    let map = with(|o| o.hstore = HstoreHandling::Map);
    assert_eq!(
        text_of(HSTORE, -1, &map, r#""k2"=>NULL, "k 1"=>"v\"1""#),
        r#"{"k2":null,"k 1":"v\"1"}"#
    );
    assert_eq!(text_of(HSTORE, -1, &map, ""), "{}");
    for broken in ["\"", "\"a\"", "\"a\"=>", "\"a\"=>x", "\"a\"=>\"b\",", "\"a\\"] {
        assert!(text_of(HSTORE, -1, &o, broken).starts_with("error:"), "{broken}");
    }
}

#[test]
fn extension_types() {
    let o = ValueOptions::default();
    let cases = [
        (VECTOR, "[1,2.5,-3]", "[1.0,2.5,-3.0]"),
        (HALFVEC, "[0.1]", "[0.1]"),
        (
            SPARSEVEC,
            "{1:1.5,3:2}/5",
            r#"{"dimensions":5,"vector":[[1,1.5],[3,2.0]]}"#,
        ),
        (
            SPARSEVEC,
            "{1:1,3:1,17:1,20:1,8:1}/30",
            r#"{"dimensions":30,"vector":[[8,1.0],[1,1.0],[17,1.0],[3,1.0],[20,1.0]]}"#,
        ),
        (SPARSEVEC, "{}/3", r#"{"dimensions":3,"vector":[]}"#),
        (SPARSEVEC, "{1:1}/40000", "null"),
        (
            GEOMETRY,
            "0101000020E6100000000000000000F03F0000000000000040",
            r#"{"wkb":"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==","srid":4326}"#,
        ),
        (
            GEOMETRY,
            "010700000000000000",
            r#"{"wkb":"AQcAAAAAAAAA","srid":null}"#,
        ),
        (GEOMETRY, "01", "error: EWKB is shorter than nine bytes"),
        (
            600,
            "(Infinity,-0)",
            r#"{"x":"Infinity","y":-0.0,"wkb":"AQEAAAAAAAAAAADwfwAAAAAAAACA","srid":null}"#,
        ),
    ];
    for (oid, text, expected) in cases {
        assert_eq!(text_of(oid, -1, &o, text), expected, "{text}");
    }
}

#[test]
fn fillers_stand_for_absent_required_values() {
    let o = ValueOptions::default();
    let iso = with(|o| {
        o.time = TimePrecision::Isostring;
        o.interval = IntervalHandling::String;
        o.decimal = DecimalHandling::String;
        o.hstore = HstoreHandling::Map;
    });
    let numbers = with(|o| o.decimal_format = DecimalFormat::Numeric);
    let cases = [
        (16, -1, &o, "false"),
        (23, -1, &o, "0"),
        (701, -1, &o, "0.0"),
        (1700, numeric_typmod(10, 2), &o, "\"AA==\""),
        (1700, -1, &o, r#"{"scale":0,"value":"AA=="}"#),
        (25, -1, &o, "\"\""),
        (17, -1, &o, "\"\""),
        (1560, 8, &o, "\"\""),
        (1560, 1, &o, "false"),
        (HSTORE, -1, &o, "\"{}\""),
        (1007, -1, &o, "[]"),
        (1082, -1, &o, "0"),
        (1266, -1, &o, "\"00:00:00Z\""),
        (1184, -1, &o, "\"1970-01-01T00:00:00Z\""),
        (1082, -1, &iso, "\"1970-01-01Z\""),
        (1700, numeric_typmod(10, 2), &iso, "\"0.00\""),
        (1700, -1, &iso, "\"0\""),
        (790, -1, &iso, "\"0.00\""),
        (1700, numeric_typmod(10, 2), &numbers, "0.00"),
        (790, -1, &o, "\"AA==\""),
        (2950, -1, &o, "\"\""),
        (HSTORE, -1, &iso, "{}"),
        (1083, -1, &iso, "\"00:00:00Z\""),
        (1114, -1, &iso, "\"1970-01-01T00:00:00Z\""),
        (1186, -1, &iso, "\"P0Y0M0DT0H0M0S\""),
        (
            600,
            -1,
            &o,
            r#"{"x":0.0,"y":0.0,"wkb":"AQEAAAAAAAAAAAAAAAAAAAAAAAAA","srid":null}"#,
        ),
    ];
    for (oid, typmod, options, expected) in cases {
        let mut required = column(oid, typmod);
        required.nullable = false;
        let mut out = Vec::new();
        writer(&required, options).write_filler(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{oid}");
        let mut out = Vec::new();
        writer(&column(oid, typmod), options).write_filler(&mut out);
        assert_eq!(out, b"null");
    }
}

#[test]
fn placeholders_stand_for_unchanged_values() {
    let o = with(|o| o.unavailable_value_placeholder = "__gone".to_owned());
    let cases = [
        (25, "\"__gone\""),
        (3802, "\"__gone\""),
        (17, "\"X19nb25l\""),
        (1009, "[\"__gone\"]"),
        (3807, "[\"__gone\"]"),
        (1007, "[95,95,103,111,110,101]"),
        (1016, "[95,95,103,111,110,101]"),
        (1182, "[95,95,103,111,110,101]"),
        (1001, "[\"X19nb25l\"]"),
        (HSTORE, r#""{\"__gone\":\"__gone\"}""#),
        (1700, "null"),
        (1231, "null"),
        (1005, "null"),
    ];
    for (oid, expected) in cases {
        assert_eq!(
            token(&writer(&column(oid, -1), &o), Datum::Unchanged),
            expected,
            "{oid}"
        );
    }
    let strings = with(|o| {
        o.unavailable_value_placeholder = "__gone".to_owned();
        o.binary = BinaryHandling::Hex;
        o.decimal = DecimalHandling::String;
        o.hstore = HstoreHandling::Map;
        o.include_unknown_datatypes = true;
        o.time = TimePrecision::Connect;
    });
    let cases = [
        (17, "\"__gone\""),
        (602, "\"__gone\""),
        (1700, "\"__gone\""),
        (HSTORE, r#"{"__gone":"__gone"}"#),
        (1001, "null"),
        (1182, "null"),
        (1562, "null"),
        (1041, "null"),
    ];
    for (oid, expected) in cases {
        assert_eq!(
            token(&writer(&column(oid, -1), &strings), Datum::Unchanged),
            expected,
            "{oid}"
        );
    }
    let uuids = writer(&column(2951, -1), &ValueOptions::default());
    assert_eq!(
        token(&uuids, Datum::Unchanged),
        "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]"
    );
    let hex = with(|o| o.unavailable_value_placeholder = "hex:5f5f".to_owned());
    assert_eq!(token(&writer(&column(25, -1), &hex), Datum::Unchanged), "\"__\"");
    let broken = with(|o| o.unavailable_value_placeholder = "hex:5".to_owned());
    assert!(ColumnWriter::compile(&column(25, -1), &catalog(), &broken).is_err());
}

#[test]
fn null_becomes_the_default_unless_told_otherwise() {
    let mut c = column(23, -1);
    c.default = Some("3".to_owned());
    assert_eq!(token(&writer(&c, &ValueOptions::default()), Datum::Null), "3");
    let o = with(|o| o.replace_null_with_default = false);
    let w = writer(&c, &o);
    assert_eq!(token(&w, Datum::Null), "null");
    assert_eq!(w.schema().default_json.as_deref(), Some("3"));
}

#[test]
fn defaults_of_calls_are_the_type_s_zero() {
    let cases = [
        (23, -1, "nextval('s'::regclass)", Some("0")),
        (25, -1, "lower('X'::text)", Some("\"\"")),
        (
            2950,
            -1,
            "gen_random_uuid()",
            Some("\"00000000-0000-0000-0000-000000000000\""),
        ),
        (1184, -1, "now()", Some("\"1970-01-01T00:00:00.000000Z\"")),
        (1114, -1, "LOCALTIMESTAMP", Some("0")),
        (1700, numeric_typmod(6, 2), "abs(1)", Some("\"AA==\"")),
        (1560, 4, "f()", Some("\"\"")),
        (25, -1, "CURRENT_USER", None),
        (869, -1, "'10.0.0.1'::inet", None),
        (1042, 9, "'ab'::bpchar", Some("\"ab\"")),
        (MOOD, -1, "'ok'::mood", Some("\"ok\"")),
        (MOOD, -1, "'gone'::mood", None),
        (1082, -1, "'2020-01-01'::date", Some("18262")),
        (1114, -1, "'2020-01-01'::date", Some("1577836800000000")),
    ];
    for (oid, typmod, default, expected) in cases {
        let mut c = column(oid, typmod);
        c.default = Some(default.to_owned());
        let w = writer(&c, &ValueOptions::default());
        assert_eq!(w.schema().default_json.as_deref(), expected, "{oid} {default}");
    }
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
