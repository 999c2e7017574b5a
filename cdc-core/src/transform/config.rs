//! Chains as the YAML file has them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Build;
use super::chain::{Chain, Step};
use super::predicate::PredicateConfig;
use crate::{Error, ErrorKind};

/// Declares a step with one key a transform.
macro_rules! steps {
    ($($(#[$doc:meta])* $key:ident: $options:ty,)*) => {
        /// One transform, and when it applies. Exactly one transform is given, by its key.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct StepConfig {
            /// Name in messages; its number and key if not given.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub name: Option<String>,
            /// Name of the predicate under which it applies; always if not given.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub predicate: Option<String>,
            /// Whether it applies where the predicate does not hold.
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            pub negate: bool,
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$options>,
            )*
        }

        impl StepConfig {
            /// The keys of the transforms that are given, with their options.
            fn given(&self) -> Vec<(&'static str, &dyn Build)> {
                let mut all: Vec<(&'static str, &dyn Build)> = Vec::new();
                $(
                    if let Some(options) = &self.$key {
                        all.push((stringify!($key), options));
                    }
                )*
                all
            }
        }
    };
}

steps! {
    /// Debezium's ExtractNewRecordState: the row instead of its envelope.
    extract_new_record_state: super::ExtractNewRecordState,
    /// MOSIP's TimestampConverterAdv: numbers since 1970 to texts.
    timestamp_converter_adv: super::mosip::TimestampConverterAdv,
    /// MOSIP's TimestampSelector: the first timestamp that is there.
    timestamp_selector: super::mosip::TimestampSelector,
    /// MOSIP's StringToJson: a text to the JSON that it holds.
    string_to_json: super::mosip::StringToJson,
    /// MOSIP's DynamicNewField: a field looked up in another index.
    dynamic_new_field: super::mosip::DynamicNewField,
    /// MOSIP's AnonymousProfileTransform: profiles made fit for statistics.
    anonymous_profile: super::mosip::AnonymousProfile,
    /// Debezium's ContentBasedRouter: an expression names the topic.
    content_based_router: super::ContentBasedRouter,
    /// Debezium's DecodeLogicalDecodingMessageContent: logical messages with JSON as inserts.
    decode_message_content: super::DecodeMessageContent,
    /// Debezium's outbox EventRouter: rows of an outbox table as messages.
    event_router: super::EventRouter,
    /// Debezium's ExtractChangedRecordState: headers that list what changed.
    extract_changed_record_state: super::ExtractChangedRecordState,
    /// Debezium's Filter: records kept for which an expression is true.
    filter: super::Filter,
    /// Debezium's HeaderToValue: headers as fields.
    header_to_value: super::HeaderToValue,
    /// Debezium's ByLogicalTableRouter: tables that share a topic.
    logical_topic_router: super::LogicalTopicRouter,
    /// Debezium's PartitionRouting: partitions by fields.
    partition_routing: super::PartitionRouting,
    /// Debezium's SchemaChangeEventFilter: schema changes left out by kind.
    schema_change_event_filter: super::SchemaChangeEventFilter,
    /// Debezium's TimezoneConverter: times in another zone.
    timezone_converter: super::TimezoneConverter,
    /// Debezium's VectorToJsonConverter: vectors as JSON texts.
    vector_to_json: super::VectorToJson,
    /// Kafka's Cast: values of other types.
    cast: super::Cast,
    /// Kafka's DropHeaders: headers left out by name.
    drop_headers: super::DropHeaders,
    /// Kafka's Filter: the record left out, under a predicate.
    drop_record: super::DropRecord,
    /// Kafka's ExtractField: one field in the place of the whole.
    extract_field: super::ExtractField,
    /// Kafka's Flatten: nested structs as one.
    flatten: super::Flatten,
    /// Kafka's HeaderFrom: fields as headers.
    header_from: super::HeaderFrom,
    /// Kafka's HoistField: the whole as a field of a new struct.
    hoist_field: super::HoistField,
    /// Kafka's InsertField: fields with topic, partition, offset, timestamp or a constant.
    insert_field: super::InsertField,
    /// Kafka's InsertHeader: a header of one value.
    insert_header: super::InsertHeader,
    /// Kafka's MaskField: values replaced by zeros or a replacement.
    mask_field: super::MaskField,
    /// Kafka's RegexRouter: topics renamed by a regular expression.
    regex_router: super::RegexRouter,
    /// Kafka's ReplaceField: fields left out or renamed.
    replace_field: super::ReplaceField,
    /// Kafka's SetSchemaMetadata: another name or version for a schema.
    set_schema_metadata: super::SetSchemaMetadata,
    /// Kafka's TimestampConverter: timestamps in another form.
    timestamp_converter: super::TimestampConverter,
    /// Kafka's TimestampRouter: topics named by the record's time.
    timestamp_router: super::TimestampRouter,
    /// Kafka's ValueToKey: a key made of fields of the value.
    value_to_key: super::ValueToKey,
}

impl StepConfig {
    /// Key of the transform, if it may send records to another topic.
    #[must_use]
    pub fn routes(&self) -> Option<&'static str> {
        const ROUTERS: [&str; 5] = [
            "content_based_router",
            "event_router",
            "logical_topic_router",
            "regex_router",
            "timestamp_router",
        ];
        let unwraps = self.extract_new_record_state.as_ref();
        if unwraps.is_some_and(|o| o.route_by_field.is_some()) {
            return Some("extract_new_record_state");
        }
        self.first_of(&ROUTERS)
    }

    /// Key of the transform, if it sends requests to an index ([`Chain::connect`]).
    #[must_use]
    pub fn looks_up(&self) -> Option<&'static str> {
        self.first_of(&["anonymous_profile", "dynamic_new_field"])
    }

    fn first_of(&self, keys: &[&str]) -> Option<&'static str> {
        self.given()
            .into_iter()
            .map(|(key, _)| key)
            .find(|key| keys.contains(key))
    }
}

/// A chain of transforms.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// Transforms in the order in which they apply.
    pub transforms: Vec<StepConfig>,
    /// Conditions that transforms name.
    pub predicates: BTreeMap<String, PredicateConfig>,
}

impl ChainConfig {
    /// Checks all options and makes the chain.
    ///
    /// # Errors
    /// Which transform's option is wrong, and what to do.
    pub fn build(&self) -> Result<Chain, ConfigFault> {
        let mut predicates = BTreeMap::new();
        for (name, config) in &self.predicates {
            let built = config.build();
            let fault = |e| ConfigFault::new(format!("predicates.{name}"), e);
            predicates.insert(name.as_str(), built.map_err(fault)?);
        }
        let mut steps = Vec::with_capacity(self.transforms.len());
        for (index, config) in self.transforms.iter().enumerate() {
            let given = config.given();
            let path = format!("transforms[{index}]");
            let [(key, options)] = given.as_slice() else {
                let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
                let reason = match keys.as_slice() {
                    [] => "names no transform".to_owned(),
                    _ => format!("names {}: make each a step of its own", keys.join(" and ")),
                };
                return Err(ConfigFault::new(path, reason));
            };
            let name = config.name.clone().unwrap_or_else(|| format!("{index}.{key}"));
            let when = match &config.predicate {
                None if config.negate => {
                    return Err(ConfigFault::new(format!("{path}.negate"), "needs a predicate"));
                }
                None => None,
                Some(predicate) => {
                    let found = predicates.get(predicate.as_str()).cloned();
                    let unknown = || {
                        let text = format!("`{predicate}` is not in `predicates`: add it there");
                        ConfigFault::new(format!("{path}.predicate"), text)
                    };
                    Some((found.ok_or_else(unknown)?, config.negate))
                }
            };
            let fault = |e: String| {
                let (option, reason) = e.split_once(": ").unwrap_or(("", &e));
                let dot = if option.is_empty() { "" } else { "." };
                ConfigFault::new(format!("{path}.{key}{dot}{option}"), reason)
            };
            let transform = options.build().map_err(fault)?;
            steps.push(Step {
                name: Arc::from(name),
                when,
                transform,
            });
        }
        Ok(Chain::new(steps))
    }
}

/// An option of a chain that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// Path of its key: `transforms[0].cast.spec`.
    pub path: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl ConfigFault {
    fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl std::error::Error for ConfigFault {}

impl From<ConfigFault> for Error {
    fn from(fault: ConfigFault) -> Self {
        Self::new(ErrorKind::Config, fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> ConfigFault {
        serde_json::from_str::<ChainConfig>(json)
            .unwrap()
            .build()
            .unwrap_err()
    }

    #[test]
    fn faults_say_where_and_what() {
        let two = fault(r#"{"transforms":[{"predicate":"p"}]}"#);
        assert_eq!(
            (two.path.as_str(), two.reason.as_str()),
            ("transforms[0]", "names no transform")
        );
        let option = fault(r#"{"transforms":[{"extract_new_record_state":{"add_fields":["a.b.c"]}}]}"#);
        assert_eq!(option.path, "transforms[0].extract_new_record_state.add_fields");
        let unknown = fault(r#"{"transforms":[{"extract_new_record_state":{},"predicate":"p"}]}"#);
        assert_eq!(unknown.path, "transforms[0].predicate");
        let pattern = fault(r#"{"predicates":{"p":{"topic_name_matches":{"pattern":"("}}}}"#);
        assert_eq!(pattern.path, "predicates.p");
        let step = |json: &str| serde_json::from_str::<StepConfig>(json).unwrap();
        let router = step(r#"{"regex_router":{"regex":"a","replacement":"b"}}"#);
        assert_eq!((router.routes(), router.looks_up()), (Some("regex_router"), None));
        assert_eq!(step(r#"{"extract_new_record_state":{}}"#).routes(), None);
        assert_eq!(
            step(r#"{"dynamic_new_field":{}}"#).looks_up(),
            Some("dynamic_new_field")
        );
        let alone = fault(r#"{"transforms":[{"extract_new_record_state":{},"negate":true}]}"#);
        assert_eq!(alone.path, "transforms[0].negate");
    }
}
