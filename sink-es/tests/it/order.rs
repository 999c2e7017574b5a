//! Many bulks on their way: each document still goes through its states in order.

use std::collections::BTreeMap;

use cdc_core::Batch;
use serde_json::{Value, json};

use crate::events::{Events, index};
use crate::node::Node;

/// Batches of changes of few documents, and the state after all of them.
fn history(topic: &str) -> (Vec<Batch>, BTreeMap<String, Value>) {
    let (mut batches, mut state) = (Vec::new(), BTreeMap::new());
    let mut events = Events::new(topic);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for lsn in 1..=8000_u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let id = random % 60;
        if random.is_multiple_of(7) {
            events.delete(lsn * 8, id);
            state.remove(&id.to_string());
        } else {
            let row = json!({ "n": lsn });
            events.put(lsn * 8, id, &row);
            state.insert(id.to_string(), row);
        }
        if random.is_multiple_of(40) {
            batches.push(events.take());
        }
    }
    batches.push(events.take());
    (batches, state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_by_the_lanes_alone_and_with_versions() {
    for versions in ["none", "external_from_wal"] {
        let node = Node::new("order");
        let (batches, want) = history(&node.topic);
        assert!(batches.len() > 100);
        let config = node.config(&json!({
            "versions": versions,
            "bulk": { "max_docs": 7, "max_in_flight": 8, "linger_ms": 0, "max_buffered_bytes": 40_000 },
        }));
        index(&config, batches).await.unwrap();
        assert_eq!(node.all().await, want, "{versions}");
        node.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_over_the_same_history_changes_nothing_at_any_time() {
    let node = Node::new("again");
    let config = node.config(&json!({ "bulk": { "max_docs": 50, "linger_ms": 0 } }));
    let (batches, want) = history(&node.topic);
    index(&config, batches).await.unwrap();
    for part in [10, 100] {
        let (mut batches, _) = history(&node.topic);
        batches.truncate(part);
        index(&config, batches).await.unwrap();
        assert_eq!(node.all().await, want);
    }
    node.remove().await;
}
