//! MOSIP's classes of transforms.

use super::classes::{Class, flag, list, no_effect, sided, text, word};

/// What MOSIP's numbers count.
const MOSIP_UNIT: &[&str] = &["milli_sec", "micro_sec", "days_epoch"];

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
