//! Mappings from schemas, and values made to fit them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::events::{Events, index, key};
use crate::node::Node;

/// A record with its schema, as Kafka Connect's JSON has it.
fn with_schema(fields: &Value, row: &Value, lsn: u64) -> String {
    let row_schema = json!({ "type": "struct", "optional": true, "field": "after", "fields": fields });
    let schema = json!({ "type": "struct", "fields": [
        row_schema, { "type": "struct", "field": "source", "fields": [] }, { "type": "string", "field": "op" }] });
    let payload = json!({ "before": null, "after": row, "source": { "lsn": lsn }, "op": "u" });
    format!(r#"{{"schema":{schema},"payload":{payload}}}"#)
}

async fn properties(node: &Node) -> Value {
    let (_, mapping) = node
        .call(Method::GET, &format!("{}/_mapping", node.topic), None)
        .await;
    mapping[&node.topic]["mappings"]["properties"].clone()
}

fn fields() -> Value {
    json!([
        { "field": "id", "type": "int64" },
        { "field": "price", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "parameters": { "scale": "2" } },
        { "field": "at", "type": "int64", "name": "io.debezium.time.MicroTimestamp" },
        { "field": "name", "type": "string" },
    ])
}

#[tokio::test]
async fn an_index_gets_the_fields_of_the_schema_and_later_those_that_are_added() {
    let node = Node::new("infer");
    let more = json!({ "create": true,
        "mappings": { "properties": { "name": { "type": "keyword" } } },
        "mapping": { "infer": true, "convert": { "decimals": "double", "times": "iso" } } });
    let row = json!({ "id": 1, "price": "BNI=", "at": 1_631_531_169_108_123_i64, "name": "x" });
    let mut e = Events::new(&node.topic);
    e.record(8, Some(&key(1)), Some(&with_schema(&fields(), &row, 8)));
    let mut more_fields = fields();
    more_fields
        .as_array_mut()
        .unwrap()
        .push(json!({ "field": "n", "type": "int32" }));
    e.record(
        16,
        Some(&key(2)),
        Some(&with_schema(&more_fields, &json!({ "id": 2, "n": 5 }), 16)),
    );
    e.record(
        24,
        Some(&key(3)),
        Some(&with_schema(&fields(), &json!({ "id": 3, "price": "BNI=" }), 24)),
    );
    index(&node.config(&more), [e.take()]).await.unwrap();
    assert_eq!(
        properties(&node).await,
        json!({ "id": { "type": "long" }, "price": { "type": "double" }, "at": { "type": "date", "ignore_malformed": true },
            "name": { "type": "keyword" }, "n": { "type": "integer" } })
    );
    let (doc, _) = node.get("1").await.unwrap();
    assert_eq!(
        doc,
        json!({ "id": 1, "price": 12.34, "at": "2021-09-13T11:06:09.108123Z", "name": "x" })
    );
    assert_eq!(node.get("3").await.unwrap().0["price"], 12.34);
    node.remove().await;
}

#[tokio::test]
async fn a_field_that_cannot_hold_a_column_is_named() {
    let node = Node::new("conflict");
    let (status, _) = node
        .call(
            Method::PUT,
            &node.topic,
            Some(json!({ "mappings": { "properties": { "id": { "type": "boolean" } } } })),
        )
        .await;
    assert_eq!(status, 200);
    let mut e = Events::new(&node.topic);
    e.record(
        8,
        Some(&key(1)),
        Some(&with_schema(&fields(), &json!({ "id": 1 }), 8)),
    );
    let batch = e.take();
    let error = index(
        &node.config(&json!({ "create": true, "mapping": { "infer": true } })),
        [batch.clone()],
    )
    .await
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("field id of index") && text.contains("boolean") && text.contains("long"),
        "{text}"
    );
    let go_on = json!({ "create": true, "on_bad_document": "skip", "mapping": { "infer": true, "on_conflict": "continue" } });
    index(&node.config(&go_on), [batch]).await.unwrap();
    assert_eq!(properties(&node).await["price"]["type"], "keyword");
    assert!(node.get("1").await.is_none());
    node.remove().await;
}

#[tokio::test]
async fn an_override_maps_the_fields_of_its_topics_alone() {
    for infer in [true, false] {
        let node = Node::new("override");
        let more = json!({ "mapping": { "strings": "keyword" },
            "overrides": [{ "topics": [node.topic.as_str()], "infer": infer }] });
        let mut e = Events::new(&node.topic);
        let fields = json!([{ "field": "id", "type": "int64" }, { "field": "name", "type": "string" }]);
        let record = with_schema(&fields, &json!({ "id": 1, "name": "x" }), 8);
        e.record(8, Some(&key(1)), Some(&record));
        index(&node.config(&more), [e.take()]).await.unwrap();
        let kind = properties(&node).await["name"]["type"].clone();
        assert_eq!(kind, if infer { "keyword" } else { "text" });
        node.remove().await;
    }
}
