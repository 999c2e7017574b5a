//! The node is killed while documents are written, and comes back.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cdc_core::seam::Sink as _;
use serde_json::json;
use sink_es::IndexSink;

use crate::events::Events;
use crate::node::Node;

/// A node of the test's own, started by the repository's script.
struct Own {
    port: u16,
}

impl Own {
    fn run(&self, args: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/opensearch");
        let port = self.port.to_string();
        let name = format!("it-{port}");
        let done = Command::new(script)
            .args(args)
            .args(["--name", &name, "--port", &port])
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// On a port that is free, as is the one 1000 above it, which the node uses as well. OpenSearch's runner takes no port
    /// above 9299.
    fn start() -> Self {
        let free = |p: u16| std::net::TcpListener::bind(("127.0.0.1", p)).is_ok();
        let port = (9260..=9299).find(|&p| free(p) && free(p + 1000)).unwrap();
        let own = Self { port };
        // The version under test, if the tests run against several.
        let version = std::env::var("PGCDC_TEST_INDEX_VERSION").unwrap_or_else(|_| "2".into());
        own.run(&["up", "--version", &version]);
        own
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_loses_nothing() {
    let own = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let node = Node::at(format!("http://127.0.0.1:{}", own.port), "killed");
    let config = node.config(&json!({
        "max_backoff_ms": 1000,
        "bulk": { "max_docs": 100, "linger_ms": 0, "max_buffered_bytes": 200_000 },
    }));
    let mut sink = IndexSink::new(&config).unwrap();
    let mut durable = sink.durable();
    let topic = node.topic.clone();
    let (killed, mut kill) = tokio::sync::oneshot::channel();
    // Each document is written twice, the second time with a higher version, every tenth is then deleted.
    let writer = tokio::spawn(async move {
        let mut events = Events::new(&topic);
        for lsn in 1..=9000_u64 {
            let id = lsn % 3000;
            if lsn > 6000 {
                if id.is_multiple_of(10) {
                    events.delete(lsn * 8, id);
                }
            } else {
                events.put(lsn * 8, id, &json!({ "lsn": lsn }));
            }
            if lsn.is_multiple_of(50) {
                sink.write(events.take()).await.unwrap();
                // So that the kill meets a writer, and there is something left to write after it.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if lsn == 6000 {
                (&mut kill).await.unwrap();
            }
        }
        sink.flush().await.unwrap();
    });
    durable.wait_for(|&n| n >= 60).await.unwrap();
    tokio::task::block_in_place(|| own.run(&["down", "--keep", "--kill"]));
    killed.send(()).unwrap();
    tokio::task::block_in_place(|| own.run(&["up"]));
    tokio::time::timeout(Duration::from_secs(60), writer)
        .await
        .unwrap()
        .unwrap();
    let all = node.all().await;
    assert_eq!(all.len(), 2700);
    for id in (0..3000_u64).filter(|id| !id.is_multiple_of(10)) {
        assert_eq!(all[&id.to_string()], json!({ "lsn": 3000 + id }), "{id}");
    }
    assert_eq!(node.get("7").await.unwrap().1, 3007);
    tokio::task::spawn_blocking(move || drop(own)).await.unwrap();
}
