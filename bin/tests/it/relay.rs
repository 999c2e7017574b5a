//! The index stage at its limits: an index that takes nothing, keys that are no JSON, values that were not sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cdc_core::envelope::Reshape;
use cdc_kafka::{GroupWatch, KafkaConfig, SourceConfig};
use pgcdc::run::fence::Fence;
use pgcdc::run::relay::Relay;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;
use crate::search;

fn produce(runtime: &tokio::runtime::Runtime, config: &KafkaConfig, topic: &str, records: &[(&str, Value)]) {
    let texts: Vec<_> = records
        .iter()
        .map(|(key, value)| (*key, value.to_string()))
        .collect();
    let records: Vec<_> = texts
        .iter()
        .map(|(key, value)| (Some(*key), Some(value.as_str())))
        .collect();
    runtime.block_on(search::produce(config, topic, &records, &[]));
}

/// A server that takes the first bulk request and then answers none.
fn stuck() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut stream: TcpStream = stream;
            let mut got = Vec::new();
            let mut part = [0; 65536];
            while let Ok(n @ 1..) = stream.read(&mut part) {
                got.extend_from_slice(&part[..n]);
                let text = String::from_utf8_lossy(&got);
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head
                    .lines()
                    .find_map(|l| {
                        l.to_lowercase()
                            .strip_prefix("content-length:")?
                            .trim()
                            .parse()
                            .ok()
                    })
                    .unwrap_or(0);
                if body.len() >= length {
                    break;
                }
            }
            let text = String::from_utf8_lossy(&got).into_owned();
            let items = text.matches("\"index\":{").count();
            if seen.fetch_add(1, Ordering::SeqCst) == 0 {
                let body =
                    json!({ "errors": false, "items": vec![json!({ "index": { "status": 201 } }); items] });
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(body.as_bytes()).unwrap();
            } else {
                held.push(stream);
            }
        }
    });
    (url, requests)
}

#[test]
fn a_stop_while_the_index_takes_nothing_is_clean_and_keeps_what_was_indexed() {
    let bench = Bench::new("relay_stop");
    let topic = search::unique("relay-stop");
    let kafka: KafkaConfig = serde_json::from_value(json!({ "bootstrap_servers": search::kafka() })).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let row = |n: u64| {
        (
            "{\"id\":1}",
            json!({ "id": 1, "n": n, "pad": "x".repeat(100_000) }),
        )
    };
    produce(&runtime, &kafka, &topic, &[row(1)]);
    let (url, requests) = stuck();
    let run = bench.run(&format!(
        "name: {topic}\nkafka: {{bootstrap_servers: '{}'}}\nconsume: {{topics: [{topic}], group_id: {topic}, batch_bytes: 50000}}\nlog: {{format: text}}\n\
         index: {{urls: ['{url}'], versions: kafka_offset, bulk: {{max_in_flight: 1, linger_ms: 0, max_buffered_bytes: 100000}}}}\n",
        search::kafka()
    ));
    bench.until("the first document", |_| requests.load(Ordering::SeqCst) == 1);
    std::thread::sleep(Duration::from_millis(300));
    produce(&runtime, &kafka, &topic, &[row(2), row(3), row(4), row(5)]);
    bench.until("a request that hangs", |_| requests.load(Ordering::SeqCst) == 2);
    std::thread::sleep(Duration::from_millis(500));
    // Ends with status 0, although the index has not taken the rest.
    run.stop();
    let watch = GroupWatch::new(&kafka, &SourceConfig::new(vec![topic.clone()]), &topic).unwrap();
    let open = runtime.block_on(async { watch.open(vec![(topic.clone(), 0, 1)]).await.unwrap() });
    assert_eq!(open, [], "the first record is committed\n{}", bench.log());
    let all = runtime.block_on(async { watch.open(vec![(topic.clone(), 0, 2)]).await.unwrap() });
    assert_eq!(all.len(), 1, "the second is not");
}

#[test]
fn a_stop_waits_for_the_end_of_a_transaction_where_others_write_too() {
    const ROWS: usize = 3000;
    let topic = search::unique("relay-whole");
    let kafka: KafkaConfig = serde_json::from_value(json!({ "bootstrap_servers": search::kafka() })).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let row = |id: usize, commit: u64| {
        let source = json!({ "name": "s", "sequence": format!("[\"{commit}\",\"{id}\"]"), "lsn": id });
        let value = json!({ "op": "c", "after": { "id": id }, "source": source });
        (format!("{{\"id\":{id}}}"), value)
    };
    let rows: Vec<_> = (1..=ROWS).map(|id| row(id, 800)).collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    produce(&runtime, &kafka, &topic, &rows);
    let topics = SourceConfig {
        batch_bytes: 1,
        ..SourceConfig::new(vec![topic.clone()])
    };
    let relay = |index: &str| Relay {
        name: topic.clone(),
        kafka: kafka.clone(),
        topics: topics.clone(),
        group: index.to_owned(),
        index: serde_json::from_value(json!({ "urls": [search::url()], "name": index })).unwrap(),
        reshape: Reshape::default(),
        status: Arc::default(),
        fence: Fence::default(),
        whole_transactions: Some(GroupWatch::new(&kafka, &topics, index).unwrap()),
    };
    let indexed = || {
        let index = search::unique("relay-whole-index");
        let (relay, stop) = (relay(&index), CancellationToken::new());
        runtime.block_on(async {
            let stops = async {
                while relay.status.describe()["records"] == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                stop.cancel();
            };
            let (ended, ()) = tokio::join!(relay.run(stop.clone()), stops);
            ended.unwrap();
        });
        let documents = search::documents(&index).len();
        search::call("DELETE", &index, None);
        documents
    };
    // The end of the topic, at which nobody can be further.
    assert_eq!(indexed(), ROWS);
    // The beginning of another transaction, which is left to the others.
    let (key, value) = row(ROWS + 1, 808);
    produce(&runtime, &kafka, &topic, &[(&key, value)]);
    assert_eq!(indexed(), ROWS);
}

#[test]
fn keys_that_are_no_json_pass_transforms() {
    let bench = Bench::new("relay_keys");
    let topic = search::unique("relay-keys");
    let kafka: KafkaConfig = serde_json::from_value(json!({ "bootstrap_servers": search::kafka() })).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    produce(
        &runtime,
        &kafka,
        &topic,
        &[("plain key", json!({ "n": "1" })), ("17", json!({ "n": "2" }))],
    );
    for (more, ids) in [
        ("", vec!["17".to_owned(), "plain key".to_owned()]),
        (
            ", id_from: coordinates",
            vec![format!("{topic}+0+0"), format!("{topic}+0+1")],
        ),
    ] {
        let index = search::unique("relay-keys-index");
        let run = bench.run(&format!(
            "name: {index}\nkafka: {{bootstrap_servers: '{}'}}\nconsume: {{topics: [{topic}]}}\nlog: {{format: text}}\n\
             transforms: [{{cast: {{spec: ['n:int32']}}}}]\n\
             index: {{urls: ['{}'], name: {index}, versions: kafka_offset{more}}}\n",
            search::kafka(),
            search::url()
        ));
        bench.until("both documents", |_| search::documents(&index).len() == 2);
        let documents = search::documents(&index);
        assert_eq!(documents.keys().cloned().collect::<Vec<_>>(), ids);
        assert!(documents.values().all(|d| d["n"].is_i64()), "{documents:?}");
        run.stop();
        search::call("DELETE", &index, None);
    }
}

#[test]
fn a_large_value_that_an_update_does_not_touch_stays_on_both_routes() {
    for through_kafka in [false, true] {
        let bench = Bench::new(if through_kafka {
            "relay_toast_kafka"
        } else {
            "relay_toast"
        });
        let (name, prefix) = (
            bench.sql("SELECT current_database()").unwrap(),
            search::unique("relay-toast"),
        );
        bench.sql("ALTER TABLE t ALTER v SET STORAGE EXTERNAL; ALTER TABLE t ADD n int; INSERT INTO t VALUES (1, repeat('x', 9000), 0)");
        let kafka = format!("kafka: {{bootstrap_servers: '{}'}}\n", search::kafka());
        let config = format!(
            "name: {prefix}\nsource: {{url: '{}', slot: {{name: {name}}}}}\nformat: {{topic_prefix: {prefix}}}\n\
             log: {{format: text}}\noffsets: {{type: file, path: '{}/offsets'}}\nindex: {{urls: ['{}']}}\n{}",
            bench.url(),
            bench.dir.path().display(),
            search::url(),
            if through_kafka { kafka.as_str() } else { "" }
        );
        let index = format!("{prefix}.public.t");
        let run = bench.run(&config);
        bench.until("the snapshot", |_| search::documents(&index).len() == 1);
        // Several changes in one request, and one by itself after a start.
        bench.sql("UPDATE t SET n = 1; UPDATE t SET n = 2; INSERT INTO t VALUES (2, repeat('y', 9000), 0); UPDATE t SET n = 3");
        bench.until("both rows", |_| search::documents(&index).len() == 2);
        run.stop();
        bench.sql("UPDATE t SET n = 4");
        let run = bench.run(&config);
        let row = |id: u64, v: &str| json!({ "id": id, "v": v.repeat(9000), "n": 4 });
        bench.until("the last change", |_| {
            let all = search::documents(&index);
            all.values().all(|d| d["n"] == 4)
        });
        assert_eq!(
            search::documents(&index).into_values().collect::<Vec<_>>(),
            [row(1, "x"), row(2, "y")]
        );
        run.stop();
        search::call("DELETE", &index, None);
    }
}
