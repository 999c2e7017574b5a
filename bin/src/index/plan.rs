//! The requests that a run would send before its first documents.

use std::time::Duration;

use cdc_core::wire::{Purpose, Session};
use cdc_core::{Error, ErrorKind};
use cdc_kafka::{GroupWatch, KafkaSource, SourceConfig};

use super::tables::captured;
use crate::config::Validated;
use crate::run::unique;

/// A topic and the schema of its values, if that is known.
type Topic = (String, Option<Vec<u8>>);

/// Longest wait for a first record of each topic.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints them.
///
/// # Errors
/// When the source, Kafka or the cluster cannot be asked.
pub async fn print(config: &Validated) -> anyhow::Result<()> {
    let Some(index) = &config.index else { return Ok(()) };
    let topics = match &config.source {
        Some(_) => of_tables(config).await?,
        None => of_topics(config).await?,
    };
    if topics.is_empty() {
        println!("# no topic has records yet");
    }
    for plan in sink_es::plan(index, &topics).await? {
        let there = if plan.exists {
            "is there"
        } else {
            "is not there yet"
        };
        println!("# topic {} to {}, which {there}", plan.topic, plan.index);
        for conflict in &plan.conflicts {
            println!("# conflict: {conflict}");
        }
        if plan.requests.is_empty() {
            println!("# nothing to do");
        }
        for request in &plan.requests {
            println!("{} {}", request.method, request.path);
            if let Some(body) = &request.body {
                println!("{}", serde_json::to_string_pretty(body)?);
            }
        }
        println!();
    }
    Ok(())
}

/// The captured tables' topics with their schemas, as the encoder would write them.
async fn of_tables(config: &Validated) -> Result<Vec<Topic>, Error> {
    let Some(source) = &config.source else {
        return Ok(Vec::new());
    };
    let mut sql = Session::connect(&source.connect, Purpose::Sql, "pgcdc index plan").await?;
    let tables = captured(config, source.connect.database(), &mut sql).await?;
    Ok(tables
        .into_iter()
        .map(|t| (t.topic, Some(t.value_schema)))
        .collect())
}

/// The topics in Kafka with the schema of one of their records each.
async fn of_topics(config: &Validated) -> Result<Vec<Topic>, Error> {
    let missing = || {
        Error::new(
            ErrorKind::Config,
            "the topics to index are not known: add `kafka` and `consume`",
        )
    };
    let (kafka, consume) = (
        config.kafka.as_ref().ok_or_else(missing)?,
        config.consume.as_ref().ok_or_else(missing)?,
    );
    // A group of its own, which commits nothing.
    let group = unique(&format!("pgcdc-plan-{}", config.name));
    let consume = SourceConfig {
        group_id: Some(group.clone()),
        ..consume.clone()
    };
    let ends = GroupWatch::new(kafka, &consume, &group)?.ends().await?;
    let mut waiting: Vec<String> = ends.into_iter().map(|(topic, ..)| topic).collect();
    waiting.dedup();
    let mut topics: Vec<Topic> = Vec::new();
    let mut source = KafkaSource::open(kafka, &consume, &group).await?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !waiting.is_empty() {
        let Ok(next) = tokio::time::timeout_at(deadline, source.next()).await else {
            break;
        };
        for record in next?.batch.records() {
            let name = &record.head.topic.name;
            let (Some(value), Some(at)) = (record.value, waiting.iter().position(|t| t == name)) else {
                continue;
            };
            topics.push((waiting.swap_remove(at), sink_es::schema_of(value)));
        }
    }
    source.close().await;
    topics.extend(waiting.into_iter().map(|topic| (topic, None)));
    topics.sort();
    Ok(topics)
}
