//! How values are represented.

use serde_json::json;

use super::super::draft::Draft;
use super::super::parse;
use super::row::{Given, Row, flag, no_meaning, number, refused, refused_unless, text, with, word};

pub(super) const ROWS: &[Row] = &[
    word(
        "decimal.handling.mode",
        "precise",
        "format.values.decimal",
        &[("precise", "precise"), ("double", "double"), ("string", "string")],
    ),
    word(
        "time.precision.mode",
        "adaptive",
        "format.values.time",
        &[
            ("adaptive", "adaptive"),
            ("adaptive_time_microseconds", "adaptive_time_microseconds"),
            ("connect", "connect"),
            ("isostring", "isostring"),
            ("microseconds", "microseconds"),
            ("nanoseconds", "nanoseconds"),
        ],
    ),
    word(
        "interval.handling.mode",
        "numeric",
        "format.values.interval",
        &[("numeric", "numeric"), ("string", "string")],
    ),
    word(
        "hstore.handling.mode",
        "json",
        "format.values.hstore",
        &[("json", "json"), ("map", "map")],
    ),
    word(
        "binary.handling.mode",
        "bytes",
        "format.values.binary",
        &[
            ("bytes", "bytes"),
            ("base64", "base64"),
            ("base64-url-safe", "base64_url_safe"),
            ("hex", "hex"),
        ],
    ),
    number(
        "money.fraction.digits",
        "2",
        "format.values.money_fraction_digits",
    ),
    text(
        "unavailable.value.placeholder",
        "__debezium_unavailable_value",
        "format.values.unavailable_value_placeholder",
    ),
    text(
        "toasted.value.placeholder",
        "",
        "format.values.unavailable_value_placeholder",
    ),
    word(
        "schema.name.adjustment.mode",
        "none",
        "format.schema_name_adjustment",
        ADJUSTMENTS,
    ),
    word(
        "field.name.adjustment.mode",
        "none",
        "format.field_name_adjustment",
        ADJUSTMENTS,
    ),
    no_meaning(
        "include.schema.comments",
        "false",
        "Debezium finds no comments in PostgreSQL's catalog; `format.include_schema_comments` puts them into schemas",
    ),
    with(
        "column.truncate.to.<n>.chars",
        "",
        "format.column_rules",
        truncate,
    ),
    with("column.mask.with.<n>.chars", "", "format.column_rules", mask),
    with(
        "column.mask.hash.<algorithm>.with.salt.<salt>",
        "",
        "format.column_rules",
        hash_v1,
    ),
    with(
        "column.mask.hash.v2.<algorithm>.with.salt.<salt>",
        "",
        "format.column_rules",
        hash_v2,
    ),
    with(
        "column.propagate.source.type",
        "",
        "format.column_rules",
        propagate_columns,
    ),
    with(
        "datatype.propagate.source.type",
        "",
        "format.column_rules",
        propagate_types,
    ),
    word(
        "event.converting.failure.handling.mode",
        "warn",
        "format.on_value_error",
        &[("warn", "warn"), ("fail", "fail"), ("skip", "skip")],
    ),
    word(
        "event.processing.failure.handling.mode",
        "fail",
        "format.on_event_error",
        &[
            ("fail", "fail"),
            ("warn", "warn"),
            ("skip", "skip"),
            ("ignore", "skip"),
        ],
    ),
    refused(
        "converters",
        "there is no Java class to load: remove it and the properties of its converters",
    ),
    refused(
        "post.processors",
        "there is no Java class to load: remove it and the properties of its processors",
    ),
    refused_unless(
        "sourceinfo.struct.maker",
        &["io.debezium.connector.postgresql.PostgresSourceInfoStructMaker"],
        "there is no Java class to load: remove it",
    ),
    flag("extended.headers.enabled", "true", "format.context_headers").always(),
];

const ADJUSTMENTS: &[(&str, &str)] = &[
    ("none", "none"),
    ("avro", "avro"),
    ("avro_unicode", "avro_unicode"),
];

fn chars(given: &Given<'_>) -> Result<u32, String> {
    let n = given.captures.first().copied().unwrap_or_default();
    n.parse()
        .map_err(|_| format!("`{n}` is not a number of characters"))
}

fn truncate(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let rule = json!({"truncate": {"columns": parse::list(given.value), "chars": chars(given)?}});
    draft.rule(0, rule);
    Ok(())
}

fn mask(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let rule = json!({"mask": {"columns": parse::list(given.value), "chars": chars(given)?}});
    draft.rule(1, rule);
    Ok(())
}

fn propagate_columns(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.rule(
        2,
        json!({"propagate_source_type": {"columns": parse::list(given.value)}}),
    );
    Ok(())
}

fn propagate_types(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.rule(
        3,
        json!({"propagate_source_type": {"types": parse::list(given.value)}}),
    );
    Ok(())
}

fn hash_v1(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    hash(draft, given, 4, "v1")
}

fn hash_v2(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    hash(draft, given, 5, "v2")
}

fn hash(draft: &mut Draft, given: &Given<'_>, rank: u8, version: &str) -> Result<(), String> {
    let [algorithm, salt] = given.captures.as_slice() else {
        return Err("must name an algorithm and a salt".into());
    };
    let columns = parse::list(given.value);
    let rule =
        json!({"hash": {"columns": columns, "algorithm": algorithm, "salt": salt, "version": version}});
    draft.rule(rank, rule);
    Ok(())
}
