//! An index beside another one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cdc_core::Error;
use reqwest::Method;
use serde_json::json;
use sink_es::{Compared, Difference, FilledFrom, Rebuild, plan};

use crate::events::{Events, index};
use crate::node::Node;

const ALL: Compared = Compared {
    versions: true,
    content: true,
};
const VERSIONS: Compared = Compared {
    versions: true,
    content: false,
};
const CONTENT: Compared = Compared {
    versions: false,
    content: true,
};

/// Where the writers are.
async fn nobody_tells() -> Result<bool, Error> {
    Ok(false)
}

#[tokio::test]
async fn two_indexes_are_compared_and_the_alias_is_switched() {
    let (old, new) = (Node::new("old"), Node::new("new"));
    let alias = format!("{}-alias", old.topic);
    for node in [&old, &new] {
        let mut e = Events::new(&node.topic);
        for id in 1..=20 {
            e.put(8 * id, id, &json!({ "id": id }));
        }
        index(&node.config(&json!({})), [e.take()]).await.unwrap();
    }
    let config = old.config(&json!({ "name": alias }));
    let rebuild = Rebuild::new(&config).unwrap();
    let none = rebuild.target(&config, "t", FilledFrom::Topic).await.unwrap_err();
    assert!(none.to_string().contains("is no alias"), "{none}");
    let add = json!({ "actions": [{ "add": { "index": old.topic, "alias": alias } }] });
    assert_eq!(old.call(Method::POST, "_aliases", Some(add)).await.0, 200);
    assert_eq!(
        rebuild.target(&config, "t", FilledFrom::Table).await.unwrap(),
        (alias.clone(), old.topic.clone())
    );
    let same = rebuild
        .compare(&old.topic, &new.topic, ALL, nobody_tells)
        .await
        .unwrap();
    assert_eq!(
        same,
        Difference {
            documents: 20,
            ..Difference::default()
        }
    );
    // Another content under the same version, which only a comparison of content would see; and one that is late.
    new.call(
        Method::PUT,
        &format!("{}/_doc/1?version=1&version_type=external_gte", new.topic),
        Some(json!({ "id": 0 })),
    )
    .await;
    new.call(
        Method::DELETE,
        &format!("{}/_doc/2?version=2&version_type=external_gte", new.topic),
        None,
    )
    .await;
    let later = {
        let new = new.clone();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(800)).await;
            let path = format!("{}/_doc/2?version=2&version_type=external_gte", new.topic);
            new.call(Method::PUT, &path, Some(json!({ "id": 2 }))).await;
        })
    };
    let ids = rebuild
        .compare(&old.topic, &new.topic, VERSIONS, nobody_tells)
        .await
        .unwrap();
    later.await.unwrap();
    assert_eq!((ids.missing, ids.extra), (0, 0), "{ids:?}");
    // Versions alone do not tell: the version is the same, the content is not.
    let content = rebuild
        .compare(&old.topic, &new.topic, CONTENT, nobody_tells)
        .await
        .unwrap();
    assert_eq!((content.missing, content.extra, content.changed), (0, 0, 1));
    rebuild.switch(&alias, &old.topic, &new.topic).await.unwrap();
    assert_eq!(
        rebuild.target(&config, "t", FilledFrom::Table).await.unwrap().1,
        new.topic
    );
    old.remove().await;
    new.remove().await;
}

#[tokio::test]
async fn a_plan_says_what_a_run_would_do_and_does_nothing() {
    let node = Node::new("plan");
    let config = node.config(&json!({ "create": true, "mapping": { "infer": true },
        "mappings": { "properties": { "a": { "type": "keyword" } } } }));
    let schema = json!({ "type": "struct", "fields": [
        { "field": "a", "type": "string" }, { "field": "b", "type": "int32" }] });
    let topics = [(node.topic.clone(), Some(schema.to_string().into_bytes()))];
    let first = &plan(&config, &topics).await.unwrap()[0];
    assert!(!first.exists && first.conflicts.is_empty());
    assert_eq!(first.requests.len(), 2);
    assert_eq!(
        first.requests[1].body,
        Some(json!({ "properties": { "b": { "type": "integer" } } }))
    );
    assert_eq!(node.call(Method::GET, &node.topic, None).await.0, 404);
    let body =
        json!({ "mappings": { "properties": { "a": { "type": "boolean" }, "b": { "type": "long" } } } });
    node.call(Method::PUT, &node.topic, Some(body)).await;
    let second = &plan(&config, &topics).await.unwrap()[0];
    assert!(second.exists && second.requests.is_empty());
    assert_eq!(
        second.conflicts,
        ["field a is mapped as boolean, and the column needs text"]
    );
    node.remove().await;
}

#[tokio::test]
async fn what_two_writers_cannot_bring_to_one_state_is_refused_before_anything_is_made() {
    let node = Node::new("refused");
    for (config, from, why) in [
        (
            json!({ "write": "upsert" }),
            FilledFrom::Topic,
            "have no versions",
        ),
        (
            json!({ "versions": "none" }),
            FilledFrom::Table,
            "have no versions",
        ),
        (
            json!({ "id_from": "auto" }),
            FilledFrom::Topic,
            "chooses its `_id`s",
        ),
        (
            json!({ "id_from": "coordinates" }),
            FilledFrom::Table,
            "Kafka's records",
        ),
        (
            json!({ "versions": "kafka_offset" }),
            FilledFrom::Table,
            "Kafka's records",
        ),
        (
            json!({ "data_stream": { "type": "logs", "dataset": "d" }, "delete_on": "nothing" }),
            FilledFrom::Topic,
            "data stream",
        ),
        (
            json!({ "id_from": "coordinates" }),
            FilledFrom::Topic,
            "is no alias",
        ),
    ] {
        let config = node.config(&config);
        let rebuild = Rebuild::new(&config).unwrap();
        let said = rebuild.target(&config, &node.topic, from).await.unwrap_err();
        assert!(said.to_string().contains(why), "{said}");
    }
}

#[tokio::test]
async fn documents_that_live_by_their_routing_are_compared_where_they_live() {
    let (old, new) = (Node::new("old-routed"), Node::new("new-routed"));
    for node in [&old, &new] {
        let settings = json!({ "settings": { "number_of_shards": 5, "number_of_replicas": 0 } });
        assert_eq!(node.call(Method::PUT, &node.topic, Some(settings)).await.0, 200);
        let mut e = Events::new(&node.topic);
        for id in 1..=20 {
            e.put(8 * id, id, &json!({ "id": id, "shop": format!("s{id}") }));
        }
        let config = node.config(&json!({ "routing": "{value.shop}" }));
        index(&config, [e.take()]).await.unwrap();
    }
    let change = |routing: u64| format!("{}/_doc/3?routing=s{routing}", new.topic);
    assert_eq!(
        new.call(Method::PUT, &change(3), Some(json!({ "id": 0 })))
            .await
            .0,
        200
    );
    assert_eq!(
        new.call(Method::DELETE, &format!("{}/_doc/4?routing=s4", new.topic), None)
            .await
            .0,
        200
    );
    let rebuild = Rebuild::new(&old.config(&json!({}))).unwrap();
    let found = rebuild
        .compare(&old.topic, &new.topic, CONTENT, nobody_tells)
        .await
        .unwrap();
    assert_eq!(
        (found.documents, found.missing, found.extra, found.changed),
        (20, 1, 0, 1)
    );
    old.remove().await;
    new.remove().await;
}

#[tokio::test]
async fn documents_differ_once_both_writers_have_come_past_them() {
    let (old, new) = (Node::new("old-late"), Node::new("new-late"));
    for (node, ids) in [(&old, 1..=3), (&new, 1..=2)] {
        let mut e = Events::new(&node.topic);
        for id in ids {
            e.put(8 * id, id, &json!({ "id": id }));
        }
        index(&node.config(&json!({})), [e.take()]).await.unwrap();
    }
    let rebuild = Rebuild::new(&old.config(&json!({}))).unwrap();
    // What is late by more than any time that one would wait for it.
    let put = async || {
        tokio::time::sleep(Duration::from_secs(12)).await;
        let path = format!("{}/_doc/3?version=3&version_type=external_gte", new.topic);
        new.call(Method::PUT, &path, Some(json!({ "id": 3 }))).await;
        Ok(true)
    };
    let late = rebuild.compare(&old.topic, &new.topic, ALL, put).await.unwrap();
    assert!(late.is_none(), "{late:?}");
    let path = format!("{}/_doc/3?version=4&version_type=external_gte", new.topic);
    new.call(Method::DELETE, &path, None).await;
    let asked = AtomicUsize::new(0);
    let passed = async || {
        asked.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    };
    let lost = rebuild
        .compare(&old.topic, &new.topic, ALL, passed)
        .await
        .unwrap();
    assert_eq!((lost.missing, lost.extra, lost.changed), (1, 0, 0));
    assert_eq!(asked.load(Ordering::Relaxed), 1, "one pass is enough");
    old.remove().await;
    new.remove().await;
}
