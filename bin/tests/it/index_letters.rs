//! Records that no document comes of: what transforms fail on, what is no JSON, what the server refuses. Each goes to the dead
//! letters as it came, with the reason, and all others are indexed.

use std::process::Command;
use std::time::Duration;

use cdc_kafka::{KafkaConfig, KafkaSource, SourceConfig};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::search::{self, Bytes};

/// Records: 1 and 5 are good; 2 fails in the transform, 3 in the converter, 4 at the server.
const RECORDS: [Bytes<'static>; 5] = [
    (Some(r#"{"id":1}"#), Some(r#"{"id": 1, "n": "11", "m": 1}"#)),
    (
        Some(r#"{"id":2}"#),
        Some(r#"{"id": 2, "n": "no number", "m": 2}"#),
    ),
    (Some(r#"{"id":3}"#), Some(r#"{"id": 3, "n""#)),
    (Some(r#"{"id":4}"#), Some(r#"{"id": 4, "n": "14", "m": "text"}"#)),
    (Some(r#"{"id":5}"#), Some(r#"{"id": 5, "n": "15", "m": 5}"#)),
];

/// Topics of a test, and a runtime for the clients.
struct Topics {
    runtime: tokio::runtime::Runtime,
    config: KafkaConfig,
    topic: String,
}

/// Key, value and headers of a record.
type Consumed = (Option<String>, Option<String>, Vec<(String, String)>);

impl Topics {
    fn new(test: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = serde_json::from_value(json!({ "bootstrap_servers": search::kafka() })).unwrap();
        let topics = Self {
            runtime,
            config,
            topic: search::unique(test),
        };
        let headers = [("origin", Some("test")), ("empty", None)];
        let sent = search::produce(&topics.config, &topics.topic, &RECORDS, &headers);
        topics.runtime.block_on(sent);
        topics
    }

    /// All records of a topic so far, at least `n`: key, value, headers.
    fn consume(&self, topic: &str, n: usize) -> Vec<Consumed> {
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
        self.runtime.block_on(async {
            let source = SourceConfig::new(vec![topic.to_owned()]);
            let mut source = KafkaSource::open(&self.config, &source, &search::unique("reader"))
                .await
                .unwrap();
            let mut found = Vec::new();
            while found.len() < n {
                let next = tokio::time::timeout(Duration::from_secs(20), source.next());
                for record in next.await.unwrap().unwrap().batch.records() {
                    let headers = record.headers();
                    let headers = headers.map(|(name, value)| (text(name), text(value.unwrap_or(b"(null)"))));
                    found.push((record.key.map(text), record.value.map(text), headers.collect()));
                }
            }
            source.close().await;
            found
        })
    }

    /// A pipeline from the topic to an index of another name, by a transform that cannot take every record.
    fn config(&self, more: &str) -> String {
        format!(
            "name: {0}\nkafka: {{bootstrap_servers: '{1}'}}\nconsume: {{topics: ['{0}']}}\nlog: {{format: text}}\n\
             transforms:\n  - regex_router: {{regex: '(.*)', replacement: '$1-new'}}\n  - cast: {{spec: ['n:int32']}}\n\
             index:\n  urls: ['{2}']\n  versions: kafka_offset\n  create: true\n\
             \x20 mappings: {{properties: {{m: {{type: long}}}}}}\n{more}",
            self.topic,
            search::kafka(),
            search::url()
        )
    }

    fn index(&self) -> String {
        format!("{}-new", self.topic)
    }

    fn expect_the_good_ones(&self, bench: &Bench) {
        bench.until("the good records", |_| {
            search::documents(&self.index()).len() == 2
        });
        let documents = search::documents(&self.index());
        assert_eq!(documents["1"], json!({ "id": 1, "n": 11, "m": 1 }));
        assert_eq!(documents["5"], json!({ "id": 5, "n": 15, "m": 5 }));
        // No index comes to be for a record that did not get through.
        assert_eq!(search::call("GET", &self.topic, None).0, 404);
    }

    fn remove(&self) {
        search::call("DELETE", &self.index(), None);
    }
}

#[test]
fn a_dead_letter_topic_gets_each_record_as_it_came_with_place_stage_and_reason() {
    let bench = Bench::new("letters_topic");
    let topics = Topics::new("letters-topic");
    let queue = format!("{}-dlq", topics.topic);
    let run = bench.run(&topics.config(&format!("  on_bad_document: {{dead_letter_topic: {queue}}}\n")));
    topics.expect_the_good_ones(&bench);
    let mut letters = topics.consume(&queue, 3);
    letters.sort();
    assert_eq!(letters.len(), 3);
    for ((key, value, headers), (at, stage, reason)) in letters.iter().zip([
        (1, "TRANSFORMATION", "transform 1.cast: "),
        (2, "VALUE_CONVERTER", "the value cannot be read"),
        (3, "TASK_PUT", "field [m]"),
    ]) {
        let came = RECORDS[at];
        assert_eq!((key.as_deref(), value.as_deref()), came);
        let header = |name: &str| {
            let found = headers.iter().find(|(n, _)| n == name);
            found.map_or_else(|| panic!("{name}: {headers:?}"), |(_, v)| v.as_str())
        };
        assert_eq!((header("origin"), header("empty")), ("test", "(null)"));
        assert_eq!(header("__connect.errors.topic"), topics.topic);
        assert_eq!(header("__connect.errors.partition"), "0");
        assert_eq!(header("__connect.errors.offset"), at.to_string());
        assert_eq!(header("__connect.errors.connector.name"), topics.topic);
        assert_eq!(header("__connect.errors.stage"), stage);
        let message = header("__connect.errors.exception.message");
        assert!(message.contains(reason), "{message}");
    }
    let statuses = letters
        .iter()
        .map(|(.., h)| h.iter().find(|(n, _)| n == "pgcdc.status").is_some());
    assert_eq!(statuses.collect::<Vec<_>>(), [false, false, true]);
    run.stop();
    topics.remove();
}

#[test]
fn a_dead_letter_file_has_a_line_for_each_with_the_record_and_what_became_of_it() {
    let bench = Bench::new("letters_file");
    let topics = Topics::new("letters-file");
    let file = bench.dir.path().join("letters");
    let run = bench.run(&topics.config(&format!(
        "  on_bad_document: {{dead_letter: '{}'}}\n",
        file.display()
    )));
    topics.expect_the_good_ones(&bench);
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    bench.until("three letters", |_| read().lines().count() == 3);
    let mut lines: Vec<Value> = read().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    lines.sort_by_key(|l| l["offset"].as_u64());
    for (line, (at, stage)) in
        lines
            .iter()
            .zip([(1, "TRANSFORMATION"), (2, "VALUE_CONVERTER"), (3, "TASK_PUT")])
    {
        assert_eq!(line["topic"], json!(topics.topic));
        assert_eq!((&line["partition"], &line["offset"]), (&json!(0), &json!(at)));
        assert_eq!(line["stage"], stage);
        assert_eq!(line["headers"], json!({ "origin": "test", "empty": null }));
        assert_eq!(line["key"].to_string(), RECORDS[at].0.unwrap());
        assert!(!line["reason"].as_str().unwrap().contains("no number"), "{line}");
    }
    assert_eq!(lines[0]["value"], json!({ "id": 2, "n": "no number", "m": 2 }));
    assert_eq!(lines[1]["value"], r#"{"id": 3, "n""#);
    // What the server was asked to take, beside what it was made of.
    assert_eq!(lines[2]["value"], json!({ "id": 4, "n": "14", "m": "text" }));
    assert_eq!(lines[2]["document"], json!({ "id": 4, "n": 14, "m": "text" }));
    assert_eq!(lines[2]["index"], json!(topics.index()));
    assert_eq!(lines[0].get("index"), None);
    run.stop();
    topics.remove();
}

#[test]
fn what_transforms_fail_on_goes_by_the_policy() {
    let bench = Bench::new("letters_policy");
    let topics = Topics::new("letters-policy");
    let run = bench.run(&topics.config("  on_bad_document: skip\n"));
    topics.expect_the_good_ones(&bench);
    run.stop();
    for (policy, hint) in [
        ("", "index.on_invalid_record"),
        (
            "  on_bad_document: skip\n  on_invalid_record: fail\n",
            "index.on_invalid_record",
        ),
        (
            "  on_bad_document: skip\non_record_error: fail\n",
            "index.on_invalid_record",
        ),
    ] {
        let config = topics
            .config(policy)
            .replace("consume: {", "consume: {group_id: policy-GROUP, ");
        let config = config.replace("GROUP", &search::unique("g"));
        let said = bench.run(&config).fails();
        assert!(
            said.contains("transform 1.cast failed") && said.contains("offset 1"),
            "{said}"
        );
        assert!(said.contains(hint) && !said.contains("no number"), "{said}");
    }
    topics.remove();
}

#[test]
fn on_the_direct_route_a_failed_record_is_kept_and_the_rest_goes_on() {
    let bench = Bench::new("letters_direct");
    bench.sql("INSERT INTO t VALUES (1, '11'), (2, 'no number'), (3, '13')");
    let (prefix, file) = (search::unique("letters-direct"), bench.dir.path().join("letters"));
    let config = format!(
        "name: direct\nsource: {{url: '{}', slot: {{name: letters_direct}}}}\nformat: {{topic_prefix: {prefix}}}\n\
         log: {{format: text}}\noffsets: {{type: file, path: '{}/offsets'}}\n\
         transforms:\n  - extract_new_record_state: {{}}\n  - cast: {{spec: ['v:int32']}}\n\
         index: {{urls: ['{}'], on_bad_document: {{dead_letter: '{}'}}}}\n",
        bench.url(),
        bench.dir.path().display(),
        search::url(),
        file.display()
    );
    let run = bench.run(&config);
    let index = format!("{prefix}.public.t");
    bench.until("the good rows", |_| search::documents(&index).len() == 2);
    bench.sql("UPDATE t SET v = 'none either' WHERE id = 3; INSERT INTO t VALUES (4, '14')");
    bench.until("the row behind the bad one", |_| {
        search::documents(&index).len() == 3
    });
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, (op, row)) in lines.iter().zip([
        ("r", json!({ "id": 2, "v": "no number" })),
        ("u", json!({ "id": 3, "v": "none either" })),
    ]) {
        assert_eq!(line["topic"], json!(index));
        assert_eq!(line["stage"], "TRANSFORMATION");
        assert!(line["position"].as_str().unwrap().contains(':'), "{line}");
        assert_eq!(
            (&line["value"]["op"], &line["value"]["after"]),
            (&json!(op), &row)
        );
    }
    // The document of a failed change stays as it was.
    assert_eq!(search::documents(&index)["3"], json!({ "id": 3, "v": 13 }));
    run.stop();
    search::call("DELETE", &index, None);
}

#[test]
fn a_connectors_tolerance_is_that_of_its_transforms_too() {
    let bench = Bench::new("letters_import");
    let file = bench.dir.path().join("connector.properties");
    let yaml = |more: &str| {
        let text = format!(
            "name=es\nconnector.class=io.confluent.connect.elasticsearch.ElasticsearchSinkConnector\ntopics=a\n\
             bootstrap.servers=k:9092\nconnection.url=http://h:9200\ntransforms=c\n\
             transforms.c.type=org.apache.kafka.connect.transforms.Cast$Value\ntransforms.c.spec=n:int32\n{more}"
        );
        std::fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pgcdc"))
            .arg("import")
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = yaml("errors.tolerance=all\nerrors.deadletterqueue.topic.name=dlq\n");
    assert!(
        all.contains("on_invalid_record:\n    dead_letter_topic: dlq\n") && !all.contains("on_record_error"),
        "{all}"
    );
    let drops = yaml("drop.invalid.message=true\n");
    assert!(
        drops.contains("on_invalid_record: skip\n") && drops.contains("on_record_error: fail\n"),
        "{drops}"
    );
    let neither = yaml("");
    assert!(
        neither.contains("on_invalid_record: fail\n") && !neither.contains("on_record_error"),
        "{neither}"
    );
}
