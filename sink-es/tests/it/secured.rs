//! TLS and credentials, against a real node.

use std::process::Command;
use std::time::Duration;

use cdc_core::ErrorKind;
use serde_json::{Value, json};
use sink_es::{IndexConfig, probe};

use crate::events::{Events, index};

/// A node of the test's own, stopped when dropped.
struct OwnNode {
    name: String,
    url: String,
}

impl OwnNode {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let node = Self {
            name: format!("it-secured-{port}"),
            url: format!("https://127.0.0.1:{port}"),
        };
        let port = port.to_string();
        node.run(&["up", "--version", "es8", "--security", "--port", &port]);
        node
    }

    fn run(&self, arguments: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../dev/opensearch");
        let output = Command::new(script)
            .args(arguments)
            .args(["--name", &self.name])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for OwnNode {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

#[tokio::test]
async fn a_secured_node_takes_documents_and_strangers_are_refused() {
    let node = OwnNode::start();
    let authority = format!("{}/ca.crt", node.run(&["dir"]));
    let config = |more: Value| -> IndexConfig {
        let mut config = json!({"urls": [node.url]});
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    };
    let login = json!({"username": "elastic", "password": "secret"});
    let tls = json!({"ca_file": authority});
    let document = || {
        let mut events = Events::new("secured");
        events.put(80, 1, &json!({"id": 1}));
        [events.take()]
    };
    let good = config(json!({"tls": tls, "auth": login}));
    index(&good, document()).await.unwrap();
    let info = probe(&good).await.unwrap();
    assert!(info.may_write && info.cluster == "pgcdc", "{info:?}");

    // No authority that is trusted by default has issued the certificate; a wrong password is no reason to try again.
    let wrong = json!({"username": "elastic", "password": "wr0ng"});
    for (config, kind, advice) in [
        (
            config(json!({"auth": login})),
            ErrorKind::Tls,
            "index.tls.ca_file",
        ),
        (
            config(json!({"tls": tls, "auth": wrong})),
            ErrorKind::Auth,
            "auth",
        ),
    ] {
        let refused = async {
            let index = index(&config, document()).await.unwrap_err();
            [index, probe(&config).await.unwrap_err()]
        };
        for error in tokio::time::timeout(Duration::from_secs(60), refused)
            .await
            .unwrap()
        {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.advice().contains(advice), "{}", error.advice());
            assert!(!error.chain().contains("wr0ng"));
        }
    }
}
