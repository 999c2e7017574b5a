//! An HTTP server whose answers are scripted.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One item of a bulk request: its `_id`, and whether it came with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) version: u64,
}

/// An answer.
pub(crate) enum Say {
    /// Status and body of the whole.
    Whole(u16, Value),
    /// Status 200, and a status for each item.
    Items(Vec<(u16, &'static str)>),
    /// None: the connection is closed.
    Nothing,
    /// None: the connection stays open.
    Silence,
}

/// Answers requests by a script that is told the request's number, from 0, and its items.
pub(crate) struct Scripted {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Vec<Sent>>>>,
    task: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start(script: impl Fn(usize, &[Sent]) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Vec<Sent>>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let script = Arc::new(script);
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move {
                    let script = script.as_ref();
                    let _closed = serve(socket, script, &seen).await;
                });
            }
        });
        Self { url, requests, task }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Vec<Sent>> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Every item with status 200.
pub(crate) fn all_good(items: &[Sent]) -> Say {
    Say::Items(items.iter().map(|_| (200, "")).collect())
}

async fn serve(
    socket: TcpStream,
    script: &(impl Fn(usize, &[Sent]) -> Say + Send + Sync),
    seen: &Mutex<Vec<Vec<Sent>>>,
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        let items = items(&body);
        let n = {
            let mut seen = seen.lock().unwrap();
            seen.push(items.clone());
            seen.len() - 1
        };
        let (status, body) = match script(n, &items) {
            Say::Nothing => return Ok(()),
            Say::Silence => std::future::pending().await,
            Say::Whole(status, body) => (status, body),
            Say::Items(statuses) => (200, reply(&statuses)),
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(body.as_bytes()).await?;
    }
}

fn items(body: &[u8]) -> Vec<Sent> {
    let text = std::str::from_utf8(body).unwrap();
    let mut lines = text.lines();
    let mut items = Vec::new();
    while let Some(action) = lines.next() {
        let action: Value = serde_json::from_str(action).unwrap();
        // Another request: of documents that are looked at, or none.
        let Some(of) = action.get("index").or(action.get("delete")) else {
            let docs = action["docs"].as_array().cloned().unwrap_or_default();
            let looked_at = |doc: &Value| Sent {
                id: doc["_id"].as_str().unwrap().to_owned(),
                version: 0,
            };
            return docs.iter().map(looked_at).collect();
        };
        if action.get("index").is_some() {
            serde_json::from_str::<Value>(lines.next().unwrap()).unwrap();
        }
        items.push(Sent {
            id: of["_id"].as_str().unwrap().to_owned(),
            version: of["version"].as_u64().unwrap_or(0),
        });
    }
    items
}

fn reply(statuses: &[(u16, &str)]) -> Value {
    let item = |(status, kind): &(u16, &str)| {
        if kind.is_empty() {
            json!({ "index": { "status": status } })
        } else {
            json!({ "index": { "status": status, "error": { "type": kind, "reason": "scripted" } } })
        }
    };
    let errors = statuses.iter().any(|(_, kind)| !kind.is_empty());
    json!({ "errors": errors, "items": statuses.iter().map(item).collect::<Vec<_>>() })
}
