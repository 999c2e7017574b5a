use std::collections::BTreeMap;
use std::time::Duration;

use cdc_core::seam::Sink;
use cdc_core::{Batch, ErrorKind, Remedy};
use cdc_kafka::{KafkaConfig, KafkaSink, SinkOptions, TopicsConfig};

use crate::broker::{OwnBroker, free_port, head, push, read, servers, topic, unique};

fn topics(json: &str) -> TopicsConfig {
    serde_json::from_str(json).unwrap()
}

async fn open(config: &KafkaConfig) -> KafkaSink {
    KafkaSink::open(config, SinkOptions::default()).await.unwrap()
}

#[tokio::test]
async fn records_arrive_as_they_were_written() {
    let name = unique("plain");
    let t = topic(&name);
    let mut config = KafkaConfig::new(servers());
    config.topics = topics(r#"{"partitions":3}"#);
    let mut sink = open(&config).await;
    let mut batch = Batch::default();
    push(&mut batch, &t, Some("k"), Some("v"));
    push(&mut batch, &t, Some("k"), None);
    push(&mut batch, &t, None, Some("no key"));
    push(&mut batch, &t, Some(""), Some(""));
    batch.buf().extend_from_slice(b"h");
    batch.mark_key();
    batch.header(b"name", Some(b"value"));
    batch.header(b"none", None);
    batch.header(b"empty", Some(b""));
    batch.buf().extend_from_slice(b"with headers");
    batch.mark_value();
    let mut placed = head(&t);
    (placed.partition, placed.timestamp_ms) = (Some(2), Some(1_700_000_000_123));
    batch.finish(&placed);
    sink.write(batch).await.unwrap();
    sink.flush().await.unwrap();
    assert_eq!(*sink.durable().borrow(), 1);
    let got = read(&servers(), &name, 5);
    assert_eq!(got.len(), 5);
    let find = |key: Option<&[u8]>| got.iter().filter(|r| r.key.as_deref() == key).collect::<Vec<_>>();
    let values: Vec<_> = find(Some(b"k")).iter().map(|r| r.value.clone()).collect();
    assert_eq!(values, [Some(b"v".to_vec()), None]);
    assert_eq!(find(None)[0].value.as_deref(), Some(&b"no key"[..]));
    assert_eq!(find(Some(b""))[0].value.as_deref(), Some(&b""[..]));
    let last = find(Some(b"h"))[0];
    assert_eq!((last.partition, last.timestamp), (2, Some(1_700_000_000_123)));
    assert_eq!(
        last.headers,
        [
            ("name".to_owned(), Some(b"value".to_vec())),
            ("none".to_owned(), None),
            ("empty".to_owned(), Some(b"".to_vec()))
        ]
    );
    sink.close().await.unwrap();
}

#[tokio::test]
async fn keys_go_where_the_java_client_puts_them() {
    // Partitions by the Java client's murmur2 for 10 partitions.
    let name = unique("murmur");
    let mut config = KafkaConfig::new(servers());
    config.topics = topics(r#"{"partitions":10}"#);
    let mut sink = open(&config).await;
    let mut batch = Batch::default();
    let t = topic(&name);
    let keys = [
        "21",
        "foobar",
        "a-little-bit-long-string",
        "a-little-bit-longer-string",
        "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
    ];
    for key in keys {
        push(&mut batch, &t, Some(key), Some("x"));
    }
    sink.write(batch).await.unwrap();
    sink.flush().await.unwrap();
    for record in read(&servers(), &name, keys.len()) {
        let key = record.key.unwrap();
        assert_eq!(
            record.partition,
            i32::try_from(murmur2(&key) & 0x7fff_ffff).unwrap() % 10
        );
    }
}

/// Kafka's hash of keys, as its protocol guide describes it: MurmurHash2 with this seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ u32::try_from(data.len()).unwrap();
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    for (i, byte) in rest.iter().enumerate().rev() {
        h ^= u32::from(*byte) << (8 * i);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

#[tokio::test]
async fn topics_are_created_with_the_settings_of_their_group() {
    let (a, b) = (unique("group-a"), unique("group-b"));
    let mut config = KafkaConfig::new(servers());
    config.topics = topics(
        r#"{"partitions":2,"groups":[{"include":["group-a.*"],"partitions":4,"config":{"cleanup.policy":"compact"}}]}"#,
    );
    let mut sink = open(&config).await;
    let mut batch = Batch::default();
    push(&mut batch, &topic(&a), Some("k"), Some("1"));
    push(&mut batch, &topic(&b), Some("k"), Some("2"));
    sink.write(batch).await.unwrap();
    sink.flush().await.unwrap();
    let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
        rdkafka::ClientConfig::new()
            .set("bootstrap.servers", servers())
            .create()
            .unwrap();
    for (name, partitions, policy) in [(&a, 4, "compact"), (&b, 2, "delete")] {
        let metadata = admin
            .inner()
            .fetch_metadata(Some(name), Duration::from_secs(10))
            .unwrap();
        assert_eq!(metadata.topics()[0].partitions().len(), partitions);
        let specifier = rdkafka::admin::ResourceSpecifier::Topic(name);
        let settings = admin
            .describe_configs(&[specifier], &Default::default())
            .await
            .unwrap();
        let found = settings[0]
            .as_ref()
            .unwrap()
            .get("cleanup.policy")
            .unwrap()
            .value
            .clone();
        assert_eq!(found.as_deref(), Some(policy));
    }
}

#[tokio::test]
async fn a_missing_topic_is_an_error_if_topics_are_not_created() {
    let name = unique("missing");
    let mut config = KafkaConfig::new(servers());
    config.topics.auto_create = false;
    let mut sink = open(&config).await;
    let mut batch = Batch::default();
    push(&mut batch, &topic(&name), Some("k"), Some("v"));
    sink.write(batch).await.unwrap();
    let error = sink.flush().await.unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    assert!(
        matches!(error.remedy(), Remedy::Operator(hint) if hint.contains("auto_create")),
        "{error}"
    );
    assert!(
        sink.write(Batch::default()).await.is_err(),
        "a failed sink stays failed"
    );
}

#[tokio::test]
async fn a_record_that_is_too_large_is_named() {
    let name = unique("large");
    let mut sink = open(&KafkaConfig::new(servers())).await;
    let mut batch = Batch::default();
    push(&mut batch, &topic(&name), Some("k"), Some(&"x".repeat(2_000_000)));
    sink.write(batch).await.unwrap();
    let error = sink.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SinkRejected);
    assert!(
        error.to_string().contains(&name) && error.to_string().contains("2000001 bytes"),
        "{error}"
    );
    // Larger than the broker's limit only.
    let mut sink = open(
        &KafkaConfig::new(servers())
            .with_property("max.request.size", "8000000")
            .with_property("compression.type", "none"),
    )
    .await;
    let mut batch = Batch::default();
    push(&mut batch, &topic(&name), Some("k"), Some(&"x".repeat(2_000_000)));
    sink.write(batch).await.unwrap();
    let error = sink.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SinkRejected);
    assert!(
        error.to_string().contains(&name) && error.to_string().contains("2000001 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn a_compacted_topic_refuses_a_record_without_a_key() {
    let name = unique("keyless");
    let mut config = KafkaConfig::new(servers());
    config.topics = topics(r#"{"config":{"cleanup.policy":"compact"}}"#);
    let mut sink = open(&config).await;
    let mut batch = Batch::default();
    push(&mut batch, &topic(&name), None, Some("v"));
    sink.write(batch).await.unwrap();
    let error = sink.flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SinkRejected, "{error:?}");
    assert!(error.to_string().contains(&name), "{error}");
    assert!(
        matches!(error.remedy(), Remedy::Operator(hint) if hint.contains("key")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_broker_that_is_down_is_one_clear_sentence_and_is_tried_again() {
    let servers = format!("127.0.0.1:{}", free_port());
    let error = KafkaSink::open(&KafkaConfig::new(&servers), SinkOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.remedy(), Remedy::RetryLater, "{error:?}");
    assert!(error.to_string().contains(&servers), "{error}");
    assert!(error.chain().contains("refused"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_buffer_holds_the_writer_back_and_loses_nothing() {
    let name = unique("pressure");
    let t = topic(&name);
    let options = SinkOptions {
        buffer_bytes: 64 << 10,
    };
    let mut config = KafkaConfig::new(servers());
    config.topics = topics(r#"{"partitions":2}"#);
    let mut sink = KafkaSink::open(&config, options).await.unwrap();
    let (batches, each) = (100_u32, 200_u32);
    let mut spare = None;
    for b in 0..batches {
        let mut batch = spare.take().unwrap_or_default();
        for i in 0..each {
            push(
                &mut batch,
                &t,
                Some(&format!("{}", i % 7)),
                Some(&format!("{:08}{}", b * each + i, "x".repeat(300))),
            );
        }
        spare = sink.write(batch).await.unwrap();
    }
    assert!(
        spare.is_some_and(|b| b.is_empty() && b.bytes_len() == 0),
        "emptied batches come back"
    );
    sink.flush().await.unwrap();
    assert_eq!(*sink.durable().borrow(), u64::from(batches));
    in_order(
        &read(&servers(), &name, (batches * each) as usize),
        batches * each,
        true,
    );
}

/// Checks that every number arrived, and that no key's numbers go back; exactly once if so asked.
fn in_order(records: &[crate::broker::Read], count: u32, once: bool) {
    let mut last: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut seen = vec![0_u32; count as usize];
    for record in records {
        let value = record.value.as_deref().unwrap();
        let number: u32 = std::str::from_utf8(&value[..8]).unwrap().parse().unwrap();
        let key = record.key.clone().unwrap();
        if let Some(before) = last.insert(key, number) {
            assert!(before < number, "{number} after {before}");
        }
        seen[number as usize] += 1;
    }
    assert_eq!(seen.iter().position(|n| *n == 0), None, "lost");
    if once {
        assert_eq!(seen.iter().position(|n| *n > 1), None, "twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_crashes_and_comes_back_loses_and_reorders_nothing() {
    let broker = OwnBroker::start(&[]);
    let name = unique("restart");
    let t = topic(&name);
    let mut config = KafkaConfig::new(&broker.servers);
    config.topics = topics(r#"{"partitions":2}"#);
    let mut sink = open(&config).await;
    let (batches, each) = (400_u32, 50_u32);
    let durable = sink.durable();
    let (killed, mut kill) = tokio::sync::oneshot::channel();
    std::thread::scope(|scope| {
        let handle = tokio::runtime::Handle::current();
        let sink = &mut sink;
        let writer = scope.spawn(move || {
            handle.block_on(async {
                for b in 0..batches {
                    let mut batch = Batch::default();
                    for i in 0..each {
                        push(
                            &mut batch,
                            &t,
                            Some(&format!("{}", i % 7)),
                            Some(&format!("{:08}", b * each + i)),
                        );
                    }
                    sink.write(batch).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    if b == batches / 2 {
                        (&mut kill).await.unwrap();
                    }
                }
                sink.flush().await.unwrap();
            });
        });
        while *durable.borrow() < u64::from(batches) / 4 {
            assert!(!writer.is_finished());
            std::thread::sleep(Duration::from_millis(10));
        }
        broker.kill();
        killed.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        broker.restart();
        writer.join().unwrap();
    });
    assert_eq!(*sink.durable().borrow(), u64::from(batches));
    in_order(
        &read(&broker.servers, &name, (batches * each) as usize),
        batches * each,
        true,
    );
    sink.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_stops() {
    let broker = OwnBroker::start(&[
        "listeners=PLAINTEXT://127.0.0.1:{PORT},CONTROLLER://127.0.0.1:{CONTROL},SASL_PLAINTEXT://127.0.0.1:{NEXT}",
        "advertised.listeners=PLAINTEXT://localhost:{PORT},SASL_PLAINTEXT://localhost:{NEXT}",
        "sasl.enabled.mechanisms=PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\";",
    ]);
    let port: u16 = broker.servers.rsplit(':').next().unwrap().parse().unwrap();
    let config = |password: &str| {
        KafkaConfig::new(format!("localhost:{}", port + 1))
            .with_property("security.protocol", "SASL_PLAINTEXT")
            .with_property("sasl.mechanism", "PLAIN")
            .with_property(
                "sasl.jaas.config",
                format!("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"{password}\";"),
            )
    };
    let error = KafkaSink::open(&config("wr0ng"), SinkOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    assert!(!error.chain().contains("wr0ng"));
    let name = unique("sasl");
    let mut sink = open(&config("secret")).await;
    let mut batch = Batch::default();
    push(&mut batch, &topic(&name), Some("k"), Some("v"));
    sink.write(batch).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(read(&broker.servers, &name, 1).len(), 1);
}
