//! The search node under test, asked by plain requests what the program did there, and the topics that it reads.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use cdc_core::seam::Sink as _;
use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};
use cdc_kafka::{KafkaConfig, KafkaSink, SinkOptions};
use serde_json::{Value, json};

/// Address of the node.
pub(crate) fn url() -> String {
    std::env::var("PGCDC_TEST_INDEX").expect("PGCDC_TEST_INDEX is not set: `make test` sets it")
}

/// Address of the brokers.
pub(crate) fn kafka() -> String {
    std::env::var("PGCDC_TEST_KAFKA").expect("PGCDC_TEST_KAFKA is not set: `make test` sets it")
}

/// A name that no other run has.
pub(crate) fn unique(name: &str) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("{name}-{now}-{}", std::process::id())
}

/// A record as it is on the wire: key and value.
pub(crate) type Bytes<'a> = (Option<&'a str>, Option<&'a str>);

/// Writes records to the first partition of a topic, each with these headers.
pub(crate) async fn produce(
    config: &KafkaConfig,
    topic: &str,
    records: &[Bytes<'_>],
    headers: &[(&str, Option<&str>)],
) {
    let topic = Arc::new(Topic {
        name: topic.to_owned(),
    });
    let mut batch = Batch::default();
    for &(key, value) in records {
        for (part, mark) in [
            (key, Batch::mark_key as fn(&mut Batch)),
            (value, Batch::mark_value),
        ] {
            if let Some(part) = part {
                batch.buf().extend_from_slice(part.as_bytes());
                mark(&mut batch);
            }
        }
        for (name, value) in headers {
            batch.header(name.as_bytes(), value.map(str::as_bytes));
        }
        batch.finish(&RecordHead {
            topic: Arc::clone(&topic),
            partition: Some(0),
            timestamp_ms: None,
            position: Position::default(),
            version_lsn: Lsn::ZERO,
        });
    }
    let mut sink = KafkaSink::open(config, SinkOptions::default()).await.unwrap();
    sink.write(batch).await.unwrap();
    sink.flush().await.unwrap();
}

/// Sends a request; status and answer.
pub(crate) fn call(method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let url = url();
    let host = url.strip_prefix("http://").expect("the node speaks http");
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(host).unwrap();
    // HTTP/1.0: the answer comes in one piece, up to the end of the connection.
    let request = format!(
        "{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// All documents of an index or alias by `_id`; none while it is not there.
pub(crate) fn documents(index: &str) -> BTreeMap<String, Value> {
    call("POST", &format!("{index}/_refresh"), None);
    let query = json!({ "size": 10_000, "query": { "match_all": {} } });
    let (_, found) = call("POST", &format!("{index}/_search"), Some(&query));
    let hits = found["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.iter()
        .map(|h| (h["_id"].as_str().unwrap().to_owned(), h["_source"].clone()))
        .collect()
}

/// The indexes behind an alias.
pub(crate) fn behind(alias: &str) -> Vec<String> {
    let (_, found) = call("GET", &format!("_alias/{alias}"), None);
    found
        .as_object()
        .map(|o| o.keys().cloned().collect())
        .unwrap_or_default()
}

/// Makes an index with an alias.
pub(crate) fn create(index: &str, alias: &str) {
    let body = json!({ "aliases": { alias: {} }, "settings": { "number_of_replicas": 0 } });
    assert_eq!(call("PUT", index, Some(&body)).0, 200);
}
