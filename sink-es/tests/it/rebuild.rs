//! An index beside another one.

use reqwest::Method;
use serde_json::json;
use sink_es::{Difference, Rebuild, plan};

use crate::events::{Events, index};
use crate::node::Node;

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
    let none = rebuild.target(&config, "t").await.unwrap_err();
    assert!(none.to_string().contains("is no alias"), "{none}");
    let add = json!({ "actions": [{ "add": { "index": old.topic, "alias": alias } }] });
    assert_eq!(old.call(Method::POST, "_aliases", Some(add)).await.0, 200);
    assert_eq!(
        rebuild.target(&config, "t").await.unwrap(),
        (alias.clone(), old.topic.clone())
    );
    let same = rebuild.compare(&old.topic, &new.topic, true).await.unwrap();
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
    let ids = rebuild.compare(&old.topic, &new.topic, false).await.unwrap();
    later.await.unwrap();
    assert_eq!((ids.missing, ids.extra), (0, 0), "{ids:?}");
    rebuild.switch(&alias, &old.topic, &new.topic).await.unwrap();
    assert_eq!(rebuild.target(&config, "t").await.unwrap().1, new.topic);
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
