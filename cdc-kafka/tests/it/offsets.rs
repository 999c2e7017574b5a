use cdc_core::offset::record;
use cdc_core::seam::{Lineage, OffsetStore, PipelineKey, StoredOffset};
use cdc_core::{Checkpoint, ErrorKind, Lsn, Position};
use cdc_kafka::{KafkaConfig, KafkaOffsetStore};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;

use crate::broker::{servers, unique};

fn key(pipeline: &str) -> PipelineKey {
    PipelineKey {
        pipeline: pipeline.into(),
        server: "srv".into(),
    }
}

fn offset(n: u64) -> StoredOffset {
    StoredOffset {
        lineage: Lineage {
            system_id: "7".into(),
            timeline: 1,
            database: "d".into(),
            slot: "s".into(),
            numbering: 0,
        },
        checkpoint: Checkpoint {
            position: Position {
                commit_lsn: Lsn(n),
                seq: n,
            },
            resume_lsn: Lsn(n + 8),
            ..Checkpoint::default()
        },
    }
}

fn config() -> KafkaConfig {
    let mut config = KafkaConfig::new(servers());
    config.offsets_topic = unique("offsets");
    config
}

#[tokio::test]
async fn the_last_offset_saved_is_loaded_by_the_next_process() {
    let config = config();
    let mut store = KafkaOffsetStore::open(&config, key("a")).await.unwrap();
    assert_eq!(store.load().await.unwrap(), None);
    for n in 1..=20 {
        store.save(&offset(n)).await.unwrap();
    }
    let mut other = KafkaOffsetStore::open(&config, key("b")).await.unwrap();
    assert_eq!(
        other.load().await.unwrap(),
        None,
        "pipelines do not see each other"
    );
    other.save(&offset(99)).await.unwrap();
    drop(store);
    let mut again = KafkaOffsetStore::open(&config, key("a")).await.unwrap();
    assert_eq!(again.load().await.unwrap(), Some(offset(20)));
    again.clear().await.unwrap();
    assert_eq!(again.load().await.unwrap(), None);
    assert_eq!(other.load().await.unwrap(), Some(offset(99)));
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_never_no_offset() {
    let config = config();
    let mut store = KafkaOffsetStore::open(&config, key("a")).await.unwrap();
    store.save(&offset(1)).await.unwrap();
    let mut bytes = record::encode(&key("a"), &offset(2));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .create()
        .unwrap();
    let text = record::key_text(&key("a"));
    producer
        .send(BaseRecord::to(&config.offsets_topic).key(&text).payload(&bytes))
        .unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    let error = store.load().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Offset);
    let text = error.chain();
    assert!(
        text.contains(&config.offsets_topic) && text.contains("checksum"),
        "{text}"
    );
}

#[tokio::test]
async fn a_topic_that_deletes_old_offsets_is_refused() {
    let config = config();
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .create()
        .unwrap();
    let topic =
        NewTopic::new(&config.offsets_topic, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "delete");
    admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
    // A broker knows the settings of a new topic some time after it was made.
    let known = async || {
        let topics = [ResourceSpecifier::Topic(&config.offsets_topic)];
        let told = admin
            .describe_configs(&topics, &AdminOptions::new())
            .await
            .unwrap();
        let settings = told.into_iter().next().and_then(Result::ok)?;
        settings.get("cleanup.policy")?.value.clone()
    };
    while known().await.as_deref() != Some("delete") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = KafkaOffsetStore::open(&config, key("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Offset);
    assert!(error.to_string().contains("cleanup.policy"), "{error}");
}
