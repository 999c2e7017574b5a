//! What a run would ask of the cluster before the first document, for `pgcdc index plan`. Nothing is changed.

use cdc_core::Error;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::config::{DocumentFrom, IndexConfig, JsonMapping};
use crate::connect_schema::Schema;
use crate::delivery::refused;
use crate::infer::{self, Flavor};
use crate::prepare::{creates, creation, known_fields, segment, template};
use crate::route::route_of;

/// A request that would be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRequest {
    /// Method.
    pub method: &'static str,
    /// Path.
    pub path: String,
    /// Body, if there is one.
    pub body: Option<Value>,
}

/// What a topic needs.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicPlan {
    /// The topic.
    pub topic: String,
    /// Its index, alias or data stream.
    pub index: String,
    /// Whether that is there already.
    pub exists: bool,
    /// Requests in order; empty when all is there.
    pub requests: Vec<PlannedRequest>,
    /// Fields that are mapped in a way that cannot hold the column's values, each as a sentence.
    pub conflicts: Vec<String>,
}

/// Looks at the cluster and says what a run would do for each topic; a schema is what the topic's values come with, without
/// the envelope's being taken off.
///
/// # Errors
/// When the cluster does not answer or refuses, and for options that are wrong.
pub async fn plan(
    config: &IndexConfig,
    topics: &[(String, Option<Vec<u8>>)],
) -> Result<Vec<TopicPlan>, Error> {
    config.validate()?;
    let client = Client::new(config)?;
    let flavor = flavor(&client, config).await?;
    let mut plans = Vec::with_capacity(topics.len());
    for (i, (topic, schema)) in topics.iter().enumerate() {
        let mut plan = one(&client, config, flavor, topic, schema.as_deref()).await?;
        if let (0, Some((path, body))) = (i, template(config)) {
            plan.requests.insert(
                0,
                PlannedRequest {
                    method: "PUT",
                    path,
                    body: Some(body),
                },
            );
        }
        plans.push(plan);
    }
    Ok(plans)
}

async fn flavor(client: &Client, config: &IndexConfig) -> Result<Flavor, Error> {
    if config.mapping.json != JsonMapping::Flattened {
        return Ok(Flavor::Elasticsearch);
    }
    let answer = client.send(Method::GET, "", None).await?;
    let open = memchr::memmem::find(&answer.body, b"\"opensearch\"").is_some();
    Ok(if open {
        Flavor::OpenSearch
    } else {
        Flavor::Elasticsearch
    })
}

async fn one(
    client: &Client,
    config: &IndexConfig,
    flavor: Flavor,
    topic: &str,
    schema: Option<&[u8]>,
) -> Result<TopicPlan, Error> {
    let route = route_of(config, topic)?;
    let index = route.index.clone();
    let name = segment(&index);
    let path = format!("{name}/_mapping");
    let answer = client.send(Method::GET, &path, None).await?;
    let have = match answer.status.as_u16() {
        200 => Some(known_fields(&answer)?),
        404 => None,
        _ => return Err(refused(&format!("the look at the mapping of {index}"), &answer)),
    };
    let mut plan = TopicPlan {
        topic: topic.to_owned(),
        index,
        exists: have.is_some(),
        requests: Vec::new(),
        conflicts: Vec::new(),
    };
    if have.is_none() && creates(config, &route) {
        let (path, body) = match config.data_stream {
            Some(_) => (format!("_data_stream/{name}"), None),
            None => (name, Some(creation(config, topic))),
        };
        plan.requests.push(PlannedRequest {
            method: "PUT",
            path,
            body,
        });
    }
    let Some(schema) = schema.filter(|_| route.infer).and_then(Schema::parse) else {
        return Ok(plan);
    };
    let row = if config.document == DocumentFrom::Row {
        schema.row()
    } else {
        &schema
    };
    let want = infer::properties(row, &config.mapping, flavor);
    let explicit = || {
        config
            .mappings
            .as_ref()
            .and_then(|m| m.get("properties")?.as_object().cloned())
    };
    let have: Map<String, Value> = have.unwrap_or_else(|| explicit().unwrap_or_default());
    let mut conflicts = Vec::new();
    let add = infer::missing(&want, &have, "", &mut conflicts);
    let sentence = |c: &infer::Conflict| {
        format!(
            "field {} is mapped as {}, and the column needs {}",
            c.field, c.have, c.want
        )
    };
    plan.conflicts = conflicts.iter().map(sentence).collect();
    if !add.is_empty() && (config.mapping.update || have.is_empty() || !plan.exists) {
        plan.requests.push(PlannedRequest {
            method: "PUT",
            path,
            body: Some(json!({ "properties": add })),
        });
    }
    Ok(plan)
}
