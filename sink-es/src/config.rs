//! What the operator says about the index, and the checks on it.

mod access;
mod bulk;
mod documents;
mod mapping;
mod validate;

use std::time::Duration;

use cdc_core::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::access::{AuthConfig, AwsConfig, AwsService, ProxyConfig, TlsConfig};
pub use self::bulk::BulkConfig;
pub use self::documents::{
    BadDocument, DataStreamConfig, DeleteOn, DocumentFrom, IdFrom, ResourceKind, ResourcesConfig,
    TopicOverride, Versions, Write,
};
pub use self::mapping::{
    ConvertConfig, Decimals, JsonMapping, MappingConfig, Maps, OnConflict, StringMapping, TemplateConfig,
    Times,
};

/// Elasticsearch (7, 8, 9) or OpenSearch (1, 2, 3) to write documents to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexConfig {
    /// Addresses of one cluster's nodes, `http://` or `https://`. Requests go to each in turn; a node that fails is left
    /// out for a while.
    pub urls: Vec<String>,
    /// How to log in. Without it requests carry no credentials.
    #[serde(default)]
    pub auth: Option<AuthConfig>,
    /// Certificates for `https`. Without it the system's certificate authorities are trusted.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Name of the index. `{topic}` stands for the record's topic; the whole is lower-cased, and characters that the server
    /// refuses become `_`.
    #[serde(default = "default_name")]
    pub name: String,
    /// What a document is made of.
    #[serde(default)]
    pub document: DocumentFrom,
    /// How documents are written.
    #[serde(default)]
    pub write: Write,
    /// Where a document's `_id` comes from. One longer than 512 bytes is replaced by its SHA-256.
    #[serde(default)]
    pub id_from: IdFrom,
    /// Text of the `_id` instead, such as `{topic}-{key.id}`. Placeholders: `{topic}`, `{partition}`, `{offset}`, `{key}` for
    /// the key's text, `{key.FIELD}`, `{value.FIELD}` for a field of the document; dots lead into objects.
    #[serde(default)]
    pub id_template: Option<String>,
    /// Character between the parts of a document's `_id` when the key has several fields. Where a part holds it, or a
    /// backslash, a backslash is put before it, so that no two keys share an `_id`.
    #[serde(default = "default_separator")]
    pub id_separator: char,
    /// Text of the routing, with placeholders as in `id_template`. A delete needs the same routing: with `{value.FIELD}` that
    /// takes a table with REPLICA IDENTITY FULL. For a tombstone alone, which has no row, the documents are searched.
    #[serde(default)]
    pub routing: Option<String>,
    /// Ingest pipeline that documents pass through.
    #[serde(default)]
    pub pipeline: Option<String>,
    /// Where a document's version comes from.
    #[serde(default)]
    pub versions: Versions,
    /// What stands for a value that an update did not change and the database did not send
    /// (`format.values.unavailable_value_placeholder`, which is taken over where there is a `source`). Such a field keeps the
    /// value that it has in the index; without one it is left out. Empty: the placeholder is a value as others.
    #[serde(default = "default_unavailable_value")]
    pub unavailable_value: String,
    /// What deletes a document.
    #[serde(default)]
    pub delete_on: DeleteOn,
    /// What is different for some topics.
    #[serde(default)]
    pub overrides: Vec<TopicOverride>,
    /// Writes to data streams instead of indexes.
    #[serde(default)]
    pub data_stream: Option<DataStreamConfig>,
    /// Writes to what others have made, by a list of topics.
    #[serde(default)]
    pub resources: Option<ResourcesConfig>,
    /// Refuses to write to a name that is no alias, so that no index comes to be by mistake.
    #[serde(default)]
    pub require_alias: bool,
    /// Alias that a created index gets; `{topic}` stands for the record's topic.
    #[serde(default)]
    pub alias: Option<String>,
    /// What happens to a document that the server will never take.
    #[serde(default)]
    pub on_bad_document: BadDocument,
    /// What happens to a record that cannot be made into a document. Default: as `on_bad_document`.
    #[serde(default)]
    pub on_invalid_record: Option<BadDocument>,
    /// Size and number of bulk requests.
    #[serde(default)]
    pub bulk: BulkConfig,
    /// Compresses request bodies (gzip, level 1).
    #[serde(default)]
    pub gzip: bool,
    /// An HTTP proxy.
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
    /// Longest wait for the whole answer to one request, in milliseconds. One that takes longer is sent again, in halves.
    #[serde(default = "default_request_timeout")]
    pub request_timeout_ms: u64,
    /// Longest wait for a connection, in milliseconds.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout_ms: u64,
    /// How long a connection that is not used is kept, in milliseconds.
    #[serde(default = "default_idle_timeout")]
    pub idle_timeout_ms: u64,
    /// First pause between two attempts, in milliseconds.
    #[serde(default = "default_first_backoff")]
    pub first_backoff_ms: u64,
    /// Longest pause between two attempts, in milliseconds. Pauses double up to it, each shortened at random. There is no
    /// last attempt: what may pass is tried again without end.
    #[serde(default = "default_max_backoff")]
    pub max_backoff_ms: u64,
    /// Creates an index before the first document goes to it, with `settings` and `mappings`. Otherwise the server creates
    /// it by its templates. For a user who may not, it is taken to be there.
    #[serde(default)]
    pub create: bool,
    /// `settings` of a new index, as the server's API takes them. Unless `index.gc_deletes` is among them it is set to ten
    /// minutes: so long the server remembers deleted documents and refuses older states of them.
    #[serde(default)]
    pub settings: Option<serde_json::Map<String, serde_json::Value>>,
    /// `mappings` of a new index, as the server's API takes them.
    #[serde(default)]
    pub mappings: Option<serde_json::Map<String, serde_json::Value>>,
    /// Mappings made from schemas, and conversions of values.
    #[serde(default)]
    pub mapping: MappingConfig,
    /// Puts `settings` and `mappings` into an index template at the start.
    #[serde(default)]
    pub template: Option<TemplateConfig>,
}

impl IndexConfig {
    /// Longest wait for one request, unless configured, in milliseconds.
    pub const REQUEST_TIMEOUT_MS: u64 = 60_000;

    /// First and longest pause between two attempts.
    pub(crate) fn backoff(&self) -> (Duration, Duration) {
        (
            Duration::from_millis(self.first_backoff_ms),
            Duration::from_millis(self.max_backoff_ms),
        )
    }
}

fn default_name() -> String {
    "{topic}".into()
}
fn default_unavailable_value() -> String {
    cdc_core::types::ValueOptions::PLACEHOLDER.into()
}
const fn default_separator() -> char {
    '|'
}
const fn default_request_timeout() -> u64 {
    IndexConfig::REQUEST_TIMEOUT_MS
}
const fn default_connect_timeout() -> u64 {
    5_000
}
const fn default_idle_timeout() -> u64 {
    60_000
}
const fn default_first_backoff() -> u64 {
    50
}
const fn default_max_backoff() -> u64 {
    30_000
}

fn config(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<IndexConfig, String> {
        let c: IndexConfig = serde_json::from_str(json).map_err(|e| e.to_string())?;
        c.validate().map_err(|e| e.to_string())?;
        Ok(c)
    }

    #[test]
    fn the_least_configuration_is_one_address() {
        let c = parse(r#"{"urls":["http://localhost:9200"]}"#).unwrap();
        assert_eq!(c.name, "{topic}");
        assert_eq!(c.versions, Versions::ExternalFromWal);
        assert_eq!(c.on_bad_document, BadDocument::Fail);
        assert_eq!(c.bulk.max_docs, 5000);
    }

    #[test]
    fn every_mistake_names_its_option() {
        for (json, want) in [
            (r#"{"urls":[]}"#, "index.urls"),
            (r#"{"urls":["localhost:9200"]}"#, "http://"),
            (r#"{"urls":["http://u:p@h"]}"#, "index.auth"),
            (r#"{"urls":["http://h","http://h/"]}"#, "twice"),
            (r#"{"urls":["http://h"],"nmae":"x"}"#, "nmae"),
            (r#"{"urls":["http://h"],"name":"{table}"}"#, "index.name"),
            (
                r#"{"urls":["http://h"],"id_separator":"\\"}"#,
                "index.id_separator",
            ),
            (
                r#"{"urls":["http://h"],"bulk":{"max_docs":0}}"#,
                "index.bulk.max_docs",
            ),
            (
                r#"{"urls":["http://h"],"bulk":{"max_in_flight":65}}"#,
                "max_in_flight",
            ),
            (r#"{"urls":["http://h"],"settings":{}}"#, "index.create"),
            (
                r#"{"urls":["http://h"],"delete_on":"tombstone","id_template":"{topic}-{value.id}"}"#,
                "index.id_template",
            ),
            (
                r#"{"urls":["http://h"],"create":true,"require_alias":true}"#,
                "index.require_alias",
            ),
            (
                r#"{"urls":["http://h"],"mapping":{"json":"object"}}"#,
                "index.mapping.convert.json",
            ),
            (
                r#"{"urls":["http://h"],"unavailable_value":"hex:5"}"#,
                "index.unavailable_value",
            ),
            (
                r#"{"urls":["http://h"],"tls":{"key_file":"k"}}"#,
                "certificate_file",
            ),
            (r#"{"urls":["http://h"],"auth":{}}"#, "exactly one"),
            (
                r#"{"urls":["http://h"],"auth":{"username":"u"}}"#,
                "password_file",
            ),
            (
                r#"{"urls":["http://h"],"auth":{"api_key":"k","bearer_token":"t"}}"#,
                "exactly one",
            ),
            (
                r#"{"urls":["http://h"],"auth":{"api_key":"k","api_key_file":"f"}}"#,
                "api_key_file",
            ),
        ] {
            let e = parse(json).unwrap_err();
            assert!(e.contains(want), "{json}: {e}");
        }
    }

    #[test]
    fn all_topics_of_dead_letters_are_known() {
        let of = |more: &str| {
            let c = parse(&format!(r#"{{"urls":["http://h"],{more}}}"#)).unwrap();
            c.dead_letter_topics().join(" ")
        };
        let (bad, invalid) = (
            r#""on_bad_document":{"dead_letter_topic":"a"}"#,
            r#""on_invalid_record":{"dead_letter_topic":"b"}"#,
        );
        assert_eq!(of(&format!("{bad},{invalid}")), "a b");
        assert_eq!((of(bad), of(invalid)), ("a".into(), "b".into()));
        assert_eq!(of(&format!("{bad},{}", invalid.replace("\"b\"", "\"a\""))), "a");
    }

    #[test]
    fn no_secret_shows_in_debug_output() {
        let c = parse(r#"{"urls":["http://h"],"auth":{"username":"u","password":"hush"}}"#).unwrap();
        assert!(!format!("{c:?}").contains("hush"));
    }
}
