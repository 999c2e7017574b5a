//! The classes of transforms and predicates, and their options.

use std::fmt::Write;

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
    /// Accepted, for this reason without effect.
    NoEffect(&'static str),
    /// Refused, for this reason.
    Refused(&'static str),
}

impl Opt {
    /// Key in the YAML file.
    pub(crate) fn key(&self) -> String {
        self.name.replace('.', "_")
    }
}

const fn text(name: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::Text,
    }
}

const fn flag(name: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::Flag,
    }
}

const fn list(name: &'static str) -> Opt {
    Opt {
        name,
        kind: Kind::List,
    }
}

const fn word(name: &'static str, words: &'static [&'static str]) -> Opt {
    Opt {
        name,
        kind: Kind::Word(words),
    }
}

const MOSIP_UNIT: &[&str] = &["milli_sec", "micro_sec", "days_epoch"];

const fn sided(names: &'static [&'static str], key: &'static str, options: &'static [Opt]) -> Class {
    Class {
        sided: true,
        ..class(names, key, options)
    }
}

const fn no_effect(name: &'static str, reason: &'static str) -> Opt {
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

/// Classes of transforms.
pub(crate) const CLASSES: &[Class] = &[class(
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
)];

/// Classes of MOSIP's. They come in compatible mode: who imports them relies on what they do.
pub(crate) const MOSIP: &[Class] = &[
    sided(
        &["io.mosip.kafka.connect.transforms.TimestampConverterAdv"],
        "timestamp_converter_adv",
        &[
            text("field"),
            word("input.type", MOSIP_UNIT),
            no_effect("output.type", "the class ignores it"),
            text("output.format"),
        ],
    ),
    sided(
        &["io.mosip.kafka.connect.transforms.TimestampSelector"],
        "timestamp_selector",
        &[list("ts.order"), text("output.field")],
    ),
    sided(
        &["io.mosip.kafka.connect.transforms.StringToJson"],
        "string_to_json",
        &[text("input.field")],
    ),
    sided(
        &["io.mosip.kafka.connect.transforms.DynamicNewField"],
        "dynamic_new_field",
        &[
            no_effect("query.type", "the class ignores it"),
            text("es.url"),
            text("es.index"),
            list("es.input.fields"),
            text("es.output.field"),
            list("input.fields"),
            list("input.default.values"),
            text("output.field"),
            flag("es.input.query.add.keyword"),
        ],
    ),
    sided(
        &["io.mosip.kafka.connect.transforms.AnonymousProfileTransform"],
        "anonymous_profile",
        &[
            list("profiles.fields.list"),
            list("age.groups.list"),
            text("age.groups.output.field"),
            list("channel.groups.list"),
            text("kafka.topic.name"),
            text("es.url"),
            list("profile.listOfFunctions"),
            list("listOfFunctions"),
        ],
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
        Kind::NoEffect(reason) => format!("`{}`: no effect: {reason}", option.name),
        Kind::Refused(reason) => format!("`{}`: **refused**: {reason}", option.name),
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
