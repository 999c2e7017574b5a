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
    Opt { name, kind: Kind::Text }
}

const fn flag(name: &'static str) -> Opt {
    Opt { name, kind: Kind::Flag }
}

const fn list(name: &'static str) -> Opt {
    Opt { name, kind: Kind::List }
}

const fn word(name: &'static str, words: &'static [&'static str]) -> Opt {
    Opt {
        name,
        kind: Kind::Word(words),
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
pub(crate) const CLASSES: &[Class] = &[
    class(
        &["io.debezium.transforms.ExtractNewRecordState"],
        "extract_new_record_state",
        &[
            word(
                "delete.tombstone.handling.mode",
                &["drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"],
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
            no_effect("delete.handling.mode", "Debezium 3 has `delete.tombstone.handling.mode` instead"),
            no_effect("drop.tombstones", "Debezium 3 has `delete.tombstone.handling.mode` instead"),
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
    for class in CLASSES.iter().chain(PREDICATES) {
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
