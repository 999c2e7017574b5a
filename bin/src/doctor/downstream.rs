//! Kafka and the index.

use cdc_kafka::KafkaConfig;
use sink_es::IndexConfig;

use super::advice;
use super::report::Report;

pub(super) async fn kafka(config: &KafkaConfig, report: &mut Report) {
    match cdc_kafka::probe(config).await {
        Ok(info) => {
            let text = format!(
                "{} brokers, {} topics, cluster {}",
                info.brokers.len(),
                info.topics,
                info.cluster_id
            );
            match info.cannot_create_topics {
                None => report.ok("kafka", text),
                Some(error) => {
                    let text = format!("{text}; topics cannot be created: {}", error.chain());
                    report.warn(
                        "kafka",
                        text,
                        "create the topics beforehand, or grant Create on the cluster",
                    );
                }
            }
        }
        Err(error) => report.fail("kafka", error.chain(), advice(&error)),
    }
}

pub(super) async fn index(config: &IndexConfig, report: &mut Report) {
    match sink_es::probe(config).await {
        Ok(info) => {
            let text = format!("{} {}, cluster {}", info.distribution, info.version, info.cluster);
            if info.may_write {
                report.ok("index", text);
            } else {
                report.fail(
                    "index",
                    format!("{text}: the user may not write"),
                    Some("grant write and create_index".into()),
                );
            }
        }
        Err(error) => return report.fail("index", error.chain(), advice(&error)),
    }
    match sink_es::missing_pipelines(config).await {
        Ok(missing) => {
            for name in missing {
                report.fail(
                    "index",
                    format!("there is no ingest pipeline {name}"),
                    Some("create it, or correct index.pipeline".into()),
                );
            }
        }
        Err(error) => report.fail("index", error.chain(), advice(&error)),
    }
}
