//! A client of Confluent-compatible schema registries, for the Avro converter.
//!
//! The converter asks while it writes a record, which is no async context, and it asks once a schema. So requests run on a
//! thread of their own and the asker waits for the answer.

mod config;
mod tls;

use std::fmt;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use cdc_core::convert::{ConvertError, SchemaRegistry};
use cdc_core::{Error, ErrorKind};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub use self::config::RegistryConfig;

/// The registry's own type of content.
const CONTENT: &str = "application/vnd.schemaregistry.v1+json";
/// Rounds over all addresses before the asker is told that nobody answers.
const ROUNDS: u32 = 4;
/// Wait after the first round; doubles with each.
const WAIT: Duration = Duration::from_millis(250);

/// A request and where its answer goes.
struct Job {
    method: Method,
    path: Vec<String>,
    body: Option<Value>,
    answer: std_mpsc::SyncSender<Result<(StatusCode, Value), String>>,
}

/// A registry.
pub struct Registry {
    jobs: mpsc::UnboundedSender<Job>,
    addresses: String,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Sets the client up; asks nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Tls`] that names the option.
    pub fn new(config: &RegistryConfig) -> Result<Self, Error> {
        let urls = config.parsed_urls()?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(CONTENT));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        if let Some(authorization) = config.authorization()? {
            headers.insert(AUTHORIZATION, authorization);
        }
        let secure = urls.iter().any(|u| u.scheme() == "https");
        let limit = Duration::from_millis(config.timeout_ms);
        let client = Client::builder()
            .tls_backend_preconfigured(tls::client_config(config.ca_file.as_deref(), secure)?)
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            // An address that is silent leaves time for the others.
            .timeout(limit / u32::try_from(urls.len()).unwrap_or(1).max(1))
            .user_agent(concat!("pgcdc/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| {
                Error::new(ErrorKind::Config, "cannot set up the registry's client").with_source(e)
            })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the registry's thread").with_source(e))?;
        let addresses = urls
            .iter()
            .map(|u| u.origin().ascii_serialization())
            .collect::<Vec<_>>()
            .join(", ");
        let (jobs, queue) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("registry".into())
            .spawn(move || runtime.block_on(serve(client, urls, limit, queue)))
            .map_err(|e| Error::new(ErrorKind::Io, "cannot start the registry's thread").with_source(e))?;
        Ok(Self { jobs, addresses })
    }

    /// Sends a request and waits for its answer.
    fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), ConvertError> {
        let (answer, wait) = std_mpsc::sync_channel(1);
        let job = Job {
            method,
            path: path.iter().map(|s| (*s).to_owned()).collect(),
            body,
            answer,
        };
        let ended = || ConvertError::transient("the schema registry's thread has ended");
        self.jobs.send(job).map_err(|_| ended())?;
        let answered = wait.recv().map_err(|_| ended())?;
        answered.map_err(|e| {
            ConvertError::transient(format!(
                "the schema registry {} does not answer: {e}",
                self.addresses
            ))
        })
    }
}

/// Answers requests until nobody can ask any more; each within `limit`, for a stream waits meanwhile.
async fn serve(client: Client, urls: Vec<Url>, limit: Duration, mut queue: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = queue.recv().await {
        let result = tokio::time::timeout(limit, send(&client, &urls, &job)).await;
        let result = result.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs_f32())));
        // The asker may have gone.
        drop(job.answer.send(result));
    }
}

/// Asks one address after the other, several times; gives the first answer that is not a server's failure.
async fn send(client: &Client, urls: &[Url], job: &Job) -> Result<(StatusCode, Value), String> {
    let mut last = String::new();
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(WAIT * 2_u32.pow(round - 1)).await;
        }
        for url in urls {
            match once(client, url, job).await {
                Ok((status, body))
                    if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS =>
                {
                    return Ok((status, body));
                }
                Ok((status, body)) => last = format!("status {status}: {}", message(&body)),
                Err(error) => last = chain(&error),
            }
        }
    }
    Err(last)
}

async fn once(client: &Client, base: &Url, job: &Job) -> Result<(StatusCode, Value), reqwest::Error> {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(&job.path);
    }
    let mut request = client.request(job.method.clone(), url);
    if let Some(body) = &job.body {
        request = request.body(body.to_string());
    }
    let response = request.send().await?;
    let status = response.status();
    let bytes = response.bytes().await?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The registry's explanation.
fn message(body: &Value) -> String {
    let text = body
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("no explanation");
    text.chars().take(500).collect()
}

/// An answer that is no success, in words that say what to do.
fn refused(what: &str, subject: &str, status: StatusCode, body: &Value) -> ConvertError {
    let why = message(body);
    ConvertError::new(match status.as_u16() {
        409 => format!(
            "the schema is not compatible with those of subject {subject}: {why}; change the table back, or the subject's compatibility"
        ),
        401 | 403 => format!(
            "the schema registry refuses to {what} for subject {subject}: {why}; check its credentials"
        ),
        404 => format!(
            "the schema registry does not know the schema of subject {subject}: {why}; register it, or set auto_register"
        ),
        code => format!("the schema registry cannot {what} for subject {subject}: status {code}: {why}"),
    })
}

/// The number in a member of an answer.
fn id(body: &Value) -> Result<u32, ConvertError> {
    let id = body
        .get("id")
        .and_then(Value::as_u64)
        .and_then(|n| u32::try_from(n).ok());
    id.ok_or_else(|| ConvertError::new("the schema registry's answer holds no id"))
}

impl SchemaRegistry for Registry {
    fn register(&self, subject: &str, schema: &str) -> Result<u32, ConvertError> {
        let body = json!({ "schema": schema });
        let (status, body) = self.ask(Method::POST, &["subjects", subject, "versions"], Some(body))?;
        if !status.is_success() {
            return Err(refused("register a schema", subject, status, &body));
        }
        id(&body)
    }

    fn lookup(&self, subject: &str, schema: &str) -> Result<u32, ConvertError> {
        let body = json!({ "schema": schema });
        let (status, body) = self.ask(Method::POST, &["subjects", subject], Some(body))?;
        if !status.is_success() {
            return Err(refused("look a schema up", subject, status, &body));
        }
        id(&body)
    }

    fn latest(&self, subject: &str) -> Result<(u32, String), ConvertError> {
        let (status, body) = self.ask(Method::GET, &["subjects", subject, "versions", "latest"], None)?;
        if !status.is_success() {
            return Err(refused("give the latest schema", subject, status, &body));
        }
        Ok((id(&body)?, text(&body)?))
    }

    fn schema(&self, id: u32) -> Result<String, ConvertError> {
        let (status, body) = self.ask(Method::GET, &["schemas", "ids", &id.to_string()], None)?;
        if !status.is_success() {
            let why = message(&body);
            return Err(ConvertError::new(format!(
                "the schema registry has no schema {id}: status {status}: {why}"
            )));
        }
        match body.get("schemaType").and_then(Value::as_str) {
            None | Some("AVRO") => text(&body),
            Some(other) => Err(ConvertError::new(format!("the schema {id} is {other}, not Avro"))),
        }
    }
}

fn text(body: &Value) -> Result<String, ConvertError> {
    let text = body.get("schema").and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| ConvertError::new("the schema registry's answer holds no schema"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A server that gives these answers in turn, and what it was asked.
    fn server(answers: Vec<(u16, &'static str)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    let n = stream.read(&mut buffer).unwrap();
                    request.extend_from_slice(&buffer[..n]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((head, rest)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let length = head.lines().find_map(|l| {
                        l.to_ascii_lowercase()
                            .strip_prefix("content-length: ")?
                            .parse()
                            .ok()
                    });
                    if rest.len() >= length.unwrap_or(0) {
                        break;
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let auth = text
                    .lines()
                    .any(|l| l.eq_ignore_ascii_case("authorization: basic dtpw"));
                asked.push(format!("{} {auth}", text.lines().next().unwrap_or_default()));
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                )
                .unwrap();
            }
            asked
        });
        (url, asked)
    }

    #[test]
    fn requests_are_confluents_and_failures_say_what_to_do() {
        let (url, asked) = server(vec![
            (200, r#"{"id":7}"#),
            (503, r#"{"message":"starting"}"#),
            (409, r#"{"error_code":409,"message":"reader type differs"}"#),
            (404, r#"{"error_code":40403,"message":"Schema not found"}"#),
            (200, r#"{"schema":"\"int\""}"#),
        ]);
        let config = RegistryConfig {
            username: Some("u".into()),
            password: Some("p".into()),
            ..RegistryConfig::new(vec![url])
        };
        let registry = Registry::new(&config).unwrap();
        assert_eq!(registry.register("a/b-value", "\"int\"").unwrap(), 7);
        let conflict = registry.register("t-value", "\"int\"").unwrap_err();
        assert!(
            !conflict.is_transient()
                && conflict
                    .to_string()
                    .contains("not compatible with those of subject t-value")
        );
        assert!(
            registry
                .lookup("t-value", "\"int\"")
                .unwrap_err()
                .to_string()
                .contains("auto_register")
        );
        assert_eq!(registry.schema(7).unwrap(), "\"int\"");
        assert_eq!(
            asked.join().unwrap(),
            [
                "POST /api/subjects/a%2Fb-value/versions HTTP/1.1 true",
                "POST /api/subjects/t-value/versions HTTP/1.1 true",
                "POST /api/subjects/t-value/versions HTTP/1.1 true",
                "POST /api/subjects/t-value HTTP/1.1 true",
                "GET /api/schemas/ids/7 HTTP/1.1 true",
            ]
        );
    }
}
