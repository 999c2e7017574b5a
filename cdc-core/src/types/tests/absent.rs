//! What stands for values that are absent: fillers, placeholders, defaults.

use super::*;

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
    // A consumer that knows the option tells each of them.
    let known = unavailable_tokens("__gone").unwrap();
    for (oid, options) in [
        (25, &o),
        (17, &o),
        (1009, &o),
        (1007, &o),
        (1001, &o),
        (HSTORE, &o),
        (HSTORE, &strings),
    ] {
        let written = token(&writer(&column(oid, -1), options), Datum::Unchanged);
        assert!(known.contains(&written.clone().into_bytes()), "{oid}: {written}");
    }
    let default = unavailable_tokens(ValueOptions::PLACEHOLDER).unwrap();
    let written = token(&uuids, Datum::Unchanged);
    assert!(default.contains(&written.into_bytes()));
    assert_eq!(unavailable_tokens("hex:5"), None);
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
