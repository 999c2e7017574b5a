//! How the cluster is reached: credentials, certificates, a proxy.

use std::path::PathBuf;

use cdc_core::Error;
use reqwest::Url;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::config;

/// Credentials: exactly one of user name with password, API key, bearer token, AWS signatures. Each secret is given here or by file.
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
    /// Signs requests for Amazon OpenSearch Service (AWS Signature Version 4). Needs a program built with the feature `aws`.
    #[serde(default)]
    pub aws: Option<AwsConfig>,
}

/// Signatures for Amazon OpenSearch Service. The keys come from where AWS's tools have them: environment variables, the files
/// `~/.aws/config` and `credentials`, a web identity token, the metadata of container or instance. They are renewed in time.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsConfig {
    /// The service that answers at `index.urls`.
    #[serde(default)]
    pub service: AwsService,
    /// Region, such as `eu-central-1`. Default: that of `AWS_REGION`, the profile or the instance.
    #[serde(default)]
    pub region: Option<String>,
    /// Profile in AWS's files. Default: that of `AWS_PROFILE`, or `default`.
    #[serde(default)]
    pub profile: Option<String>,
}

/// A service of AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AwsService {
    /// A domain of Amazon OpenSearch Service.
    #[default]
    Es,
    /// A collection of Amazon OpenSearch Serverless.
    Aoss,
}

/// Certificates for `https`, all PEM.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
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
    /// Whether the name in the server's certificate must be that of the address. Its authority is always checked.
    #[serde(default = "yes")]
    pub verify_hostname: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            ca_file: None,
            certificate_file: None,
            key_file: None,
            verify_hostname: true,
        }
    }
}

const fn yes() -> bool {
    true
}

/// An HTTP proxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// Address, such as `http://proxy:8080`.
    pub url: String,
    /// User name for basic authentication at the proxy.
    #[serde(default)]
    pub username: Option<String>,
    /// Password for basic authentication at the proxy.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// File that holds the password; a line break at its end is dropped.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

impl ProxyConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let url = Url::parse(&self.url)
            .map_err(|e| config("index.proxy.url is no URL such as http://proxy:8080").with_source(e))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(config(
                "index.proxy.url must begin with http:// or https:// and name a host",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(config(
                "index.proxy.url must hold no credentials: use index.proxy.username and password",
            ));
        }
        if self.password.is_some() && self.password_file.is_some() {
            return Err(config(
                "index.proxy has both password and password_file: keep one",
            ));
        }
        let password = self.password.is_some() || self.password_file.is_some();
        if self.username.is_some() != password {
            return Err(config(
                "index.proxy.username and index.proxy.password go together",
            ));
        }
        Ok(())
    }
}

impl AuthConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let basic = self.username.is_some() || self.password.is_some() || self.password_file.is_some();
        let key = self.api_key.is_some() || self.api_key_file.is_some();
        let bearer = self.bearer_token.is_some() || self.bearer_token_file.is_some();
        let aws = self.aws.is_some();
        if u8::from(basic) + u8::from(key) + u8::from(bearer) + u8::from(aws) != 1 {
            return Err(config(
                "index.auth takes exactly one of username with password, api_key, bearer_token, aws",
            ));
        }
        if aws && !cfg!(feature = "aws") {
            return Err(config(
                "index.auth.aws needs a program that can sign requests, and this one was built without it: build it with `cargo build --release --features aws`, or log in as a user of the domain",
            ));
        }
        if self.aws.as_ref().is_some_and(|a| a.region.as_deref() == Some("")) {
            return Err(config("index.auth.aws.region must not be empty"));
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
