//! What `pgcdc doctor` asks a cluster.

use cdc_core::Error;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::client::{self, Quiet};
use crate::config::{KafkaConfig, Role};
use crate::error;
use crate::offsets::blocking;
use crate::topics::{self, ASK, TopicSettings};
use std::sync::Arc;

/// What a cluster says about itself and this user.
#[derive(Debug)]
pub struct BrokerInfo {
    /// Id of the cluster.
    pub cluster_id: String,
    /// Brokers as they name themselves, `host:port`.
    pub brokers: Vec<String>,
    /// Number of topics that this user may see.
    pub topics: usize,
    /// Whether the topic of offsets exists.
    pub offsets_topic_exists: bool,
    /// Why a new topic could not be created with the configured settings; none if it could. Nothing is created.
    pub cannot_create_topics: Option<Error>,
    /// Version of librdkafka.
    pub client_version: String,
}

/// Asks the cluster.
///
/// # Errors
/// As [`KafkaSink::open`](crate::KafkaSink::open).
pub async fn probe(config: &KafkaConfig) -> Result<BrokerInfo, Error> {
    let config = config.clone();
    blocking(move || ask(&config)).await
}

fn ask(config: &KafkaConfig) -> Result<BrokerInfo, Error> {
    config.validate()?;
    let admin: ClientConfig = config.client(Role::Admin)?;
    let context = Quiet::new();
    let reports = Arc::clone(&context.reports);
    let client: BaseConsumer<Quiet> = admin
        .create_with_context(context)
        .map_err(|e| error::from_kafka(&e, "the kafka client cannot be set up"))?;
    let cluster_id = client::reach(client.client(), &reports, &config.bootstrap_servers, || {
        // Only brings errors to the reports.
        drop(client.poll(std::time::Duration::ZERO));
    })?;
    let metadata = client
        .fetch_metadata(None, ASK)
        .map_err(|e| error::from_kafka(&e, "the brokers of kafka cannot be listed"))?;
    let settings = TopicSettings::compile(&config.topics)?;
    // A name that nothing else has: a topic that exists would be refused for that.
    let trial = format!("pgcdc-probe-{}", std::process::id());
    Ok(BrokerInfo {
        cluster_id,
        brokers: metadata
            .brokers()
            .iter()
            .map(|b| format!("{}:{}", b.host(), b.port()))
            .collect(),
        topics: metadata.topics().len(),
        offsets_topic_exists: metadata.topics().iter().any(|t| t.name() == config.offsets_topic),
        cannot_create_topics: topics::try_create(&admin, &trial, settings.of(&trial)).err(),
        client_version: rdkafka::util::get_rdkafka_version().1,
    })
}
