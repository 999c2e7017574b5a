//! What the operator says about the index, and the checks on it.

use std::collections::HashSet;
use std::path::PathBuf;

use cdc_core::{Error, ErrorKind};
use reqwest::Url;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

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
    /// Character between the parts of a document's `_id` when the key has several fields. Where a part holds it, or a
    /// backslash, a backslash is put before it, so that no two keys share an `_id`.
    #[serde(default = "default_separator")]
    pub id_separator: char,
    /// Where a document's version comes from.
    #[serde(default)]
    pub versions: Versions,
    /// What deletes a document.
    #[serde(default)]
    pub delete_on: DeleteOn,
    /// What happens to a document that the server will never take, or that cannot be made.
    #[serde(default)]
    pub on_bad_document: BadDocument,
    /// Size and number of bulk requests.
    #[serde(default)]
    pub bulk: BulkConfig,
    /// Compresses request bodies (gzip, level 1).
    #[serde(default)]
    pub gzip: bool,
    /// Longest wait for one request, in milliseconds. A request that takes longer is sent again.
    #[serde(default = "default_request_timeout")]
    pub request_timeout_ms: u64,
    /// Longest wait for a connection, in milliseconds.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout_ms: u64,
    /// Longest pause between two attempts, in milliseconds. Pauses double up to it, each shortened at random.
    #[serde(default = "default_max_backoff")]
    pub max_backoff_ms: u64,
    /// Creates an index before the first document goes to it, with `settings` and `mappings`. Otherwise the server creates
    /// it by its templates.
    #[serde(default)]
    pub create: bool,
    /// `settings` of a new index, as the server's API takes them.
    #[serde(default)]
    pub settings: Option<serde_json::Map<String, serde_json::Value>>,
    /// `mappings` of a new index, as the server's API takes them.
    #[serde(default)]
    pub mappings: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Credentials: exactly one of user name with password, API key, bearer token. Each secret is given here or by file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// User name for basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// Password for basic authentication.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// File that holds the password; a line break at its end is dropped.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// API key in the encoded form, as Elasticsearch's create API key call returns it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_key: Option<SecretString>,
    /// File that holds the API key.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Bearer token.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub bearer_token: Option<SecretString>,
    /// File that holds the bearer token.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
}

/// Certificates for `https`, all PEM.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificate authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Client certificate, with its chain.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// Private key of the client certificate.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

/// Size and number of bulk requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BulkConfig {
    /// Size in bytes at which a request is sent. A larger single document is sent alone.
    pub max_bytes: usize,
    /// Number of documents at which a request is sent.
    pub max_docs: usize,
    /// Longest wait for more documents, in milliseconds, while no request is on its way.
    pub linger_ms: u64,
    /// Requests on their way at once. Documents with one `_id` always go one after the other.
    pub max_in_flight: usize,
    /// Bytes of encoded documents, waiting or on their way, above which no more are taken.
    pub max_buffered_bytes: usize,
}

impl Default for BulkConfig {
    fn default() -> Self {
        Self {
            // The servers' own advice is 5 to 15 MB; the lower end, since memory is max_buffered_bytes.
            max_bytes: 5 << 20,
            max_docs: 5000,
            linger_ms: 5,
            max_in_flight: 4,
            // Four requests of the usual size, and as much gathering behind them, within a 64 MB process.
            max_buffered_bytes: 32 << 20,
        }
    }
}

/// Where a document's version comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Versions {
    /// The change's position in the write-ahead log: a repeated or late change never brings back an older state.
    #[default]
    ExternalFromWal,
    /// The record's Kafka offset, as other connectors do. Only for records consumed from Kafka; a topic that is created
    /// anew starts again at 0, and its documents are then taken for old ones.
    KafkaOffset,
    /// None: the last write wins, repeated changes included.
    None,
}

/// What deletes a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteOn {
    /// Delete events and tombstones.
    #[default]
    Any,
    /// Delete events only; tombstones are skipped.
    DeleteEvent,
    /// Tombstones only; delete events are skipped.
    Tombstone,
}

/// What happens to a document that the server will never take, or that cannot be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadDocument {
    /// Stop; the error names topic, position and reason.
    #[default]
    Fail,
    /// Leave it out; logged with its position and counted.
    Skip,
    /// Append it to this file, one JSON object a line with reason, position, headers and document; then go on.
    DeadLetter(PathBuf),
}

fn default_name() -> String {
    "{topic}".into()
}
const fn default_separator() -> char {
    '|'
}
const fn default_request_timeout() -> u64 {
    60_000
}
const fn default_connect_timeout() -> u64 {
    5_000
}
const fn default_max_backoff() -> u64 {
    30_000
}

impl IndexConfig {
    /// Checks what can be checked without files or the network.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] that names the first option that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        self.parsed_urls()?;
        self.check_name()?;
        if self.id_separator == '\\' || self.id_separator.is_control() {
            return Err(config(
                "index.id_separator must be a printable character other than a backslash",
            ));
        }
        let b = &self.bulk;
        let positive: [(&str, u64); 7] = [
            ("bulk.max_bytes", as_u64(b.max_bytes)),
            ("bulk.max_docs", as_u64(b.max_docs)),
            ("bulk.max_in_flight", as_u64(b.max_in_flight)),
            ("bulk.max_buffered_bytes", as_u64(b.max_buffered_bytes)),
            ("request_timeout_ms", self.request_timeout_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("max_backoff_ms", self.max_backoff_ms),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(config(format!("index.{name} must be at least 1")));
            }
        }
        if b.max_in_flight > Self::MOST_IN_FLIGHT {
            return Err(config(format!(
                "index.bulk.max_in_flight must be at most {}",
                Self::MOST_IN_FLIGHT
            )));
        }
        if !self.create && (self.settings.is_some() || self.mappings.is_some()) {
            return Err(config(
                "index.settings and index.mappings need index.create: true",
            ));
        }
        if self.tls.certificate_file.is_some() != self.tls.key_file.is_some() {
            return Err(config(
                "index.tls.certificate_file and index.tls.key_file go together",
            ));
        }
        self.auth.as_ref().map_or(Ok(()), AuthConfig::validate)
    }

    /// More lanes than this bring no server anything and cost a task and a buffer each.
    const MOST_IN_FLIGHT: usize = 64;

    pub(crate) fn parsed_urls(&self) -> Result<Vec<Url>, Error> {
        if self.urls.is_empty() {
            return Err(config("index.urls must name at least one address"));
        }
        let mut seen = HashSet::new();
        let mut urls = Vec::with_capacity(self.urls.len());
        for text in &self.urls {
            let url = parse_url(text)?;
            if !seen.insert(url.clone()) {
                return Err(config("index.urls names one address twice"));
            }
            urls.push(url);
        }
        Ok(urls)
    }

    fn check_name(&self) -> Result<(), Error> {
        let rest = self.name.replace("{topic}", "");
        if rest.contains(['{', '}']) {
            return Err(config(
                "index.name knows no placeholder but {topic}: write it as in \"cdc-{topic}\"",
            ));
        }
        if self.name.is_empty() {
            return Err(config("index.name must not be empty"));
        }
        Ok(())
    }
}

impl AuthConfig {
    fn validate(&self) -> Result<(), Error> {
        let basic = self.username.is_some() || self.password.is_some() || self.password_file.is_some();
        let key = self.api_key.is_some() || self.api_key_file.is_some();
        let bearer = self.bearer_token.is_some() || self.bearer_token_file.is_some();
        if u8::from(basic) + u8::from(key) + u8::from(bearer) != 1 {
            return Err(config(
                "index.auth takes exactly one of username with password, api_key, bearer_token",
            ));
        }
        let twice = [
            (
                "password",
                self.password.is_some() && self.password_file.is_some(),
            ),
            ("api_key", self.api_key.is_some() && self.api_key_file.is_some()),
            (
                "bearer_token",
                self.bearer_token.is_some() && self.bearer_token_file.is_some(),
            ),
        ];
        if let Some((name, _)) = twice.iter().find(|(_, both)| *both) {
            return Err(config(format!(
                "index.auth has both {name} and {name}_file: keep one"
            )));
        }
        if basic && (self.username.is_none() || (self.password.is_none() && self.password_file.is_none())) {
            return Err(config(
                "index.auth needs username and password (or password_file)",
            ));
        }
        Ok(())
    }
}

/// An address without credentials in it: those would end up in logs.
fn parse_url(text: &str) -> Result<Url, Error> {
    let bad = |why: &str| config(format!("index.urls: {why}"));
    let mut url = Url::parse(text)
        .map_err(|e| bad("an address is no URL such as http://localhost:9200").with_source(e))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad(
            "an address must begin with http:// or https:// and name a host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("credentials belong in index.auth, not in the address"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("an address must have no ? or # part"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn config(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, text)
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
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
    fn no_secret_shows_in_debug_output() {
        let c = parse(r#"{"urls":["http://h"],"auth":{"username":"u","password":"hush"}}"#).unwrap();
        assert!(!format!("{c:?}").contains("hush"));
    }
}
