//! A look at the cluster before anything is written, for `pgcdc doctor`.

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::config::IndexConfig;
use crate::delivery::refused;
use crate::json;
use crate::prepare::segment;
use crate::reply::BulkReply;
use crate::route::index_of;

/// What a cluster says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// `opensearch` or `elasticsearch`.
    pub distribution: String,
    /// Version, such as `2.19.1`; empty when the user may not see it.
    pub version: String,
    /// Name of the cluster; empty when the user may not see it.
    pub cluster: String,
    /// Whether the user may write to the index for a topic: an index of its own unless [`probe_topic`] named one.
    pub may_write: bool,
}

#[derive(Deserialize)]
struct Root {
    #[serde(default)]
    cluster_name: String,
    #[serde(default)]
    version: RootVersion,
}

#[derive(Deserialize, Default)]
struct RootVersion {
    #[serde(default)]
    number: String,
    distribution: Option<String>,
}

/// Connects, logs in, asks for the version, and finds out whether the user may write. Nothing is written.
///
/// # Errors
/// [`ErrorKind::SinkUnavailable`] when no host answers, [`ErrorKind::Auth`] when the credentials are refused,
/// [`ErrorKind::SinkRejected`] when what answers is no Elasticsearch and no OpenSearch, [`ErrorKind::Config`] and
/// [`ErrorKind::Tls`] for wrong options.
pub async fn probe(config: &IndexConfig) -> Result<ClusterInfo, Error> {
    probe_topic(config, "pgcdc-probe").await
}

/// As [`probe`], for the index of one topic: rights are often given by patterns of names.
///
/// # Errors
/// As [`probe`].
pub async fn probe_topic(config: &IndexConfig, topic: &str) -> Result<ClusterInfo, Error> {
    config.validate()?;
    let client = Client::new(config)?;
    let answer = client.send(Method::GET, "", None).await?;
    let root = match answer.status.as_u16() {
        200 => serde_json::from_slice::<Root>(&answer.body).map_err(|e| {
            Error::new(
                ErrorKind::SinkRejected,
                "what answers at index.urls is no Elasticsearch and no OpenSearch",
            )
            .with_source(e)
        })?,
        // A user who may only write is a good user.
        403 => Root {
            cluster_name: String::new(),
            version: RootVersion::default(),
        },
        _ => return Err(refused("the look at the cluster", &answer)),
    };
    let distribution = root
        .version
        .distribution
        .unwrap_or_else(|| "elasticsearch".into());
    Ok(ClusterInfo {
        distribution,
        version: root.version.number,
        cluster: root.cluster_name,
        may_write: may_write(&client, &target(config, topic)).await?,
    })
}

/// The configured ingest pipelines that are not there. What the user may not see counts as there.
///
/// # Errors
/// As [`probe`].
pub async fn missing_pipelines(config: &IndexConfig) -> Result<Vec<String>, Error> {
    config.validate()?;
    let overrides = config.overrides.iter().filter_map(|o| o.pipeline.as_ref());
    let mut names: Vec<&String> = config.pipeline.iter().chain(overrides).collect();
    names.sort();
    names.dedup();
    let client = Client::new(config)?;
    let mut missing = Vec::new();
    for name in names {
        let path = format!("_ingest/pipeline/{}", segment(name));
        let answer = client.send(Method::GET, &path, None).await?;
        match answer.status.as_u16() {
            200 | 403 => {}
            404 => missing.push(name.clone()),
            _ => return Err(refused(&format!("the look at pipeline {name}"), &answer)),
        }
    }
    Ok(missing)
}

/// The index to try: of resources that others have made, the first.
fn target(config: &IndexConfig, topic: &str) -> String {
    let resource = config
        .resources
        .as_ref()
        .and_then(|r| r.by_topic.values().next().cloned());
    resource
        .or_else(|| index_of(config, topic).ok())
        .unwrap_or_else(|| topic.to_owned())
}

/// A bulk request that deletes a document which does not exist, without a version, so that neither an index nor a trace of the
/// document comes to be.
pub(crate) fn nothing(index: &str) -> Bytes {
    let mut body = b"{\"delete\":{\"_index\":\"".to_vec();
    json::escape(index, &mut body);
    body.extend_from_slice(b"\",\"_id\":\"pgcdc-probe-of-rights\"}}\n");
    Bytes::from(body)
}

/// Sends such a request. The server checks the rights first.
async fn may_write(client: &Client, index: &str) -> Result<bool, Error> {
    let body = Some(("application/x-ndjson", nothing(index)));
    let answer = client.send(Method::POST, "_bulk", body).await?;
    if answer.status.as_u16() == 403 {
        return Ok(false);
    }
    if !answer.status.is_success() {
        return Err(refused("the probe of rights", &answer));
    }
    let reply: BulkReply<'_> = serde_json::from_slice(&answer.body).map_err(|e| {
        Error::new(ErrorKind::SinkRejected, "the server's bulk reply cannot be read").with_source(e)
    })?;
    Ok(reply.items.iter().all(|i| !matches!(i.update.status, 401 | 403)))
}
