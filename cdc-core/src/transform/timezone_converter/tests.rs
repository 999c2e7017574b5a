use super::*;
use crate::connect::{Field, Kind};
use crate::transform::fixture::{json, record, structure};

fn event() -> Record {
    let named = |kind, name: &str| {
        Schema::new(kind)
            .optional()
            .named(format!("io.debezium.time.{name}"), 1)
    };
    let fields = vec![
        (
            "ts",
            named(Kind::Int64, "MicroTimestamp"),
            Value::Int64(1_704_164_645_678_901),
        ),
        (
            "tz",
            named(Kind::String, "ZonedTimestamp"),
            Value::String("2024-07-02T03:04:05.5Z".into()),
        ),
        ("d", named(Kind::Int32, "Date"), Value::Int32(5)),
    ];
    let row = structure("row", fields);
    let schema = std::sync::Arc::unwrap_or_clone(row.schema.unwrap()).optional();
    let source = vec![
        Field::new("table", Schema::new(Kind::String)),
        Field::new("ts_ms", Schema::new(Kind::Int64)),
    ];
    let origin = Value::Struct(vec![Value::String("t".into()), Value::Int64(1000)]);
    record(structure(
        "srv.public.t.Envelope",
        vec![
            ("before", schema.clone(), Value::Null),
            ("after", schema, row.value),
            ("source", Schema::new(Kind::Struct(source)), origin),
        ],
    ))
}

fn convert(zone: &str, include: &[&str], exclude: &[&str]) -> String {
    let list = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect();
    let options = TimezoneConverter {
        converted_timezone: zone.into(),
        include_list: list(include),
        exclude_list: list(exclude),
    };
    json(&options.build().unwrap().apply(event()).unwrap().unwrap())
}

const PLAIN: &str = r#"{"before":null,"after":{"ts":1704164645678901,"tz":"2024-07-02T03:04:05.5Z","d":5},"source":{"table":"t","ts_ms":1000}}"#;

#[test]
fn local_times_move_and_zoned_ones_are_shown_elsewhere() {
    let all = convert("Europe/Paris", &[], &[]);
    assert!(
        all.contains(r#""ts":1704161045678901,"tz":"2024-07-02T05:04:05.5+02:00","d":5"#),
        "{all}"
    );
    assert!(
        all.contains(r#""ts_ms":1000"#),
        "the source's times only where they are named"
    );
    assert!(convert("-05:30", &[], &[]).contains(r#""tz":"2024-07-01T21:34:05.5-05:30""#));
}

#[test]
fn rules_choose_tables_topics_and_fields() {
    assert_eq!(convert("+01:00", &["source:other"], &[]), PLAIN);
    assert_eq!(convert("+01:00", &[], &["source:t"]), PLAIN);
    assert_eq!(
        convert("+01:00", &["topic:srv.public.t:d"], &[]),
        PLAIN,
        "dates are not converted"
    );
    let field = convert("+01:00", &["source:t:ts"], &[]);
    assert!(field.contains("1704161045678901") && field.contains("03:04:05.5Z"));
    let except = convert("+01:00", &[], &["t:ts"]);
    assert!(except.contains("1704164645678901") && except.contains("04:04:05.5+01:00"));
    let source = convert("+01:00", &["source:t:source.ts_ms"], &[]);
    assert!(source.contains(r#""ts_ms":3601000"#) && source.contains("03:04:05.5Z"));
}

#[test]
fn times_of_day_and_faults() {
    let zone = zone("+02:00").unwrap();
    let converter = Converter {
        zone,
        includes: false,
        topics: Rules::new(),
        tables: Rules::new(),
        names: Rules::new(),
    };
    assert_eq!(
        converter.zoned_time("23:04:05.25Z").as_deref(),
        Some("01:04:05.25+02:00")
    );
    for wrong in ["Nowhere/City", "+2:00", ""] {
        let options = TimezoneConverter {
            converted_timezone: wrong.into(),
            include_list: vec![],
            exclude_list: vec![],
        };
        assert!(options.build().unwrap_err().starts_with("converted_timezone"));
    }
}

#[test]
fn years_of_any_length_are_converted() {
    let zone = |name: &str| Converter {
        zone: zone(name).unwrap(),
        includes: false,
        topics: Rules::new(),
        tables: Rules::new(),
        names: Rules::new(),
    };
    for (name, text, want) in [
        (
            "-08:00",
            "+132357-08-16T22:22:16.100000Z",
            "+132357-08-16T14:22:16.1-08:00",
        ),
        (
            "Europe/Paris",
            "+132357-08-16T22:22:16Z",
            "+132357-08-17T00:22:16+02:00",
        ),
        ("+05:30", "9999-12-31T23:59:59Z", "+10000-01-01T05:29:59+05:30"),
        ("UTC", "-0043-03-15T00:00:00Z", "-0043-03-15T00:00:00Z"),
        ("+01:00", "-4712-01-01T00:00:00Z", "-4712-01-01T01:00:00+01:00"),
    ] {
        assert_eq!(zone(name).zoned_timestamp(text).as_deref(), Some(want));
    }
    let far = 8_222_212_800_000_000_i64 * 1000;
    assert_eq!(zone("+01:00").local(far, 1_000_000), Some(far - 3_600_000_000));
}
