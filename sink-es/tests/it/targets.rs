//! Ways of writing, and what is written to.

use reqwest::Method;
use serde_json::{Value, json};

use crate::events::{Events, envelope, index, key};
use crate::node::Node;

async fn put(node: &Node, path: &str, body: Value) {
    let (status, answer) = node.call(Method::PUT, path, Some(body)).await;
    assert_eq!(status, 200, "{path}: {answer}");
}

#[tokio::test]
async fn upserts_put_fields_into_what_is_there_in_order() {
    let node = Node::new("upsert");
    let mut e = Events::new(&node.topic);
    e.put(8, 1, &json!({ "a": 1, "b": 1 }))
        .put(16, 1, &json!({ "b": 2 }))
        .put(24, 2, &json!({ "a": 3 }));
    e.delete(32, 2).put(40, 1, &json!({ "c": null }));
    let config = node.config(&json!({ "write": "upsert" }));
    index(&config, [e.take()]).await.unwrap();
    let all = node.all().await;
    assert_eq!(all["1"], json!({ "a": 1, "b": 2, "c": null }));
    assert_eq!(all.len(), 1);
    node.remove().await;
}

#[tokio::test]
async fn ids_routings_and_overrides_follow_their_templates() {
    let node = Node::new("ids");
    let more = json!({
        "id_template": "{topic}/{key.id}-{value.n}", "routing": "{value.n}", "create": true,
        "settings": { "number_of_shards": 3 },
        "overrides": [{ "topics": ["other"], "name": node.topic, "id_from": "key_text" }],
    });
    let config = node.config(&more);
    let mut e = Events::new(&node.topic);
    e.put(8, 1, &json!({ "n": "x" })).put(16, 2, &json!({ "n": "y" }));
    let gone = envelope("d", 24, "null").replace("\"before\":null", "\"before\":{\"n\":\"y\"}");
    e.record(24, Some(&key(2)), Some(&gone));
    index(&config, [e.take()]).await.unwrap();
    let ids: Vec<String> = node.all().await.into_keys().collect();
    assert_eq!(ids, [format!("{}/1-x", node.topic)]);
    let mut e = Events::new("other");
    e.put(32, 3, &json!({ "n": "z" }));
    index(&config, [e.take()]).await.unwrap();
    assert!(node.all().await.contains_key("{\"id\":3}"));
    let error = {
        let mut e = Events::new(&node.topic);
        e.delete(40, 1);
        index(&config, [e.take()]).await.unwrap_err()
    };
    assert!(error.to_string().contains("REPLICA IDENTITY"), "{error}");
    node.remove().await;
}

#[tokio::test]
async fn documents_pass_through_a_pipeline_and_a_missing_one_stops() {
    let node = Node::new("pipeline");
    let mut e = Events::new(&node.topic);
    e.put(8, 1, &json!({ "n": 1 }));
    let batch = e.take();
    let name = node.topic.replace('.', "-");
    let config = node.config(&json!({ "pipeline": name }));
    let error = index(&config, [batch.clone()]).await.unwrap_err();
    assert!(error.to_string().contains("pipeline"), "{error}");
    let (status, _) = node
        .call(
            Method::PUT,
            &format!("_ingest/pipeline/{name}"),
            Some(json!({ "processors": [{ "set": { "field": "via", "value": "pipeline" } }] })),
        )
        .await;
    if status != 200 {
        // The node has no ingest processors.
        return;
    }
    index(&config, [batch]).await.unwrap();
    assert_eq!(
        node.get("1").await.unwrap().0,
        json!({ "n": 1, "via": "pipeline" })
    );
    node.remove().await;
}

#[tokio::test]
async fn data_streams_get_a_timestamp_and_repeats_are_one_document() {
    let node = Node::new("stream");
    let dataset = node.topic.replace(['.', '-'], "_");
    let template = json!({
        "name": dataset, "patterns": [format!("logs-{dataset}-*")], "data_stream": true, "priority": 500,
    });
    let more = json!({
        "data_stream": { "type": "logs", "dataset": dataset, "namespace": "x", "timestamp_fields": ["at"] },
        "delete_on": "nothing", "create": true, "template": template, "id_from": "coordinates",
    });
    let mut e = Events::new(&node.topic);
    for offset in 0..3 {
        let row = json!({ "id": offset, "at": "2021-09-13T11:06:09Z" }).to_string();
        e.consumed(offset, Some(&key(1)), Some(&envelope("u", 8, &row)));
    }
    e.consumed(3, Some(&key(1)), Some(&envelope("d", 16, "null")));
    let batch = e.take();
    let (status, _) = node.call(Method::GET, "_data_stream/none*", None).await;
    if status == 400 {
        // The node has no data streams.
        return;
    }
    let config = node.config(&more);
    index(&config, [batch.clone()]).await.unwrap();
    index(&config, [batch]).await.unwrap();
    let name = format!("logs-{dataset}-x");
    node.call(Method::POST, &format!("{name}/_refresh"), None).await;
    let (_, found) = node
        .call(Method::GET, &format!("{name}/_search?sort=id"), None)
        .await;
    assert_eq!(found["hits"]["total"]["value"], 3, "{found}");
    assert_eq!(
        found["hits"]["hits"][0]["_source"]["@timestamp"],
        "2021-09-13T11:06:09Z"
    );
    node.call(Method::DELETE, &format!("_data_stream/{name}"), None)
        .await;
    node.call(Method::DELETE, &format!("_index_template/{dataset}"), None)
        .await;
}

#[tokio::test]
async fn resources_must_be_there_and_are_written_to() {
    let node = Node::new("resource");
    let alias = format!("{}-alias", node.topic);
    let more = json!({ "resources": { "kind": "alias_index", "by_topic": { (node.topic.clone()): alias } } });
    let mut e = Events::new(&node.topic);
    e.put(8, 1, &json!({ "n": 1 }));
    let batch = e.take();
    let error = index(&node.config(&more), [batch.clone()]).await.unwrap_err();
    assert!(
        error.to_string().contains(&format!("there is no alias {alias}")),
        "{error}"
    );
    put(
        &node,
        &node.topic,
        json!({ "aliases": { (alias.clone()): { "is_write_index": true } } }),
    )
    .await;
    index(&node.config(&more), [batch]).await.unwrap();
    assert_eq!(node.get("1").await.unwrap().0, json!({ "n": 1 }));
    let mut e = Events::new("unlisted");
    e.put(8, 1, &json!({}));
    let error = index(&node.config(&more), [e.take()]).await.unwrap_err();
    assert!(error.to_string().contains("index.resources.by_topic"), "{error}");
    node.remove().await;
}

#[tokio::test]
async fn a_tombstone_without_a_version_deletes_what_is_there_and_newer_states_come_again() {
    let node = Node::new("tombstone");
    let config = node.config(&json!({}));
    let row = |lsn: u64| envelope("u", lsn, r#"{"n":1}"#);
    let mut e = Events::new(&node.topic);
    e.consumed(0, Some(&key(1)), Some(&row(800)));
    e.consumed(1, Some(&key(2)), Some(&row(800)));
    index(&config, [e.take()]).await.unwrap();
    // The delete event was compacted away: the tombstone is all there is, and the first of its partition.
    e.consumed(2, Some(&key(1)), None)
        .consumed(3, Some(&key(3)), None);
    index(&config, [e.take()]).await.unwrap();
    assert!(node.get("1").await.is_none() && node.get("2").await.is_some());
    // A second run reads tombstone and later state again: the state stays.
    e.consumed(4, Some(&key(1)), Some(&row(1600)));
    let later = e.take();
    index(&config, [later]).await.unwrap();
    e.consumed(2, Some(&key(1)), None)
        .consumed(4, Some(&key(1)), Some(&row(1600)));
    index(&config, [e.take()]).await.unwrap();
    assert_eq!(node.get("1").await, Some((json!({ "n": 1 }), 200)));
    node.remove().await;
}

#[tokio::test]
async fn a_replay_behind_the_servers_memory_of_deletes_ends_in_the_same_state() {
    let node = Node::new("gc");
    let config = node.config(&json!({ "create": true, "settings": { "index.gc_deletes": "1ms" } }));
    let mut e = Events::new(&node.topic);
    e.put(8, 1, &json!({ "n": 1 })).put(16, 1, &json!({ "n": 2 }));
    let first = e.take();
    e.delete(24, 1);
    let second = e.take();
    index(&config, [first.clone(), second.clone()]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    node.call(Method::POST, &format!("{}/_refresh", node.topic), None)
        .await;
    index(&config, [first, second]).await.unwrap();
    assert!(node.get("1").await.is_none());
    node.remove().await;
}

#[tokio::test]
async fn a_deleted_document_is_remembered_for_longer_than_the_servers_minute() {
    let node = Node::new("remember");
    let config = node.config(&json!({ "create": true }));
    let mut e = Events::new(&node.topic);
    e.put(8, 1, &json!({ "n": 1 }));
    index(&config, [e.take()]).await.unwrap();
    let (_, settings) = node
        .call(Method::GET, &format!("{}/_settings", node.topic), None)
        .await;
    assert_eq!(
        settings[&node.topic]["settings"]["index"]["gc_deletes"], "10m",
        "{settings}"
    );
    node.remove().await;
}
