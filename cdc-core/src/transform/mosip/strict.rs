//! What strict mode does otherwise than the Java classes.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::{LookupTable, Reply, Search};
use crate::transform::ChainConfig;
use crate::transform::fixture::{json as text, plain};
use crate::{Error, ErrorKind};

/// Answers every search with one document, and notes what was asked.
#[derive(Debug, Default)]
struct Noting(Mutex<Vec<(String, String)>>);

impl Search for Noting {
    fn request(&self, method: &str, url: &str, body: Option<&str>) -> Result<Reply, String> {
        self.0
            .lock()
            .unwrap()
            .push((format!("{method} {url}"), body.unwrap_or_default().to_owned()));
        if url.contains("down") {
            return Err("refused".into());
        }
        let status = match url {
            _ if url.contains("busy") => 503,
            _ if url.contains("refused") && method != "PUT" => 403,
            _ => 200,
        };
        let hit = json!({ "hits": { "hits": [{ "_id": "a/b", "_source": { "n": 7, "s": "x" } }] } });
        Ok(Reply {
            status,
            body: hit.to_string(),
        })
    }

    fn query(&self, table: &LookupTable, sql: &str) -> Result<Option<String>, Error> {
        self.0.lock().unwrap().push((table.url.clone(), sql.to_owned()));
        if sql.contains("down") {
            return Err(Error::new(ErrorKind::ServerUnavailable, "no"));
        }
        Ok((!sql.contains("nobody")).then(|| "7.50".into()))
    }
}

/// Each record's document or error, and the questions that were asked.
type Outcome = (Vec<Result<String, String>>, Vec<(String, String)>);

#[expect(clippy::needless_pass_by_value, reason = "steps are made for one call")]
fn run(step: Json, records: &[&str]) -> Outcome {
    let config: ChainConfig = serde_json::from_value(json!({ "transforms": [step] })).unwrap();
    let mut chain = config.build().unwrap();
    let noting = Arc::new(Noting::default());
    let search: Arc<dyn Search> = Arc::<Noting>::clone(&noting);
    chain.connect(&search);
    let apply = |r: &&str| {
        chain
            .apply(plain(r))
            .map(|r| text(&r.unwrap()))
            .map_err(|e| e.reason.to_string())
    };
    let out = records.iter().map(apply).collect();
    let asked = noting.0.lock().unwrap().clone();
    (out, asked)
}

#[test]
fn times_round_down_and_missing_fields_stay_away() {
    let step = json!({ "timestamp_converter_adv": { "field": "t", "input_type": "micro_sec" } });
    let (out, _) = run(step, &[r#"{"t":-1}"#, r#"{"o":1}"#]);
    assert_eq!(
        out,
        [
            Ok(r#"{"t":"1969-12-31T23:59:59.999Z"}"#.into()),
            Ok(r#"{"o":1}"#.into())
        ]
    );
    let days = json!({ "timestamp_converter_adv": { "field": "d", "input_type": "days_epoch", "output_format": "yyyy-MM-dd" } });
    assert_eq!(
        run(days, &[r#"{"d":18877}"#]).0,
        [Ok(r#"{"d":"2021-09-07"}"#.into())]
    );
}

#[test]
fn json_is_json() {
    let step = || json!({ "string_to_json": { "input_field": "p" } });
    let (out, _) = run(
        step(),
        &[
            r#"{"p":"{\"a\":1.5}"}"#,
            r#"{"p":"[1]"}"#,
            r#"{"p":"__debezium_unavailable_value"}"#,
            r#"{"p":{"a":1}}"#,
            r#"{"q":1}"#,
            r#"{"p":"{'a':x}"}"#,
        ],
    );
    assert_eq!(out[0], Ok(r#"{"p":{"a":1.5}}"#.into()));
    assert_eq!(out[1], Ok(r#"{"p":[1]}"#.into()));
    assert_eq!(out[2], Ok(r#"{"p":"__debezium_unavailable_value"}"#.into()));
    assert_eq!(out[3], Ok(r#"{"p":{"a":1}}"#.into()));
    assert_eq!(out[4], Ok(r#"{"q":1}"#.into()));
    assert!(out[5].is_err());
}

#[test]
fn lookups_escape_keep_types_remember_and_fail_aloud() {
    let step = |url: &str| {
        json!({ "dynamic_new_field": { "es_url": url, "es_index": "i", "es_input_fields": ["c"], "es_output_field": "n",
            "input_fields": ["a"], "input_default_values": ["null"], "output_field": "o" } })
    };
    let (out, asked) = run(
        step("http://h/"),
        &[r#"{"a":"x\"y"}"#, r#"{"a":"x\"y"}"#, r#"{"a":null}"#],
    );
    assert_eq!(out[0], Ok(r#"{"a":"x\"y","o":7}"#.into()));
    assert_eq!(out[2], Ok(r#"{"a":null}"#.into()));
    assert_eq!(asked.len(), 1, "the second is remembered");
    assert_eq!(asked[0].0, "POST http://h/i/_search");
    let query: Json = serde_json::from_str(&asked[0].1).unwrap();
    assert_eq!(query["query"]["bool"]["must"][0]["term"]["c.keyword"], "x\"y");
    let (out, _) = run(step("http://down"), &[r#"{"a":"x"}"#]);
    assert!(out[0].as_ref().unwrap_err().contains("cannot be searched"));
}

#[test]
fn a_table_is_looked_up_in_like_an_index() {
    let step = |more: Json| {
        let mut options = json!({ "postgres": { "url": "host=h user=u dbname=d", "table": "m.My \"t", "columns": ["c", "l"], "output_column": "n" },
            "input_fields": ["a", "b"], "input_default_values": ["null", "eng"], "output_field": "o" });
        options
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "dynamic_new_field": options })
    };
    let (out, asked) = run(
        step(json!({})),
        &[
            r#"{"a":"x'y"}"#,
            r#"{"a":"x'y","b":"eng"}"#,
            r#"{"a":"nobody"}"#,
            r#"{"a":null}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"a":"down"}"#,
        ],
    );
    assert_eq!(out[0], Ok(r#"{"a":"x'y","o":7.5}"#.into()));
    assert_eq!(out[1], Ok(r#"{"a":"x'y","b":"eng","o":7.5}"#.into()));
    assert_eq!(out[2], Ok(r#"{"a":"nobody","o":null}"#.into()));
    assert_eq!(out[3], Ok(r#"{"a":null}"#.into()));
    assert_eq!(out[4], Ok(r#"{"a":"\u0000","o":null}"#.into()));
    assert!(out[5].as_ref().unwrap_err().contains("cannot be looked up in"));
    assert_eq!(
        asked.len(),
        3,
        "the second is remembered, the last but one not asked: {asked:?}"
    );
    assert_eq!(
        asked[0].1,
        r#"SELECT pg_catalog.to_jsonb(t."n") FROM "m"."My ""t" AS t WHERE t."c" = 'x''y' AND t."l" = 'eng' LIMIT 1"#
    );
    for (more, says) in [
        (
            json!({ "es_url": "http://h" }),
            "es_url: is given beside postgres",
        ),
        (json!({ "mode": "compatible" }), "mode:"),
        (json!({ "input_fields": ["a"] }), "input_fields, postgres.columns"),
        (
            json!({ "postgres": { "url": "postgres://u:secret@h/d", "table": "m.t", "columns": ["c", "l"], "output_column": "n" } }),
            "holds a password",
        ),
        (
            json!({ "postgres": { "url": "port=x", "table": "m.t", "columns": ["c", "l"], "output_column": "n" } }),
            "postgres.url",
        ),
        (
            json!({ "postgres": { "url": "host=h user=u", "table": "t", "columns": ["c", "l"], "output_column": "n" } }),
            "schema.table",
        ),
    ] {
        let config: ChainConfig = serde_json::from_value(json!({ "transforms": [step(more)] })).unwrap();
        let refused = config.build().unwrap_err().to_string();
        assert!(refused.contains(says) && !refused.contains("secret"), "{refused}");
    }
}

#[test]
fn profiles_take_the_payload_of_tokens_count_decimals_and_see_what_was_just_written() {
    let step = |functions: Json| {
        json!({ "anonymous_profile": { "profiles_fields_list": ["profile", "no.such"], "age_groups_list": ["0-5", "rest"],
            "age_groups_output_field": "g", "channel_groups_list": ["b", "p", "e", "n"], "kafka_topic_name": "t",
            "es_url": "http://h", "profile_list_of_functions": functions } })
    };
    // {"alg":1} and {"make":"M","dateTime":"D"}
    let token = "eyJhbGciOjF9.eyJtYWtlIjoiTSIsImRhdGVUaW1lIjoiRCJ9.c2ln";
    let record = format!(
        r#"{{"profile":{{"biometricInfo":[{{"type":"F","subType":"s","qualityScore":80.5,"attempts":"1","digitalId":"{token}"}}]}}}}"#
    );
    let (out, _) = run(step(json!(["processBiometricList"])), &[&record]);
    let doc: Json = serde_json::from_str(out[0].as_ref().unwrap()).unwrap();
    let want = json!({ "type": "F", "qualityScore": 80.5, "attempts": 1.0, "digitalId": { "make": "M" } });
    assert_eq!(doc["profile"]["biometricInfo"]["F"], want);
    let update = r#"{"profile":{"newProfile":{"a":1},"oldProfile":{"a":0}}}"#;
    let (_, asked) = run(step(json!(["processUpdateProfile"])), &[update]);
    let asked: Vec<&str> = asked.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(
        asked,
        [
            "PUT http://h/t/",
            "POST http://h/t/_refresh",
            "POST http://h/t/_search",
            "DELETE http://h/t/_doc/a%2Fb"
        ]
    );
    for (url, says) in [
        ("http://busy", "index t cannot be made: status 503"),
        ("http://refused", "index t cannot be refreshed: status 403"),
    ] {
        let mut step = step(json!(["processUpdateProfile"]));
        step["anonymous_profile"]["es_url"] = url.into();
        let (out, asked) = run(step, &[update, update]);
        assert_eq!(out, [Err(says.to_owned()), Err(says.to_owned())]);
        // What may pass is tried again, with the next record at the latest.
        assert!(
            asked.len() > 2 || url == "http://busy" && asked.len() == 2,
            "{asked:?}"
        );
    }
    let config: ChainConfig =
        serde_json::from_value(json!({ "transforms": [step(json!(["nope"]))] })).unwrap();
    assert!(config.build().unwrap_err().to_string().contains("nope"));
}
