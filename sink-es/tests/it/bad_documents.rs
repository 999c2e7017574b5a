//! One bad document under each policy.

use std::path::PathBuf;

use cdc_core::{Batch, ErrorKind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::events::{Events, envelope, index, key};
use crate::node::Node;

/// An index whose field `n` is a number.
async fn with_mapping(test: &str) -> Node {
    let node = Node::new(test);
    let mapping = json!({ "mappings": { "properties": { "n": { "type": "long" } } } });
    assert_eq!(node.call(Method::PUT, &node.topic, Some(mapping)).await.0, 200);
    node
}

/// Nine good documents, one with text in `n`, one value that is no JSON.
fn batch(node: &Node) -> Batch {
    let mut e = Events::new(&node.topic);
    for id in 1..=9 {
        let n = if id == 5 {
            json!("a-private-text")
        } else {
            json!(id)
        };
        e.put(8 * id, id, &json!({ "n": n }));
    }
    e.record(96, Some(&key(10)), Some("{\"op\":"));
    e.put(104, 11, &json!({ "n": 11 }));
    e.take()
}

fn good() -> Vec<String> {
    let mut ids: Vec<String> = [1, 2, 3, 4, 6, 7, 8, 9, 11].iter().map(u32::to_string).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn fail_stops_and_names_place_and_reason_but_no_value() {
    let node = with_mapping("fail").await;
    let mut e = Events::new(&node.topic);
    e.put(80, 5, &json!({ "n": "a-private-text" }));
    let error = index(&node.config(&json!({})), [e.take()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SinkRejected);
    let text = error.chain();
    for want in [node.topic.as_str(), "0/50:1", "parsing_exception", "field [n]"] {
        assert!(text.contains(want), "{want}: {text}");
    }
    assert!(!text.contains("a-private-text"), "{text}");
    node.remove().await;
}

#[tokio::test]
async fn skip_leaves_out_the_bad_ones_only() {
    let node = with_mapping("skip").await;
    let config = node.config(&json!({ "on_bad_document": "skip" }));
    index(&config, [batch(&node)]).await.unwrap();
    assert_eq!(node.all().await.into_keys().collect::<Vec<_>>(), good());
    node.remove().await;
}

#[tokio::test]
async fn dead_letters_hold_all_that_is_needed_to_mend_and_replay() {
    let node = with_mapping("letters").await;
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.ndjson", node.topic));
    let config = node.config(&json!({ "on_bad_document": { "dead_letter": file } }));
    index(&config, [batch(&node)]).await.unwrap();
    assert_eq!(node.all().await.into_keys().collect::<Vec<_>>(), good());
    let text = std::fs::read_to_string(&file).unwrap();
    let mut letters: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    letters.sort_by_key(|l| l["position"].to_string().len());
    std::fs::remove_file(&file).unwrap();
    let by_position = |p: &str| letters.iter().find(|l| l["position"] == p).unwrap();
    assert_eq!(letters.len(), 2, "{text}");
    let mapping = by_position("0/28:1");
    assert_eq!(mapping["topic"], json!(node.topic));
    assert_eq!(mapping["id"], "5");
    assert_eq!(mapping["version"], 5);
    assert_eq!(mapping["op"], "index");
    assert_eq!(mapping["status"], 400);
    assert_eq!(mapping["headers"], json!({ "origin": "test" }));
    assert_eq!(mapping["document"], json!({ "n": "a-private-text" }));
    assert!(
        mapping["error"].as_str().unwrap().ends_with("parsing_exception"),
        "{mapping}"
    );
    assert!(
        mapping["reason"].as_str().unwrap().contains("field [n]"),
        "{mapping}"
    );
    let broken = by_position("0/60:1");
    assert_eq!(broken["value"], "{\"op\":");
    assert_eq!(broken["key"], json!({ "id": 10 }));
    assert_eq!(broken["reason"], "the value is no JSON object");
    node.remove().await;
}

#[tokio::test]
async fn a_document_that_is_broken_inside_is_the_servers_to_refuse_and_stays_alone() {
    let node = Node::new("broken");
    let mut e = Events::new(&node.topic);
    e.put(80, 1, &json!({ "a": 1 }));
    e.record(
        80,
        Some(&key(2)),
        Some(&envelope("c", 80, "{\"a\" \"b\",\n\"c\":[}]}")),
    );
    e.put(80, 3, &json!({ "a": 3 }));
    let config = node.config(&json!({ "on_bad_document": "skip" }));
    index(&config, [e.take()]).await.unwrap();
    assert_eq!(node.all().await.into_keys().collect::<Vec<_>>(), ["1", "3"]);
    node.remove().await;
}

#[tokio::test]
async fn a_closed_index_stops_with_its_name() {
    let node = with_mapping("closed").await;
    node.call(Method::POST, &format!("{}/_close", node.topic), None)
        .await;
    let mut e = Events::new(&node.topic);
    let config = node.config(&json!({ "on_bad_document": "skip" }));
    let error = index(&config, [e.put(8, 1, &json!({})).take()])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains(&node.topic), "{error}");
    node.remove().await;
}

#[tokio::test]
async fn a_read_only_index_is_waited_for() {
    let node = with_mapping("readonly").await;
    let block = |on: Value| json!({ "index.blocks.read_only_allow_delete": on });
    let settings = format!("{}/_settings", node.topic);
    node.call(Method::PUT, &settings, Some(block(json!(true)))).await;
    let config = node.config(&json!({ "max_backoff_ms": 200 }));
    let mut e = Events::new(&node.topic);
    let batch = e.put(8, 1, &json!({ "n": 1 })).take();
    let writing = tokio::spawn(async move { index(&config, [batch]).await });
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert!(!writing.is_finished() && node.get("1").await.is_none());
    node.call(Method::PUT, &settings, Some(block(Value::Null))).await;
    writing.await.unwrap().unwrap();
    assert!(node.get("1").await.is_some());
    node.remove().await;
}
