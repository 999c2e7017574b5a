//! Which state of a row the index has in the end, where records do not hold all of it, come late, or are not taken.

use cdc_core::{Batch, ErrorKind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::events::{Events, envelope, index, key};
use crate::node::Node;
use crate::scripted::{Say, Scripted};

const GONE: &str = "__debezium_unavailable_value";

/// One consumed envelope with this source block.
fn consumed(node: &Node, op: &str, sequence: &str, snapshot: &str, lsn: u64, after: &Value) -> Batch {
    let value = json!({
        "before": null, "after": after, "op": op, "ts_ms": 1,
        "source": { "name": "s", "snapshot": snapshot, "sequence": sequence, "lsn": lsn },
    });
    let mut e = Events::new(&node.topic);
    e.consumed(lsn, Some(&key(1)), Some(&value.to_string()));
    e.take()
}

#[tokio::test]
async fn a_value_that_was_not_sent_keeps_the_one_in_the_index() {
    let node = Node::new("unsent");
    let config = node.config(&json!({}));
    let full = |n: u64| json!({ "id": n, "n": 1, "big": "x\u{e9}", "l": ["y"] });
    let part = |n: u64| json!({ "id": n, "n": 2, "big": GONE, "l": [GONE] });
    let mut e = Events::new(&node.topic);
    let first = e.put(80, 1, &full(1)).put(80, 4, &full(4)).take();
    index(&config, [first]).await.unwrap();
    // 1 in another request, 2 in the same one as its whole state, 3 without any, 4 after a key was used again.
    e.put(160, 1, &part(1))
        .put(160, 2, &full(2))
        .put(168, 2, &part(2));
    e.put(160, 3, &part(3)).delete(160, 4);
    e.record(
        168,
        Some(&key(4)),
        Some(&envelope("c", 168, &part(4).to_string())),
    );
    index(&config, [e.take()]).await.unwrap();
    let filled = |n: u64| json!({ "id": n, "n": 2, "big": "x\u{e9}", "l": ["y"] });
    assert_eq!(node.get("1").await, Some((filled(1), 20)));
    assert_eq!(node.get("2").await, Some((filled(2), 21)));
    assert_eq!(node.get("3").await, Some((json!({ "id": 3, "n": 2 }), 20)));
    // An insert has all its values: what looks like a placeholder is one of them.
    assert_eq!(node.get("4").await, Some((part(4), 21)));
    // The older state again, then the part: nothing changes.
    let again = e.put(80, 1, &full(1)).put(160, 1, &part(1)).take();
    index(&config, [again]).await.unwrap();
    assert_eq!(node.get("1").await, Some((filled(1), 20)));
    node.remove().await;
}

#[tokio::test]
async fn partial_documents_leave_out_what_was_not_sent() {
    let node = Node::new("unsent-upsert");
    let config = node.config(&json!({ "write": "upsert" }));
    let mut e = Events::new(&node.topic);
    e.put(80, 1, &json!({ "n": 1, "big": "x" }))
        .put(160, 1, &json!({ "n": 2, "big": GONE }));
    index(&config, [e.take()]).await.unwrap();
    assert_eq!(node.get("1").await.unwrap().0, json!({ "n": 2, "big": "x" }));
    node.remove().await;
}

#[tokio::test]
async fn the_first_change_behind_a_snapshot_wins_in_one_run_and_in_two() {
    for two in [false, true] {
        let node = Node::new("behind");
        let config = node.config(&json!({}));
        let read = consumed(
            &node,
            "r",
            r#"[null,"1600"]"#,
            "last",
            1600,
            &json!({ "v": "read" }),
        );
        // Open while the snapshot was taken: its rows lie before that.
        let open = || {
            consumed(
                &node,
                "u",
                r#"[null,"800"]"#,
                "false",
                800,
                &json!({ "v": "changed" }),
            )
        };
        let later = consumed(
            &node,
            "u",
            r#"["2400","2400"]"#,
            "false",
            2400,
            &json!({ "v": "later" }),
        );
        if two {
            index(&config, [read]).await.unwrap();
            index(&config, [open()]).await.unwrap();
        } else {
            index(&config, [read, open()]).await.unwrap();
        }
        assert_eq!(
            node.get("1").await,
            Some((json!({ "v": "changed" }), 200)),
            "{two}"
        );
        index(&config, [later]).await.unwrap();
        assert_eq!(node.get("1").await, Some((json!({ "v": "later" }), 300)));
        // Deleted by a later record: it stays so.
        let mut e = Events::new(&node.topic);
        index(&config, [e.delete(3200, 1).take()]).await.unwrap();
        index(&config, [open()]).await.unwrap();
        assert_eq!(node.get("1").await, None);
        node.remove().await;
    }
}

#[tokio::test]
async fn a_state_that_is_not_taken_does_not_take_the_one_before_with_it() {
    let node = Node::new("superseded");
    let mapping = json!({ "mappings": { "properties": { "n": { "type": "long" } } } });
    assert_eq!(node.call(Method::PUT, &node.topic, Some(mapping)).await.0, 200);
    let config = node.config(&json!({ "on_bad_document": "skip", "bulk": { "linger_ms": 200 } }));
    let mut e = Events::new(&node.topic);
    e.put(80, 1, &json!({ "n": 1 }))
        .put(88, 1, &json!({ "n": 2 }))
        .put(96, 1, &json!({ "n": "bad" }))
        .put(104, 1, &json!({ "n": "worse" }))
        .put(80, 2, &json!({ "n": 1 }));
    index(&config, [e.take()]).await.unwrap();
    assert_eq!(node.get("1").await, Some((json!({ "n": 2 }), 11)));
    assert_eq!(node.get("2").await, Some((json!({ "n": 1 }), 10)));
    node.remove().await;
}

#[tokio::test]
async fn a_delete_is_routed_by_its_row_only_if_it_has_one() {
    let node = Node::new("routed");
    let settings = json!({ "settings": { "number_of_shards": 4, "number_of_routing_shards": 4 } });
    assert_eq!(node.call(Method::PUT, &node.topic, Some(settings)).await.0, 200);
    let config = node.config(&json!({ "routing": "{value.r}" }));
    let delete = |before: &Value| {
        let value = json!({ "before": before, "after": null, "source": { "lsn": 160 }, "op": "d" });
        let mut e = Events::new(&node.topic);
        e.record(160, Some(&key(1)), Some(&value.to_string()));
        // Its tombstone, which has no row at all, adds nothing.
        e.record(160, Some(&key(1)), None);
        e.take()
    };
    let put = || {
        let mut e = Events::new(&node.topic);
        e.put(80, 1, &json!({ "id": 1, "r": "a", "n": 5 })).take()
    };
    index(&config, [put()]).await.unwrap();
    // Stand-ins for what a delete without REPLICA IDENTITY FULL does not tell.
    let error = index(&config, [delete(&json!({ "id": 1, "r": "", "n": 0 }))])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("REPLICA IDENTITY FULL"), "{error}");
    assert_eq!(node.all().await.len(), 1);
    index(&config, [delete(&json!({ "id": 1, "r": "a", "n": 5 }))])
        .await
        .unwrap();
    assert_eq!(node.all().await.len(), 0);
    node.remove().await;
}

#[tokio::test]
async fn tombstones_find_documents_behind_aliases_and_under_any_id() {
    let node = Node::new("aliased");
    let (old, new) = (format!("{}-1", node.topic), format!("{}-2", node.topic));
    for (name, writes) in [(&old, false), (&new, true)] {
        let body = json!({ "aliases": { &node.topic: { "is_write_index": writes } } });
        assert_eq!(node.call(Method::PUT, name, Some(body)).await.0, 200);
    }
    let config = node.config(&json!({}));
    let mut e = Events::new(&node.topic);
    let ids = ["..", ".", "a/b?c"];
    for id in ids {
        e.consumed(
            1,
            Some(&json!({ "id": id }).to_string()),
            Some(&envelope("c", 80, "{}")),
        );
    }
    index(&config, [e.take()]).await.unwrap();
    assert_eq!(node.all().await.len(), 3);
    for id in ids {
        e.consumed(2, Some(&json!({ "id": id }).to_string()), None);
    }
    index(&config, [e.take()]).await.unwrap();
    assert_eq!(node.all().await.len(), 0);
    for name in [old, new] {
        node.call(Method::DELETE, &name, None).await;
    }
}

/// A server that takes no document but in the way that the script says; few and short pauses.
async fn against(status: (u16, &'static str), more: &Value) -> (Result<(), cdc_core::Error>, usize) {
    let server = Scripted::start(move |_, items| {
        Say::Items(
            items
                .iter()
                .map(|s| if s.id == "3" { status } else { (200, "") })
                .collect(),
        )
    })
    .await;
    let mut config = json!({ "urls": [server.url], "first_backoff_ms": 1, "max_backoff_ms": 2 });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let mut e = Events::new("t");
    for id in 1..=5 {
        e.put(8 * id, id, &json!({ "id": id }));
    }
    let config = serde_json::from_value(config).unwrap();
    let run = tokio::time::timeout(std::time::Duration::from_secs(20), index(&config, [e.take()]));
    let result = run.await.unwrap();
    let sent = server.requests().iter().flatten().filter(|s| s.id == "3").count();
    (result, sent)
}

#[tokio::test]
async fn a_pipeline_that_fails_on_a_document_does_not_hold_up_the_others() {
    let skip = json!({ "on_bad_document": "skip" });
    let (result, sent) = against((500, "fail_processor_exception"), &skip).await;
    assert_eq!((result.is_ok(), sent), (true, 1));
    // Perhaps the cluster's fault: tried again, but not for ever.
    let (result, sent) = against((500, "null_pointer_exception"), &skip).await;
    assert_eq!((result.is_ok(), sent), (true, 12));
    let (result, _) = against((500, "null_pointer_exception"), &json!({})).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::SinkRejected);
}

#[tokio::test]
async fn what_is_wrong_with_every_request_stops_and_is_no_dead_letter() {
    let reason = json!({ "error": { "type": "illegal_argument_exception", "reason": "request [/_bulk] contains unrecognized parameter: [x]" }, "status": 400 });
    let server = Scripted::start(move |_, _| Say::Whole(400, reason.clone())).await;
    let config = json!({ "urls": [server.url], "on_bad_document": "skip" });
    let config = serde_json::from_value(config).unwrap();
    let mut e = Events::new("t");
    for id in 1..=50 {
        e.put(8 * id, id, &json!({ "id": id }));
    }
    let error = index(&config, [e.take()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("unrecognized parameter: [x]"),
        "{error}"
    );
}
