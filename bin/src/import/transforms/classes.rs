//! The classes of transforms and predicates, and their options.

use std::fmt::Write;

use super::mosip::MOSIP;

/// A class of Debezium's or Kafka's.
#[derive(Debug)]
pub(crate) struct Class {
    /// Names of the class, without `$Key` and `$Value`.
    pub(crate) names: &'static [&'static str],
    /// Key of the step in the YAML file.
    pub(crate) key: &'static str,
    /// Whether there is one for keys and one for values.
    pub(crate) sided: bool,
    /// Its options.
    pub(crate) options: &'static [Opt],
    /// Why it is refused, with the alternative.
    pub(crate) refused: Option<&'static str>,
}

/// An option of a class. Its key in the YAML file is the same with underscores.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Name.
    pub(crate) name: &'static str,
    /// How it is read.
    pub(crate) kind: Kind,
}

/// How an option is read.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Text as it is.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A comma-separated list.
    List,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Accepted without effect with one of these values, else refused for this reason.
    Only(&'static [&'static str], &'static str),
    /// Accepted, for this reason without effect.
    NoEffect(&'static str),
}

impl Opt {
    /// Key in the YAML file.
    pub(crate) fn key(&self) -> String {
        self.name.replace('.', "_")
    }
}

pub(super) const fn text(name: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::Text,
    }
}

pub(super) const fn flag(name: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::Flag,
    }
}

const fn number(name: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::Number,
    }
}

/// Most of Kafka's classes have it.
const NULLS: Opt = flag("replace.null.with.default");

pub(super) const fn list(name: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::List,
    }
}

pub(super) const fn word(name: &'static str, words: &'static [&'static str]) -> Opt {
    Opt {
        name,
        kind: Kind::Word(words),
    }
}

pub(super) const fn no_effect(name: &'static str, reason: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::NoEffect(reason),
    }
}

const fn class(names: &'static [&'static str], key: &'static str, options: &'static [Opt]) -> Class {
    Class {
        names,
        key,
        sided: false,
        options,
        refused: None,
    }
}

/// A class with one variant for keys and one for values.
pub(super) const fn sided(
    names: &'static [&'static str],
    key: &'static str,
    options: &'static [Opt],
) -> Class {
    Class {
        sided: true,
        ..class(names, key, options)
    }
}

/// The language of expressions.
const LANGUAGE: Opt = Opt {
    name: "language",
    kind: Kind::Only(
        &["cel"],
        "there is no script engine: write the expression in CEL (value.op == 'u' stays as it is; value.after.id is the same too) and set it to cel",
    ),
};

/// What becomes of records without a value.
const NULL_MODE: Opt = word("null.handling.mode", &["keep", "drop", "evaluate"]);

/// A class that is refused.
const fn refused(names: &'static [&'static str], reason: &'static str) -> Class {
    Class {
        refused: Some(reason),
        ..class(names, "", &[])
    }
}

const NO_TRACING: &str = "there is no OpenTelemetry agent to activate spans in";
const CACHE: &str = "what depends on a schema is worked out once a schema";

/// Options of the router of logical topics, under its old and new class.
const LOGICAL_ROUTER: &[Opt] = &[
    text("topic.regex"),
    text("topic.replacement"),
    flag("key.enforce.uniqueness"),
    text("key.field.name"),
    text("key.field.regex"),
    text("key.field.replacement"),
    word("schema.name.adjustment.mode", &["none", "avro", "avro_unicode"]),
    no_effect("logical.table.cache.size", CACHE),
    no_effect("logical.destination.cache.size", CACHE),
];

/// Classes of transforms.
pub(crate) const CLASSES: &[Class] = &[
    class(
        &["io.debezium.transforms.ExtractNewRecordState"],
        "extract_new_record_state",
        &[
            word(
                "delete.tombstone.handling.mode",
                &[
                    "drop",
                    "tombstone",
                    "rewrite",
                    "rewrite-with-tombstone",
                    "delete-to-tombstone",
                    "drop-delete",
                ],
            ),
            list("add.fields"),
            text("add.fields.prefix"),
            list("add.headers"),
            text("add.headers.prefix"),
            text("route.by.field"),
            text("drop.fields.header.name"),
            flag("drop.fields.from.key"),
            flag("drop.fields.keep.schema.compatible"),
            flag("replace.null.with.default"),
            word("delete.handling.mode", &["drop", "none", "rewrite"]),
            flag("drop.tombstones"),
        ],
    ),
    class(
        &["io.debezium.transforms.outbox.EventRouter"],
        "event_router",
        &[
            word("table.op.invalid.behavior", &["warn", "error", "fatal"]),
            text("table.field.event.id"),
            text("table.field.event.key"),
            no_effect(
                "table.field.event.type",
                "Debezium reads it nowhere: place the column with `table.fields.additional.placement`",
            ),
            text("table.field.event.payload"),
            text("table.field.event.timestamp"),
            text("table.field.event.schema.version"),
            list("table.fields.additional.placement"),
            word("table.field.additional.missing", &["error", "ignore"]),
            text("route.by.field"),
            text("route.topic.regex"),
            text("route.topic.replacement"),
            flag("route.tombstone.on.empty.payload"),
            flag("table.expand.json.payload"),
            word("table.json.payload.null.behavior", &["ignore", "optional_bytes"]),
            word(
                "table.json.payload.empty.array.behavior",
                &["ignore", "optional_string"],
            ),
            word("field.name.adjustment.mode", &["none", "avro", "avro_unicode"]),
            no_effect("tracing.span.context.field", NO_TRACING),
            no_effect("tracing.operation.name", NO_TRACING),
            no_effect("tracing.with.context.field.only", NO_TRACING),
        ],
    ),
    class(
        &["io.debezium.transforms.Filter"],
        "filter",
        &[LANGUAGE, text("condition"), text("topic.regex"), NULL_MODE],
    ),
    class(
        &["io.debezium.transforms.ContentBasedRouter"],
        "content_based_router",
        &[LANGUAGE, text("topic.expression"), text("topic.regex"), NULL_MODE],
    ),
    class(
        &["io.debezium.transforms.ExtractChangedRecordState"],
        "extract_changed_record_state",
        &[text("header.changed.name"), text("header.unchanged.name")],
    ),
    class(
        &["io.debezium.transforms.HeaderToValue"],
        "header_to_value",
        &[
            list("headers"),
            list("fields"),
            word("operation", &["move", "copy"]),
        ],
    ),
    class(
        &["io.debezium.transforms.ByLogicalTableRouter"],
        "logical_topic_router",
        LOGICAL_ROUTER,
    ),
    class(
        &["io.debezium.transforms.ToLogicalTopicRouter"],
        "logical_topic_router",
        LOGICAL_ROUTER,
    ),
    class(
        &["io.debezium.transforms.partitions.PartitionRouting"],
        "partition_routing",
        &[
            list("partition.payload.fields"),
            number("partition.topic.num"),
            word("partition.hash.function", &["java", "murmur"]),
        ],
    ),
    class(
        &["io.debezium.transforms.TimezoneConverter"],
        "timezone_converter",
        &[
            text("converted.timezone"),
            list("include.list"),
            list("exclude.list"),
        ],
    ),
    class(
        &["io.debezium.transforms.SchemaChangeEventFilter"],
        "schema_change_event_filter",
        &[list("schema.change.event.exclude.list")],
    ),
    class(
        &["io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent"],
        "decode_message_content",
        &[flag("fields.null.include")],
    ),
    class(
        &["io.debezium.transforms.VectorToJsonConverter"],
        "vector_to_json",
        &[],
    ),
    refused(
        &["io.debezium.transforms.tracing.ActivateTracingSpan"],
        "there is no OpenTelemetry agent to activate spans in: remove it",
    ),
    refused(
        &["io.debezium.transforms.openlineage.OpenLineage"],
        "lineage is not reported: remove it",
    ),
    refused(
        &["io.debezium.connector.postgresql.transforms.timescaledb.TimescaleDb"],
        "hypertables are not resolved: publish them through their root, or remove it",
    ),
    refused(
        &["io.debezium.transforms.EnforceRecordSize"],
        "records are not cut to a size: use column.truncate.to.<n>.chars",
    ),
    refused(
        &["io.debezium.transforms.ExtractSchemaToNewRecord"],
        "the schema is not written into the value: use schemas.enable of the converter",
    ),
    refused(
        &[
            "io.debezium.transforms.GeometryFormatTransformer",
            "io.debezium.transforms.SwapGeometryCoordinates",
        ],
        "geometries stay as they are: convert them where they are consumed",
    ),
    sided(
        &["org.apache.kafka.connect.transforms.Cast"],
        "cast",
        &[list("spec"), NULLS],
    ),
    class(
        &["org.apache.kafka.connect.transforms.DropHeaders"],
        "drop_headers",
        &[list("headers")],
    ),
    class(
        &["org.apache.kafka.connect.transforms.Filter"],
        "drop_record",
        &[],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.ExtractField"],
        "extract_field",
        &[text("field"), word("field.syntax.version", &["V1", "V2"]), NULLS],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.Flatten"],
        "flatten",
        &[text("delimiter")],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.HeaderFrom"],
        "header_from",
        &[
            list("fields"),
            list("headers"),
            word("operation", &["move", "copy"]),
            NULLS,
        ],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.HoistField"],
        "hoist_field",
        &[text("field")],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.InsertField"],
        "insert_field",
        &[
            text("topic.field"),
            text("partition.field"),
            text("offset.field"),
            text("timestamp.field"),
            text("static.field"),
            text("static.value"),
            NULLS,
        ],
    ),
    class(
        &["org.apache.kafka.connect.transforms.InsertHeader"],
        "insert_header",
        &[text("header"), text("value.literal")],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.MaskField"],
        "mask_field",
        &[list("fields"), text("replacement"), NULLS],
    ),
    class(
        &["org.apache.kafka.connect.transforms.RegexRouter"],
        "regex_router",
        &[text("regex"), text("replacement")],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.ReplaceField"],
        "replace_field",
        &[list("exclude"), list("include"), list("renames"), NULLS],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.SetSchemaMetadata"],
        "set_schema_metadata",
        &[text("schema.name"), number("schema.version"), NULLS],
    ),
    sided(
        &["org.apache.kafka.connect.transforms.TimestampConverter"],
        "timestamp_converter",
        &[
            text("field"),
            word("target.type", &["string", "unix", "Date", "Time", "Timestamp"]),
            text("format"),
            word(
                "unix.precision",
                &["seconds", "milliseconds", "microseconds", "nanoseconds"],
            ),
            NULLS,
        ],
    ),
    class(
        &["org.apache.kafka.connect.transforms.TimestampRouter"],
        "timestamp_router",
        &[text("topic.format"), text("timestamp.format")],
    ),
    class(
        &["org.apache.kafka.connect.transforms.ValueToKey"],
        "value_to_key",
        &[list("fields"), NULLS],
    ),
];

/// Classes of predicates.
pub(crate) const PREDICATES: &[Class] = &[
    class(
        &["org.apache.kafka.connect.transforms.predicates.TopicNameMatches"],
        "topic_name_matches",
        &[text("pattern")],
    ),
    class(
        &["org.apache.kafka.connect.transforms.predicates.HasHeaderKey"],
        "has_header_key",
        &[text("name")],
    ),
    class(
        &["org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"],
        "record_is_tombstone",
        &[],
    ),
];

/// The part of the documentation about transforms.
pub(crate) fn markdown() -> String {
    let mut out = String::from(HEAD);
    for class in CLASSES.iter().chain(MOSIP).chain(PREDICATES) {
        for name in class.names {
            let sides = if class.sided { "$Key`, `$Value" } else { "" };
            let here = match class.refused {
                Some(reason) => format!("**refused**: {reason}"),
                None => format!("`{}`", class.key),
            };
            let options: Vec<String> = class.options.iter().map(option).collect();
            let _ = writeln!(out, "| `{name}{sides}` | {here} | {} |", options.join("<br>"));
        }
    }
    out
}

fn option(option: &Opt) -> String {
    match option.kind {
        Kind::Only(values, reason) => format!(
            "`{}`: **refused** unless `{}`: {reason}",
            option.name,
            values.join("` or `")
        ),
        Kind::NoEffect(reason) => format!("`{}`: no effect: {reason}", option.name),
        _ => format!("`{}`", option.name),
    }
}

const HEAD: &str = "
## Transforms and predicates

`transforms` names the steps, `transforms.<name>.type` the class of each. A class becomes a step of `transforms` in the YAML file, with
the options of the same names, underscores for dots. A class or option that is not listed is refused.

| class | here | options |
|---|---|---|
";
