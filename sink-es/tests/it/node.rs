//! Plain requests to the node, to see what the sink did.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use sink_es::IndexConfig;

/// Address of the node under test.
pub(crate) fn url() -> String {
    std::env::var("PGCDC_TEST_INDEX").expect("PGCDC_TEST_INDEX is not set: `make test` sets it")
}

/// A node and an index of the test's own.
#[derive(Clone)]
pub(crate) struct Node {
    url: String,
    pub(crate) topic: String,
    http: reqwest::Client,
}

impl Node {
    /// The node under test, and a topic name that no other test has.
    pub(crate) fn new(test: &str) -> Self {
        Self::at(url(), test)
    }

    pub(crate) fn at(url: String, test: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        // The library brings no default provider; the tests' own client needs one.
        let _already = rustls::crypto::ring::default_provider().install_default();
        Self {
            url,
            topic: format!("it.{test}-{now}-{}-{n}", std::process::id()),
            http: reqwest::Client::new(),
        }
    }

    pub(crate) fn config(&self, more: &Value) -> IndexConfig {
        let mut config = json!({ "urls": [self.url] });
        let fields = config.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}/{path}", self.url));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The document and its version, read past the refresh; none when there is none.
    pub(crate) async fn get(&self, id: &str) -> Option<(Value, u64)> {
        let (status, doc) = self
            .call(Method::GET, &format!("{}/_doc/{id}", self.topic), None)
            .await;
        (status == 200).then(|| (doc["_source"].clone(), doc["_version"].as_u64().unwrap()))
    }

    /// All documents, by `_id`.
    pub(crate) async fn all(&self) -> std::collections::BTreeMap<String, Value> {
        self.call(Method::POST, &format!("{}/_refresh", self.topic), None)
            .await;
        let query = json!({ "size": 10_000, "query": { "match_all": {} } });
        let (status, found) = self
            .call(Method::POST, &format!("{}/_search", self.topic), Some(query))
            .await;
        assert_eq!(status, 200, "{found}");
        let hits = found["hits"]["hits"].as_array().unwrap();
        hits.iter()
            .map(|h| (h["_id"].as_str().unwrap().to_owned(), h["_source"].clone()))
            .collect()
    }

    pub(crate) async fn remove(&self) {
        self.call(Method::DELETE, &self.topic, None).await;
    }
}
