//! Tombstones that come without their delete events.

use cdc_core::ErrorKind;
use cdc_core::seam::Sink as _;
use reqwest::Method;
use serde_json::{Value, json};
use sink_es::IndexSink;

use crate::events::{Events, envelope, index, key};
use crate::node::Node;

/// An envelope of a transaction behind which nothing is known of the commits before it.
fn unsure(lsn: u64, after: &Value) -> String {
    let value = json!({
        "before": null, "after": after, "op": "u", "ts_ms": 1,
        "source": { "name": "s", "snapshot": "false", "sequence": format!("[null,\"{lsn}\"]"), "lsn": lsn },
    });
    value.to_string()
}

#[tokio::test]
async fn a_tombstone_finds_its_document_wherever_the_row_had_put_it() {
    let node = Node::new("routed");
    let settings = json!({ "settings": { "number_of_shards": 3 } });
    assert_eq!(node.call(Method::PUT, &node.topic, Some(settings)).await.0, 200);
    let config = node.config(&json!({ "routing": "{value.shop}" }));
    let mut e = Events::new(&node.topic);
    // 1 lies under two routings, since it was moved.
    for (n, id, shop) in [(1, 1, "a"), (2, 1, "b"), (3, 2, "a"), (4, 3, "c")] {
        let row = json!({ "id": id, "shop": shop }).to_string();
        e.consumed(n, Some(&key(id)), Some(&envelope("u", 80 * n, &row)));
    }
    index(&config, [e.take()]).await.unwrap();
    // In another run: the delete events were read before, or are gone from the topic.
    e.consumed(7, Some(&key(1)), None)
        .consumed(9, Some(&key(2)), None);
    e.consumed(11, Some(&key(99)), None);
    index(&config, [e.take()]).await.unwrap();
    assert_eq!(node.all().await.into_keys().collect::<Vec<_>>(), ["3"]);
    node.remove().await;
}

#[tokio::test]
async fn a_tombstone_that_tells_no_id_is_left_to_its_delete_event() {
    let node = Node::new("unnamed");
    let config = node.config(&json!({ "id_template": "{value.code}" }));
    let mut e = Events::new(&node.topic);
    let batch = e
        .consumed(5, Some(&key(1)), None)
        .consumed(6, Some(&key(2)), Some(&envelope("u", 80, r#"{"code":"x"}"#)))
        .take();
    index(&config, [batch]).await.unwrap();
    assert_eq!(node.all().await.into_keys().collect::<Vec<_>>(), ["x"]);
    // In a topic of rows there is no such event.
    let config = node.config(&json!({ "id_template": "{value.code}", "versions": "kafka_offset" }));
    let batch = e
        .consumed(5, Some(&key(1)), Some(r#"{"code":"y"}"#))
        .consumed(6, Some(&key(1)), None)
        .take();
    let error = index(&config, [batch]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SinkRejected);
    let text = error.chain();
    assert!(
        text.contains("no document can be made") && text.contains("field of the row"),
        "{text}"
    );
    assert!(
        error.advice().contains("index.on_invalid_record"),
        "{}",
        error.advice()
    );
    node.remove().await;
}

#[tokio::test]
async fn a_tombstone_waits_for_what_its_own_batch_brings() {
    let node = Node::new("same-batch");
    let config = node.config(&json!({ "bulk": { "linger_ms": 500 } }));
    let mut e = Events::new(&node.topic);
    let row = json!({ "id": 1 });
    let first = e.consumed(1, Some(&key(1)), Some(&unsure(80, &row))).take();
    index(&config, [first]).await.unwrap();
    let batch = e
        .consumed(2, Some(&key(1)), Some(&unsure(800, &row)))
        .consumed(3, Some(&key(1)), None)
        .take();
    index(&config, [batch]).await.unwrap();
    assert_eq!(node.get("1").await, None);
    node.remove().await;
}

#[tokio::test]
async fn versions_end_where_a_partition_was_elsewhere_in_between() {
    let node = Node::new("came-back");
    let config = node.config(&json!({}));
    let row = |id: u64| json!({ "id": id }).to_string();
    let mut e = Events::new(&node.topic);
    let mut one = IndexSink::new(&config).unwrap();
    one.write(
        e.consumed(1, Some(&key(1)), Some(&envelope("c", 80, &row(1))))
            .take(),
    )
    .await
    .unwrap();
    one.flush().await.unwrap();
    // Another member reads the partition for a while.
    let other = e
        .consumed(2, Some(&key(2)), Some(&envelope("c", 1600, &row(2))))
        .take();
    index(&config, [other]).await.unwrap();
    // Back again: the last version that was read here is not that of the record before.
    one.write(e.consumed(3, Some(&key(2)), None).take())
        .await
        .unwrap();
    one.flush().await.unwrap();
    assert_eq!(node.get("2").await, None);
    // Back to where it had been: a version from ahead would keep out what comes again.
    for (offset, id, lsn) in [(4, 3, 2400), (5, 4, 8000)] {
        e.consumed(offset, Some(&key(id)), Some(&envelope("c", lsn, &row(id))));
    }
    one.write(e.take()).await.unwrap();
    e.consumed(3, Some(&key(3)), None);
    e.consumed(4, Some(&key(3)), Some(&envelope("c", 2400, &row(3))));
    one.write(e.take()).await.unwrap();
    one.flush().await.unwrap();
    assert!(node.get("3").await.is_some());
    node.remove().await;
}
