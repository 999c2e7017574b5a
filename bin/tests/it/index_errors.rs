//! What the program says when the index cannot be used as configured.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::json;

use crate::bench::Bench;
use crate::search;

/// A pipeline straight to the index, with more lines in its `index` section.
fn config(bench: &Bench, url: &str, name: &str, more: &str) -> String {
    let slot = bench.sql("SELECT current_database()").unwrap();
    format!(
        "name: errors\nsource: {{url: '{}', slot: {{name: {slot}}}}}\nformat: {{topic_prefix: x, value_schemas: true}}\n\
         log: {{format: text}}\noffsets: {{type: file, path: '{}/offsets'}}\nindex:\n  urls: ['{url}']\n  name: {name}\n{more}",
        bench.url(),
        bench.dir.path().display()
    )
}

fn doctor(bench: &Bench, config: &str) -> Output {
    let file = bench.write(config);
    Command::new(env!("CARGO_BIN_EXE_pgcdc"))
        .arg("doctor")
        .arg(file)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A port that nobody listens on.
fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    format!("http://127.0.0.1:{port}")
}

#[test]
fn what_the_server_refuses_ends_with_its_reason_and_the_key_to_correct() {
    let bench = Bench::new("index_refused");
    bench.sql("INSERT INTO t VALUES (1, 'x')");
    let name = search::unique("index-refused");
    let mapped = format!("{name}-mapped");
    let body = json!({ "mappings": { "properties": { "id": { "type": "ip" } } } });
    assert_eq!(search::call("PUT", &mapped, Some(&body)).0, 200);
    for (index, more, wants) in [
        (
            &name,
            "  create: true\n  settings: {index.no_such_setting: 1}\n",
            &["unknown setting [index.no_such_setting]", "index.settings"][..],
        ),
        (
            &name,
            "  create: true\n  mappings: {properties: {id: {type: no_such_type}}}\n",
            &["no_such_type", "index.mappings"],
        ),
        (
            &format!("{name}-piped"),
            "  pipeline: no-such-pipeline\n",
            &["pipeline", "no-such-pipeline"],
        ),
        (
            &mapped,
            "  mapping: {infer: true}\n",
            &[
                "field id of index",
                "is mapped as ip",
                "integer",
                "pgcdc index rebuild",
            ],
        ),
    ] {
        let said = bench.run(&config(&bench, &search::url(), index, more)).fails();
        for want in wants {
            assert!(said.contains(want), "{more}{want}: {said}");
        }
    }
    // Before the first run, doctor says it.
    let checked = doctor(
        &bench,
        &config(&bench, &search::url(), &name, "  pipeline: no-such-pipeline\n"),
    );
    assert!(
        text(&checked).contains("there is no ingest pipeline no-such-pipeline"),
        "{}",
        text(&checked)
    );
    // The plan says the conflict before anything is written.
    let file = bench.write(&config(
        &bench,
        &search::url(),
        &mapped,
        "  mapping: {infer: true}\n",
    ));
    let plan = Command::new(env!("CARGO_BIN_EXE_pgcdc"))
        .args(["index", "plan"])
        .arg(file)
        .output()
        .unwrap();
    assert!(
        text(&plan).contains("# conflict: field id is mapped as ip"),
        "{}",
        text(&plan)
    );
    for index in [name.clone(), format!("{name}-piped"), mapped] {
        search::call("DELETE", &index, None);
    }
}

#[test]
fn an_address_that_does_not_answer_is_named_by_doctor_and_waited_for_by_run() {
    let bench = Bench::new("index_nowhere");
    bench.sql("INSERT INTO t VALUES (1, 'x')");
    let url = nowhere();
    let config = config(&bench, &url, "x", "  max_backoff_ms: 100\n");
    let output = doctor(&bench, &config);
    assert!(!output.status.success());
    assert!(
        text(&output).contains(&format!("no answer from {url}")),
        "{}",
        text(&output)
    );
    let run = bench.run(&config);
    bench.until("a warning", |b| {
        b.log().contains(&format!("no answer from {url}"))
    });
    run.stop();
    // Two mistakes that need no server.
    for (url, want) in [
        ("127.0.0.1:9200", "http://"),
        ("http://u:p@127.0.0.1:9200", "index.auth"),
    ] {
        let said = doctor(&bench, &self::config(&bench, url, "x", ""));
        assert!(text(&said).contains(want), "{}", text(&said));
    }
}

/// A server that knows nobody.
fn guarded() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 8192];
            let _read = stream.read(&mut request);
            let body = r#"{"error":{"root_cause":[{"type":"security_exception"}],"type":"security_exception","reason":"unable to authenticate user [u]"},"status":401}"#;
            let answer = format!(
                "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _gone = stream.write_all(answer.as_bytes());
        }
    });
    url
}

/// A server whose user may write to indexes of one prefix.
fn by_pattern(prefix: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut request, mut part) = (String::new(), [0; 8192]);
            let whole =
                |text: &str| text.contains("\r\n\r\n") && (!text.contains("_bulk") || text.ends_with("}}\n"));
            while !whole(&request) {
                let Ok(n @ 1..) = stream.read(&mut part) else {
                    break;
                };
                request.push_str(&String::from_utf8_lossy(&part[..n]));
            }
            let status = if request.contains(&format!(r#""_index":"{prefix}"#)) {
                404
            } else {
                403
            };
            let body = if request.contains("_bulk") {
                format!(r#"{{"errors":false,"items":[{{"delete":{{"status":{status}}}}}]}}"#)
            } else {
                r#"{"version":{"number":"2.19.1","distribution":"opensearch"}}"#.to_owned()
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _gone = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn doctor_tries_the_rights_on_the_index_of_a_table() {
    let bench = Bench::new("index_rights");
    bench.sql("INSERT INTO t VALUES (1, 'x')");
    for (prefix, wants) in [("x.public.", true), ("other", false)] {
        let said = text(&doctor(
            &bench,
            &config(&bench, &by_pattern(prefix), "'{topic}'", ""),
        ));
        assert!(said.contains("opensearch 2.19.1"), "{said}");
        assert_eq!(!said.contains("the user may not write"), wants, "{said}");
    }
}

#[test]
fn wrong_credentials_stop_doctor_and_run_at_once_and_show_no_secret() {
    let bench = Bench::new("index_guarded");
    bench.sql("INSERT INTO t VALUES (1, 'x')");
    let config = config(
        &bench,
        &guarded(),
        "x",
        "  auth: {username: u, password: hush-hush}\n",
    );
    let output = doctor(&bench, &config);
    assert!(!output.status.success());
    let said = [text(&output), bench.run(&config).fails()];
    for said in said {
        assert!(said.contains("401") && said.contains("index.auth"), "{said}");
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn a_key_that_is_too_long_for_an_id_becomes_its_hash() {
    let bench = Bench::new("index_long");
    bench.sql("CREATE TABLE k (name text PRIMARY KEY); INSERT INTO k SELECT repeat('é', n) FROM unnest(array[256, 257]) n");
    let prefix = search::unique("index-long");
    let config = config(&bench, &search::url(), "'{topic}'", "")
        .replace("topic_prefix: x", &format!("topic_prefix: {prefix}"));
    let run = bench.run(&config);
    let index = format!("{prefix}.public.k");
    bench.until("both rows", |_| search::documents(&index).len() == 2);
    let documents = search::documents(&index);
    let mut ids: Vec<&String> = documents.keys().collect();
    ids.sort_by_key(|id| id.len());
    // SHA-256 of 257 times é, in hexadecimal digits.
    assert_eq!((ids[0].len(), ids[1].len()), (64, 512));
    bench.sql("DELETE FROM k");
    bench.until("no row", |_| search::documents(&index).is_empty());
    run.stop();
    search::call("DELETE", &index, None);
}

#[test]
fn signing_for_aws_needs_a_program_that_can() {
    let bench = Bench::new("index_aws");
    let more = "  auth: {aws: {region: eu-central-1}}\n";
    let file = bench.write(&config(
        &bench,
        "https://search-x.eu-central-1.es.amazonaws.com",
        "x",
        more,
    ));
    let output = Command::new(env!("CARGO_BIN_EXE_pgcdc"))
        .arg("validate")
        .arg(file)
        .output()
        .unwrap();
    assert_eq!(
        output.status.success(),
        cfg!(feature = "aws"),
        "{}",
        text(&output)
    );
    if !cfg!(feature = "aws") {
        let said = text(&output);
        assert!(
            said.contains("index.auth.aws") && said.contains("--features aws"),
            "{said}"
        );
    }
}
