//! Rows become documents, and repeats change nothing.

use reqwest::Method;
use serde_json::json;
use sink_es::probe;

use crate::events::{Events, envelope, index, key};
use crate::node::Node;

#[tokio::test]
async fn insert_update_delete_and_tombstone() {
    let node = Node::new("basic");
    let mut e = Events::new(&node.topic);
    for id in 1..=4 {
        e.put(80, id, &json!({ "id": id, "v": "new" }));
    }
    let first = e.take();
    e.put(160, 1, &json!({ "id": 1, "v": "changed" }));
    e.delete(160, 2).record(160, Some(&key(2)), None);
    e.record(160, Some(&key(3)), None);
    let second = e.take();
    index(&node.config(&json!({})), [first, second]).await.unwrap();
    assert_eq!(
        node.get("1").await,
        Some((json!({ "id": 1, "v": "changed" }), 20))
    );
    assert_eq!(node.get("2").await, None);
    assert_eq!(node.get("3").await, None);
    assert_eq!(node.get("4").await, Some((json!({ "id": 4, "v": "new" }), 10)));
    node.remove().await;
}

#[tokio::test]
async fn a_replay_neither_resurrects_nor_rolls_back() {
    let node = Node::new("replay");
    let config = node.config(&json!({ "gzip": true }));
    let history = || {
        let mut e = Events::new(&node.topic);
        let big = "x".repeat(5000);
        e.put(80, 1, &json!({ "v": 1, "big": big }))
            .put(80, 2, &json!({ "v": 1 }));
        let first = e.take();
        e.put(160, 1, &json!({ "v": 2 }))
            .delete(160, 2)
            .record(160, Some(&key(2)), None);
        [first, e.take()]
    };
    index(&config, history()).await.unwrap();
    let [first, second] = history();
    // Only the beginning comes again: nothing may change.
    index(&config, [first]).await.unwrap();
    assert_eq!(node.get("1").await, Some((json!({ "v": 2 }), 20)));
    assert_eq!(node.get("2").await, None);
    index(&config, [second]).await.unwrap();
    assert_eq!(node.get("1").await, Some((json!({ "v": 2 }), 20)));
    assert_eq!(node.get("2").await, None);
    node.remove().await;
}

#[tokio::test]
async fn consumed_records_have_versions_from_their_bytes() {
    let node = Node::new("consumed");
    let mut e = Events::new(&node.topic);
    let wrapped =
        |payload: &str| format!(r#"{{"schema":{{"type":"struct","optional":false}},"payload":{payload}}}"#);
    let (c, d) = (
        envelope("c", 800, r#"{"a":1.50,"s":"é"}"#),
        envelope("d", 1600, "null"),
    );
    e.consumed(5, Some(&wrapped(r#"{"a":1,"b":"x|y"}"#)), Some(&wrapped(&c)));
    e.consumed(6, Some(&key(7)), Some(&c))
        .consumed(7, Some(&key(8)), Some(&c));
    e.consumed(8, Some(&key(7)), Some(&d))
        .consumed(9, Some(&key(7)), None);
    // Compaction may take a delete event and leave its tombstone.
    e.consumed(10, Some(&key(8)), None);
    e.consumed(11, None, Some(&c))
        .consumed(12, Some("null"), Some(r#"{"flat":true,"source":{"lsn":8}}"#));
    e.consumed(13, Some(r#"{"serverName":"s"}"#), Some(r#"{"ts_ms":1}"#));
    e.consumed(14, Some("{}"), Some(&envelope("t", 8, "null")));
    index(&node.config(&json!({})), [e.take()]).await.unwrap();
    let all = node.all().await;
    let topic = &node.topic;
    let mut ids = [
        "1|x\\|y".to_owned(),
        format!("{topic}+0+11"),
        format!("{topic}+0+12"),
    ];
    ids.sort();
    assert_eq!(all.keys().collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert_eq!(all["1|x\\|y"], json!({ "a": 1.5, "s": "é" }));
    node.remove().await;
}

#[tokio::test]
async fn offsets_and_no_versions_are_other_choices() {
    let node = Node::new("offsets");
    let records = |value: &str| {
        let mut e = Events::new(&node.topic);
        e.consumed(7, Some(&key(1)), Some(value));
        e.take()
    };
    let offsets = node.config(&json!({ "versions": "kafka_offset" }));
    index(&offsets, [records(r#"{"v":1}"#)]).await.unwrap();
    assert_eq!(node.get("1").await, Some((json!({ "v": 1 }), 7)));
    let none = node.config(&json!({ "versions": "none" }));
    index(&none, [records(r#"{"v":2}"#), records(r#"{"v":3}"#)])
        .await
        .unwrap();
    assert_eq!(node.get("1").await.unwrap().0, json!({ "v": 3 }));
    let wal = index(&node.config(&json!({})), [records(r#"{"v":1}"#)])
        .await
        .unwrap_err();
    assert!(
        wal.to_string().contains("offset 7") && wal.to_string().contains("kafka_offset"),
        "{wal}"
    );
    node.remove().await;
}

#[tokio::test]
async fn keyless_rows_of_the_engine_are_one_document_each_however_often_they_come() {
    let node = Node::new("keyless");
    let batch = || {
        let mut e = Events::new(&node.topic);
        e.record(80, None, Some(&envelope("c", 80, r#"{"n":1}"#)));
        e.record(96, None, Some(&envelope("c", 96, r#"{"n":1}"#)));
        e.record(104, None, Some(&envelope("d", 104, "null")));
        e.take()
    };
    index(&node.config(&json!({})), [batch(), batch()]).await.unwrap();
    assert_eq!(node.all().await.len(), 2);
    node.remove().await;
}

#[tokio::test]
async fn an_index_is_created_as_configured() {
    let node = Node::new("create");
    let config = node.config(&json!({
        "create": true,
        "settings": { "number_of_replicas": 0, "index.gc_deletes": "1h" },
        "mappings": { "dynamic": false, "properties": { "v": { "type": "keyword" } } },
    }));
    let mut e = Events::new(&node.topic);
    index(&config, [e.put(8, 1, &json!({ "v": "x" })).take()])
        .await
        .unwrap();
    index(&config, [e.put(16, 2, &json!({ "v": "x" })).take()])
        .await
        .unwrap();
    let (_, found) = node.call(Method::GET, &node.topic, None).await;
    let index_info = &found[&node.topic];
    assert_eq!(index_info["settings"]["index"]["gc_deletes"], "1h");
    assert_eq!(index_info["mappings"]["properties"]["v"]["type"], "keyword");
    assert_eq!(node.all().await.len(), 2);
    node.remove().await;
    let wrong = node.config(&json!({ "create": true, "settings": { "no_such_setting": 1 } }));
    let error = index(&wrong, [e.put(8, 1, &json!({})).take()]).await.unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn the_probe_tells_what_answers_and_writes_nothing() {
    let node = Node::new("probe");
    let config = node.config(&json!({ "name": node.topic }));
    let info = probe(&config).await.unwrap();
    assert!(
        ["opensearch", "elasticsearch"].contains(&info.distribution.as_str()),
        "{info:?}"
    );
    assert!(info.version.contains('.') && info.may_write, "{info:?}");
    assert_eq!(node.call(Method::HEAD, &node.topic, None).await.0, 404);
    let nobody = node.config(&json!({ "urls": ["http://127.0.0.1:9"] }));
    let error = probe(&nobody).await.unwrap_err();
    assert_eq!(error.kind(), cdc_core::ErrorKind::SinkUnavailable);
    assert!(error.chain().contains("127.0.0.1:9"), "{}", error.chain());
}
