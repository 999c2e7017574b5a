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

/// `topic` is one whose index will be written to: rights are often given by patterns of names.
pub(super) async fn index(config: &IndexConfig, topic: Option<&str>, report: &mut Report) {
    let probed = match topic {
        Some(topic) => sink_es::probe_topic(config, topic).await,
        None => sink_es::probe(config).await,
    };
    match probed {
        Ok(info) => {
            let text = format!("{} {}, cluster {}", info.distribution, info.version, info.cluster);
            if info.may_write {
                report.ok("index", text);
            } else {
                let index = topic.map_or_else(String::new, |t| format!(" the index of topic {t}"));
                report.fail(
                    "index",
                    format!("{text}: the user may not write{index}"),
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
