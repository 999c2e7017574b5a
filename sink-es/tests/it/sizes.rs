//! How much is asked for, and what is made, where a server shows it.

use std::time::Duration;

use cdc_core::ErrorKind;
use serde_json::{Value, json};
use sink_es::{IndexConfig, Rebuild};

use crate::events::{Events, index};
use crate::scripted::{Say, Scripted, Sent, all_good};

fn config(server: &Scripted, more: &Value) -> IndexConfig {
    let mut config =
        json!({ "urls": [server.url], "max_backoff_ms": 20, "bulk": { "max_in_flight": 1, "linger_ms": 0 } });
    let fields = config.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

fn sizes(requests: &[Vec<Sent>], looks: bool) -> Vec<usize> {
    let wanted = |r: &&Vec<Sent>| !r.is_empty() && (r[0].version == 0) == looks;
    requests.iter().filter(wanted).map(Vec::len).collect()
}

#[tokio::test]
async fn large_values_are_read_and_sent_a_few_at_a_time() {
    let large = "x".repeat(10_000);
    let server = Scripted::start(move |_, items| {
        if items[0].version != 0 {
            return all_good(items);
        }
        let found =
            |s: &Sent| json!({ "_id": s.id, "found": true, "_version": 1, "_source": { "big": large } });
        Say::Whole(
            200,
            json!({ "docs": items.iter().map(found).collect::<Vec<_>>() }),
        )
    })
    .await;
    let bulk = json!({ "max_in_flight": 1, "linger_ms": 5000, "max_bytes": 30_000 });
    let mut e = Events::new("t");
    for id in 1..=30 {
        e.put(
            8 * id,
            id,
            &json!({ "id": id, "big": "__debezium_unavailable_value" }),
        );
    }
    index(&config(&server, &json!({ "bulk": bulk })), [e.take()])
        .await
        .unwrap();
    let requests = server.requests();
    let (looks, sent) = (sizes(&requests, true), sizes(&requests, false));
    // Of the size of the first ones two are well below a request, and so they are read until a request is full.
    assert!(looks[0] == 8 && looks[1..].iter().all(|&n| n == 2), "{looks:?}");
    assert_eq!(
        sent,
        [8, 4, 4, 4, 4, 4, 2],
        "what was read is sent before more is read"
    );
}

#[tokio::test]
async fn who_may_not_create_an_index_writes_to_the_one_that_is_there() {
    let server = Scripted::start(|_, items| {
        if items.is_empty() {
            Say::Whole(403, json!({ "error": { "type": "security_exception", "reason": "no permissions for [indices:admin/create]" } }))
        } else {
            all_good(items)
        }
    })
    .await;
    let batch = || Events::new("t").put(8, 1, &json!({ "id": 1 })).take();
    let create = json!({ "create": true });
    index(&config(&server, &create), [batch()]).await.unwrap();
    assert_eq!(sizes(&server.requests(), false), [1]);
    // If there is none, somebody must make it.
    let server = Scripted::start(|_, items| {
        if items.is_empty() {
            Say::Whole(403, json!({ "error": { "type": "security_exception", "reason": "no permissions for [indices:admin/create]" } }))
        } else {
            Say::Items(items.iter().map(|_| (404, "index_not_found_exception")).collect())
        }
    })
    .await;
    let config = config(&server, &create);
    let ended = tokio::time::timeout(Duration::from_secs(20), index(&config, [batch()])).await;
    assert_eq!(ended.unwrap().unwrap_err().kind(), ErrorKind::Privilege);
}

#[tokio::test]
async fn a_rebuild_outlives_a_server_that_is_away_for_a_moment() {
    let server = Scripted::start(|n, _| match n {
        0 => Say::Nothing,
        1 => Say::Whole(503, Value::Null),
        _ => Say::Whole(200, json!({ "acknowledged": true })),
    })
    .await;
    let rebuild = Rebuild::new(&config(&server, &json!({}))).unwrap();
    rebuild.switch("a", "old", "new").await.unwrap();
    assert_eq!(server.requests().len(), 3);
}
