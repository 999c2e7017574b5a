//! Faults that a real server does not make on demand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cdc_core::seam::Sink as _;
use cdc_core::{Batch, Error, ErrorKind};
use serde_json::{Value, json};
use sink_es::{IndexConfig, IndexSink};

use crate::events::{Events, envelope, index};
use crate::scripted::{Say, Scripted, Sent, all_good};

fn config(urls: &[&str], more: &Value) -> IndexConfig {
    let mut config =
        json!({ "urls": urls, "max_backoff_ms": 20, "bulk": { "max_in_flight": 1, "linger_ms": 0 } });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

fn batch(ids: std::ops::RangeInclusive<u64>) -> Batch {
    let mut e = Events::new("t");
    for id in ids {
        e.put(8 * id, id, &json!({ "id": id }));
    }
    e.take()
}

fn ids(request: &[Sent]) -> Vec<u64> {
    request.iter().map(|s| s.id.parse().unwrap()).collect()
}

async fn run(server: &Scripted, more: &Value) -> Result<(), Error> {
    tokio::time::timeout(
        Duration::from_secs(20),
        index(&config(&[&server.url], more), [batch(1..=8)]),
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn only_the_items_that_were_refused_are_sent_again_until_they_are_taken() {
    let server = Scripted::start(|n, items| {
        let busy = |s: &Sent| match (n, s.id.as_str()) {
            (0, "2" | "5") | (1, "5") => (429, "es_rejected_execution_exception"),
            (0, "7") => (503, "unavailable_shards_exception"),
            (0, "8") => (409, "version_conflict_engine_exception"),
            _ => (201, ""),
        };
        Say::Items(items.iter().map(busy).collect())
    })
    .await;
    run(&server, &json!({})).await.unwrap();
    let sent: Vec<_> = server.requests().iter().map(|r| ids(r)).collect();
    assert_eq!(sent, [vec![1, 2, 3, 4, 5, 6, 7, 8], vec![2, 5, 7], vec![5]]);
    assert_eq!(
        server.requests()[2],
        [Sent {
            id: "5".into(),
            version: 5
        }]
    );
}

#[tokio::test]
async fn a_request_that_fails_as_a_whole_is_sent_again() {
    let server = Scripted::start(|n, items| match n {
        0 => Say::Nothing,
        1..=3 => Say::Whole([429, 502, 503][n - 1], json!({ "error": { "type": "busy" } })),
        4 => Say::Silence,
        5 => Say::Items(vec![(200, "")]),
        6 => Say::Whole(200, json!("not a reply")),
        _ => all_good(items),
    })
    .await;
    run(&server, &json!({ "request_timeout_ms": 2000 }))
        .await
        .unwrap();
    let sent: Vec<_> = server.requests().iter().map(|r| ids(r)).collect();
    let (all, first, rest) = ((1..=8).collect::<Vec<_>>(), vec![1, 2, 3, 4], vec![5, 6, 7, 8]);
    // What is not answered in time is sent in halves.
    let halves = [first.clone(), first.clone(), first, rest];
    assert_eq!(sent, [vec![all; 5], halves.to_vec()].concat());
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_sent_in_smaller_ones() {
    let server = Scripted::start(|_, items| {
        if items.len() > 2 {
            Say::Silence
        } else {
            all_good(items)
        }
    })
    .await;
    run(&server, &json!({ "request_timeout_ms": 1500 }))
        .await
        .unwrap();
    let sent: Vec<_> = server.requests().iter().map(|r| ids(r)).collect();
    assert_eq!(
        sent[..3],
        [vec![1, 2, 3, 4, 5, 6, 7, 8], vec![1, 2, 3, 4], vec![1, 2]]
    );
    let mut taken: Vec<u64> = sent.iter().filter(|r| r.len() <= 2).flatten().copied().collect();
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn a_document_for_which_there_is_never_room_goes_by_the_policy() {
    let probe = |items: &[Sent]| items[0].id.starts_with("pgcdc-probe");
    let busy =
        json!({ "error": { "type": "circuit_breaking_exception", "reason": "[parent] Data too large" } });
    let server = Scripted::start(move |_, items| {
        if !probe(items) && items.iter().any(|s| s.id == "6") {
            Say::Whole(429, busy.clone())
        } else {
            all_good(items)
        }
    })
    .await;
    let error = run(&server, &json!({})).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("circuit_breaking_exception ([parent] Data too large)"),
        "{error}"
    );
    let before = server.requests().len();
    run(&server, &json!({ "on_bad_document": "skip" })).await.unwrap();
    let requests = server.requests().split_off(before);
    let mut taken: Vec<u64> = requests
        .iter()
        .filter(|r| !probe(r) && r.iter().all(|s| s.id != "6"))
        .flat_map(|r| ids(r))
        .collect();
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3, 4, 5, 7, 8]);
    let alone = requests.iter().filter(|r| r.len() == 1 && r[0].id == "6").count();
    assert_eq!(alone, 12);
}

#[tokio::test]
async fn a_document_is_not_at_fault_while_the_servers_take_no_other() {
    let server = Scripted::start(|n, items| {
        if n < 60 {
            Say::Whole(
                429,
                json!({ "error": { "type": "rejected_execution_exception", "reason": "busy" } }),
            )
        } else {
            all_good(items)
        }
    })
    .await;
    run(&server, &json!({})).await.unwrap();
}

#[tokio::test]
async fn a_document_that_is_larger_than_all_the_room_is_told_at_once() {
    let reason = "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0, coordinating_operation_bytes=900, max_coordinating_and_primary_bytes=800]";
    let body = json!({ "error": { "type": "rejected_execution_exception", "reason": reason } });
    let server = Scripted::start(move |_, items| {
        if items.iter().any(|s| s.id == "6") {
            Say::Whole(429, body.clone())
        } else {
            all_good(items)
        }
    })
    .await;
    run(&server, &json!({ "on_bad_document": "skip" })).await.unwrap();
    let alone = |r: &&Vec<Sent>| r.len() == 1 && r[0].id == "6";
    assert_eq!(server.requests().iter().filter(alone).count(), 1);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_split_down_to_the_one_document_that_is_bad() {
    let server = Scripted::start(|_, items| {
        if items.len() > 3 || items.iter().any(|s| s.id == "6") {
            Say::Whole(413, Value::Null)
        } else {
            all_good(items)
        }
    })
    .await;
    run(&server, &json!({ "on_bad_document": "skip" })).await.unwrap();
    let taken = |r: &&Vec<Sent>| r.len() <= 3 && r.iter().all(|s| s.id != "6");
    let mut taken: Vec<u64> = server
        .requests()
        .iter()
        .filter(taken)
        .flat_map(|r| ids(r))
        .collect();
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3, 4, 5, 7, 8]);
    let error = run(&server, &json!({})).await.unwrap_err();
    assert!(
        error.to_string().contains("larger than the server takes"),
        "{error}"
    );
}

#[tokio::test]
async fn the_one_item_for_which_all_are_refused_is_found_and_left_out() {
    let server = Scripted::start(|_, items| {
        if items.iter().any(|s| s.id == "3") {
            Say::Whole(400, json!({ "error": { "type": "action_request_validation_exception", "reason": "id is too long" } }))
        } else {
            all_good(items)
        }
    })
    .await;
    run(&server, &json!({ "on_bad_document": "skip" })).await.unwrap();
    let mut taken: Vec<u64> = server
        .requests()
        .iter()
        .filter(|r| r.iter().all(|s| s.id != "3"))
        .flat_map(|r| ids(r))
        .collect();
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn dead_letters_for_a_topic_are_the_records_with_connects_headers() {
    let server = Scripted::start(|_, items| {
        let say = |s: &Sent| {
            if s.id == "2" {
                (400, "mapper_parsing_exception")
            } else {
                (200, "")
            }
        };
        Say::Items(items.iter().map(say).collect())
    })
    .await;
    let letters: Arc<Mutex<Vec<Letter>>> = Arc::default();
    let seen = Arc::clone(&letters);
    let topics = cdc_core::sink::ForEach::new(move |batch: &Batch| {
        let mut seen = seen.lock().unwrap();
        for r in batch.records() {
            let text = |b: Option<&[u8]>| b.map(|b| String::from_utf8(b.to_vec()).unwrap());
            let headers = r
                .headers()
                .map(|(n, v)| (text(Some(n)).unwrap(), text(v).unwrap()));
            seen.push((
                r.head.topic.name.clone(),
                text(r.key),
                text(r.value),
                headers.collect(),
            ));
        }
        Ok(())
    });
    let more = json!({ "on_bad_document": { "dead_letter_topic": "dlq" } });
    let config = config(&[&server.url], &more);
    assert!(
        IndexSink::new(&config)
            .unwrap_err()
            .to_string()
            .contains("kafka section")
    );
    let mut sink = IndexSink::with_dead_letters(&config, Box::new(topics), "pipe").unwrap();
    let mut e = Events::new("t");
    e.consumed(5, Some("{\"id\":2}"), Some(&envelope("u", 8, "{\"id\":2}")));
    e.consumed(6, Some("{\"id\":3}"), Some("no json"));
    e.consumed(7, Some("{\"id\":4}"), Some(&envelope("u", 8, "{\"id\":4}")));
    sink.write(e.take()).await.unwrap();
    sink.flush().await.unwrap();
    let mut letters = letters.lock().unwrap().clone();
    letters.sort();
    assert_eq!(letters.len(), 2);
    let header = |i: usize, name: &str| letters[i].3.get(name).map(String::as_str);
    assert_eq!(
        (letters[0].0.as_str(), letters[0].1.as_deref()),
        ("dlq", Some("{\"id\":2}"))
    );
    assert_eq!(
        letters[0].2.as_deref(),
        Some(envelope("u", 8, "{\"id\":2}").as_str())
    );
    for (name, want) in [
        ("origin", "test"),
        ("__connect.errors.topic", "t"),
        ("__connect.errors.partition", "0"),
        ("__connect.errors.offset", "5"),
        ("__connect.errors.connector.name", "pipe"),
        ("__connect.errors.stage", "TASK_PUT"),
        (
            "__connect.errors.exception.class.name",
            "mapper_parsing_exception",
        ),
        ("pgcdc.index", "t"),
        ("pgcdc.id", "2"),
        ("pgcdc.status", "400"),
    ] {
        assert_eq!(header(0, name), Some(want), "{name}");
    }
    assert_eq!(letters[1].2.as_deref(), Some("no json"));
    assert_eq!(header(1, "__connect.errors.stage"), Some("VALUE_CONVERTER"));
}

type Letter = (
    String,
    Option<String>,
    Option<String>,
    std::collections::BTreeMap<String, String>,
);

#[tokio::test]
async fn what_only_a_person_can_mend_stops_at_once() {
    for (status, kind) in [
        (401, ErrorKind::Auth),
        (403, ErrorKind::Privilege),
        (400, ErrorKind::SinkRejected),
        (404, ErrorKind::SinkRejected),
    ] {
        let body = json!({ "error": { "type": "some_exception", "reason": "because" }, "status": status });
        let server = Scripted::start(move |_, _| Say::Whole(status, body.clone())).await;
        let error = run(&server, &json!({ "on_bad_document": "skip" }))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind);
        // What is not known may quote a row.
        let text = error.to_string();
        assert!(
            text.contains("some_exception") && !text.contains("because"),
            "{text}"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_failed_sink_says_why_once_closes_its_channel_and_takes_no_more() {
    let server = Scripted::start(|_, _| Say::Whole(401, Value::Null)).await;
    let mut sink = IndexSink::new(&config(&[&server.url], &json!({}))).unwrap();
    sink.write(batch(1..=1)).await.unwrap();
    let mut durable = sink.durable();
    assert!(durable.wait_for(|&n| n > 0).await.is_err());
    assert_eq!(sink.failure().unwrap().kind(), ErrorKind::Auth);
    assert!(sink.failure().is_none());
    assert!(sink.write(batch(2..=2)).await.is_err() && sink.flush().await.is_err());
}

#[tokio::test]
async fn a_dead_host_holds_nothing_up() {
    let server = Scripted::start(|_, items| all_good(items)).await;
    let config = config(
        &["http://127.0.0.1:9", &server.url],
        &json!({ "bulk": { "max_in_flight": 3 } }),
    );
    let batches = (0..20).map(|n| batch(n * 10 + 1..=n * 10 + 10));
    tokio::time::timeout(Duration::from_secs(20), index(&config, batches))
        .await
        .unwrap()
        .unwrap();
    let mut all: Vec<u64> = server.requests().iter().flat_map(|r| ids(r)).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn memory_is_bounded_and_nothing_is_durable_while_the_server_is_silent() {
    let server = Scripted::start(|_, _| Say::Silence).await;
    let more = json!({ "bulk": { "max_buffered_bytes": 100_000, "max_in_flight": 2 } });
    let mut sink = IndexSink::new(&config(&[&server.url], &more)).unwrap();
    let mut taken = 0;
    while let Ok(done) = tokio::time::timeout(Duration::from_secs(2), sink.write(batch(1..=100))).await {
        done.unwrap();
        taken += 1;
        assert!(taken < 100, "the sink takes without end");
    }
    assert!(taken > 0);
    assert_eq!(*sink.durable().borrow(), 0);
}

#[tokio::test]
async fn a_batch_without_any_document_is_durable_at_once() {
    let server = Scripted::start(|_, items| all_good(items)).await;
    let mut sink = IndexSink::new(&config(&[&server.url], &json!({}))).unwrap();
    sink.write(Batch::default()).await.unwrap();
    let mut e = Events::new("t");
    sink.write(e.record(8, None, Some(r#"{"ts_ms":1}"#)).take())
        .await
        .unwrap();
    assert_eq!(*sink.durable().borrow(), 2);
    assert!(server.requests().is_empty());
}
