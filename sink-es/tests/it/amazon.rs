//! Requests that are signed, against a server that works the signature out for itself, as AWS describes it, and answers only
//! those that are right. Keys come from the environment of the test's own process, which another test starts.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use cdc_core::ErrorKind;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sink_es::{IndexConfig, probe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::events::{Events, index};

/// Keys that the server knows: the access key's secret, and the session token that goes with it.
const KEY: &str = "AKIDTEST";
const SECRET: &str = "a/secret+key";
const TOKEN: &str = "the-session-token==";

/// What a server with signatures saw.
#[derive(Clone, Default)]
struct Seen {
    /// Method, path and plain body of requests whose signature was right.
    good: Arc<Mutex<Vec<(String, String, String)>>>,
    /// Why others were refused.
    bad: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    fn bad(&self) -> Vec<String> {
        self.bad.lock().unwrap().clone()
    }

    fn bodies(&self, method: &str, path: &str) -> Vec<String> {
        let good = self.good.lock().unwrap();
        let these = good.iter().filter(|(m, p, _)| m == method && p.starts_with(path));
        these.map(|(.., body)| body.clone()).collect()
    }
}

/// Starts the server for one service and region.
async fn start(service: &'static str) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, service, shared.clone()));
        }
    });
    (format!("http://{address}"), seen)
}

async fn serve(mut stream: TcpStream, service: &'static str, seen: Seen) {
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            let mut chunk = [0; 65536];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            }
        };
        let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
        let mut lines = head.lines();
        let mut first = lines.next().unwrap().split(' ');
        let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
        let headers: BTreeMap<String, String> = lines
            .filter_map(|l| l.split_once(':'))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
            .collect();
        let length: usize = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
        while buffer.len() < head_end + 4 + length {
            let mut chunk = [0; 65536];
            let n = stream.read(&mut chunk).await.unwrap();
            buffer.extend_from_slice(&chunk[..n]);
        }
        let body = buffer[head_end + 4..head_end + 4 + length].to_vec();
        buffer.drain(..head_end + 4 + length);
        let (status, answer) = match verify(&method, &target, &headers, &body, service) {
            Err(why) => {
                seen.bad.lock().unwrap().push(why.clone());
                (403, json!({ "message": why }))
            }
            Ok(()) => {
                let plain = if headers.get("content-encoding").is_some_and(|e| e == "gzip") {
                    let mut plain = String::new();
                    flate2::read::GzDecoder::new(&body[..])
                        .read_to_string(&mut plain)
                        .unwrap();
                    plain
                } else {
                    String::from_utf8(body).unwrap()
                };
                let answer = answer(&method, &target, &plain);
                seen.good.lock().unwrap().push((method, target, plain));
                answer
            }
        };
        let text = answer.to_string();
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// As a small cluster would answer.
fn answer(method: &str, target: &str, body: &str) -> (u16, Value) {
    match (method, target) {
        ("GET", "/") => (
            200,
            json!({ "cluster_name": "c", "version": { "number": "2.19.0", "distribution": "opensearch" } }),
        ),
        ("POST", t) if t.starts_with("/_bulk") => {
            let actions = body
                .lines()
                .filter(|l| l.starts_with("{\"index\":{") || l.starts_with("{\"delete\":{"));
            let items: Vec<Value> = actions.map(|_| json!({ "index": { "status": 200 } })).collect();
            (200, json!({ "errors": false, "items": items }))
        }
        _ => (200, json!({})),
    }
}

/// Works the signature out as AWS describes it and compares.
fn verify(
    method: &str,
    target: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    service: &str,
) -> Result<(), String> {
    let header = |name: &str| headers.get(name).ok_or(format!("{name} is missing"));
    let authorization = header("authorization")?;
    let rest = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("another algorithm")?;
    let parts: BTreeMap<&str, &str> = rest.split(", ").filter_map(|p| p.split_once('=')).collect();
    let (credential, signed) = (parts["Credential"], parts["SignedHeaders"]);
    let scope: Vec<&str> = credential.split('/').collect();
    let [key, day, region, named, "aws4_request"] = scope[..] else {
        return Err(format!("scope {credential}"));
    };
    if (key, region, named) != (KEY, "eu-test-1", service) {
        return Err(format!("scope {credential}"));
    }
    if header("x-amz-security-token")? != TOKEN {
        return Err("another session token".into());
    }
    let date = header("x-amz-date")?;
    if !date.starts_with(day) || age(date) > 60 {
        return Err(format!("date {date}"));
    }
    let hash = hex(&Sha256::digest(body));
    if *header("x-amz-content-sha256")? != hash {
        return Err("the hash is not that of the body".into());
    }
    for must in [
        "host",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-security-token",
    ] {
        if !signed.split(';').any(|s| s == must) {
            return Err(format!("{must} is not signed"));
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            format!(
                "{}={}",
                encode(&decode(name), false),
                encode(&decode(value), false)
            )
        })
        .collect();
    pairs.sort();
    let mut canonical = format!(
        "{method}\n{}\n{}\n",
        encode(path.as_bytes(), true),
        pairs.join("&")
    );
    for name in signed.split(';') {
        canonical.push_str(&format!("{name}:{}\n", header(name)?));
    }
    canonical.push_str(&format!("\n{signed}\n{hash}"));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{service}/aws4_request\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut signing = format!("AWS4{SECRET}").into_bytes();
    for step in [day, region, service, "aws4_request", &to_sign] {
        signing = hmac(&signing, step.as_bytes());
    }
    if hex(&signing) != parts["Signature"] {
        return Err(format!("the signature is not that of {method} {target}"));
    }
    Ok(())
}

/// HMAC with SHA-256: RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    outer.to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Percent-encodes all but unreserved characters, and slashes in a path. What is encoded already is encoded again.
fn encode(bytes: &[u8], path: bool) -> String {
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') || (path && b == b'/');
    bytes
        .iter()
        .map(|&b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

fn decode(text: &str) -> Vec<u8> {
    let (bytes, mut out, mut i) = (text.as_bytes(), Vec::new(), 0);
    while i < bytes.len() {
        if bytes[i] == b'%' {
            out.push(u8::from_str_radix(&text[i + 1..i + 3], 16).unwrap());
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    out
}

/// How many seconds `20150830T123600Z` lies from now, days left out.
fn age(date: &str) -> u64 {
    let part = |range: std::ops::Range<usize>| date[range].parse::<u64>().unwrap();
    let of_day = part(9..11) * 3600 + part(11..13) * 60 + part(13..15);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 86_400;
    now.abs_diff(of_day).min(86_400 - now.abs_diff(of_day))
}

fn config(url: &str, more: &Value) -> IndexConfig {
    let mut config = json!({ "urls": [url], "auth": { "aws": { "region": "eu-test-1" } } });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

/// The variable that tells a test that it runs in a process with keys of its own.
const INSIDE: &str = "PGCDC_TEST_AWS_INSIDE";

/// Runs the test again in a process with these variables and no other of AWS's; true in that process.
fn inside(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("AWS_")) {
        command.env_remove(name);
    }
    let output = command
        .args([&format!("amazon::{test}"), "--exact", "--nocapture"])
        .envs(variables.iter().copied())
        .env(
            "AWS_CONFIG_FILE",
            variables
                .iter()
                .find(|(n, _)| *n == "AWS_CONFIG_FILE")
                .map_or("/dev/null", |v| v.1),
        )
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", KEY),
    ("AWS_SECRET_ACCESS_KEY", SECRET),
    ("AWS_SESSION_TOKEN", TOKEN),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

#[tokio::test]
async fn every_request_is_signed_with_the_hash_of_what_goes_over_the_wire() {
    if !inside(
        "every_request_is_signed_with_the_hash_of_what_goes_over_the_wire",
        &KEYS,
    ) {
        return;
    }
    for (gzip, service) in [(false, "es"), (true, "es"), (true, "aoss")] {
        let (url, seen) = start(service).await;
        // A name that must be encoded in the path of the index's creation, and again for the signature.
        let config = config(
            &url,
            &json!({ "gzip": gzip, "create": true, "name": "é ü-{topic}",
                "auth": { "aws": { "region": "eu-test-1", "service": service } } }),
        );
        let mut events = Events::new("signed");
        for id in 1..=2000 {
            events.put(8 * id, id, &json!({ "id": id, "text": "x".repeat(100) }));
        }
        index(&config, [events.take()]).await.unwrap();
        assert_eq!(seen.bad(), Vec::<String>::new());
        let documents: usize = seen
            .bodies("POST", "/_bulk")
            .iter()
            .map(|b| b.lines().count() / 2)
            .sum();
        assert_eq!(documents, 2000);
        assert!(!seen.bodies("PUT", "/%C3%A9_%C3%BC-signed").is_empty());
    }
}

#[tokio::test]
async fn a_signature_that_is_refused_stops_and_says_so() {
    let wrong = [KEYS[0], ("AWS_SECRET_ACCESS_KEY", "another"), KEYS[2], KEYS[3]];
    if !inside("a_signature_that_is_refused_stops_and_says_so", &wrong) {
        return;
    }
    let (url, seen) = start("es").await;
    let mut events = Events::new("refused");
    let batch = events.put(8, 1, &json!({ "id": 1 })).take();
    let error = index(&config(&url, &json!({})), [batch]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Privilege, "{error:?}");
    assert!(
        error.chain().contains("403: the signature is not that of"),
        "{}",
        error.chain()
    );
    assert!(!error.chain().contains("another"), "{}", error.chain());
    assert!(!probe(&config(&url, &json!({}))).await.unwrap().may_write);
    assert!(
        seen.bad()
            .iter()
            .all(|why| why.starts_with("the signature is not that of")),
        "{:?}",
        seen.bad()
    );
}

#[tokio::test]
async fn without_keys_or_region_the_error_says_where_they_are_looked_for() {
    if !inside(
        "without_keys_or_region_the_error_says_where_they_are_looked_for",
        &KEYS[3..],
    ) {
        return;
    }
    let (url, _) = start("es").await;
    let error = probe(&config(&url, &json!({}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    assert!(error.advice().contains("AWS_ACCESS_KEY_ID"), "{}", error.advice());
    let error = probe(&config(&url, &json!({ "auth": { "aws": {} } })))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("index.auth.aws.region is missing"),
        "{error}"
    );
}

#[tokio::test]
async fn keys_come_from_the_instances_metadata_and_from_a_web_identity() {
    if std::env::var_os(INSIDE).is_none() {
        let dir = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (metadata, tokens) = (
            credential_services().await,
            dir.join(format!("web-token-{}", std::process::id())),
        );
        std::fs::write(&tokens, "a-web-identity-token").unwrap();
        let tokens = tokens.display().to_string();
        let this = "keys_come_from_the_instances_metadata_and_from_a_web_identity";
        let run = |variables: Vec<(&'static str, String)>| async move {
            let done = tokio::task::spawn_blocking(move || {
                let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
                inside(this, &variables)
            });
            done.await.unwrap()
        };
        run(vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.clone())]).await;
        run(vec![
            ("AWS_WEB_IDENTITY_TOKEN_FILE", tokens),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/indexer".into()),
            ("AWS_ENDPOINT_URL_STS", metadata.clone()),
            ("AWS_REGION", "eu-test-1".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ])
        .await;
        let profile = dir.join(format!("aws-config-{}", std::process::id()));
        std::fs::write(
            &profile,
            format!("[profile indexer]\nregion = eu-test-1\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n"),
        )
        .unwrap();
        run(vec![
            ("AWS_CONFIG_FILE", profile.display().to_string()),
            ("AWS_PROFILE", "indexer".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ])
        .await;
        return;
    }
    // The region, too, comes from there.
    let (url, seen) = start("es").await;
    let found = probe(&config(&url, &json!({ "auth": { "aws": {} } }))).await;
    assert!(found.unwrap().may_write);
    assert_eq!(seen.bad(), Vec::<String>::new());
}

/// What stands for the metadata service of an instance and for the token service, as far as keys are asked for there.
async fn credential_services() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 16384];
                let n = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..n]).into_owned();
                let expiry = "2099-01-01T00:00:00Z";
                let text = match request.split(' ').nth(1).unwrap_or_default() {
                    "/latest/api/token" => "an-imds-token".to_owned(),
                    _ if request.starts_with("GET") && !request.contains("an-imds-token") => String::new(),
                    "/latest/meta-data/placement/region" => "eu-test-1".to_owned(),
                    path if path.ends_with("/indexer") || path.ends_with("/indexer/") => json!({
                        "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": TOKEN,
                        "LastUpdated": "2024-01-01T00:00:00Z", "Expiration": expiry, "AccountId": "123456789012" }).to_string(),
                    path if path.contains("security-credentials") => "indexer".to_owned(),
                    "/" => format!(
                        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
                         <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/indexer/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>\
                         <Credentials><AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
                         <Expiration>{expiry}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
                    ),
                    _ => String::new(),
                };
                let status = if text.is_empty() { 404 } else { 200 };
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
                let _gone = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    format!("http://{address}")
}
