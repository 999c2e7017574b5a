//! What the Java classes made of records, recorded from them: 106 records and eight configurations.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::{LookupTable, Reply, Search, holds_decimal};
use crate::convert::{Context, Converter, JsonConverter, JsonOptions};
use crate::record::{Record, SchemaAndValue, Value};
use crate::transform::{Chain, ChainConfig};
use crate::{Lsn, Position, RecordHead, Topic};

const GOLDEN: &str = include_str!("golden.json");

/// The indexes that lookups go to, as the recordings had them.
#[derive(Debug)]
struct Indices(Json);

impl Search for Indices {
    fn query(&self, _: &LookupTable, _: &str) -> Result<Option<String>, crate::Error> {
        panic!("the Java classes ask no database")
    }

    fn request(&self, _: &str, url: &str, body: Option<&str>) -> Result<Reply, String> {
        let reply = |status: u16, body: Json| {
            Ok(Reply {
                status,
                body: body.to_string(),
            })
        };
        let Some(path) = url.strip_prefix("http://ES/") else {
            return Err("Connect to http://127.0.0.1:1 [/127.0.0.1] failed: Connection refused".into());
        };
        let Some(index) = path.strip_suffix("/_search") else {
            return reply(200, json!({}));
        };
        let Some(documents) = self.0[index].as_object() else {
            return reply(404, json!({ "error": "index_not_found_exception" }));
        };
        let Ok(query) = serde_json::from_str::<Json>(body.unwrap_or_default()) else {
            return reply(400, json!({ "error": "parsing_exception" }));
        };
        let terms = query["query"]["bool"]["must"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let fits = |document: &Json| {
            terms.iter().all(|t| {
                let (field, value) = t["term"].as_object().unwrap().iter().next().unwrap();
                document[field.trim_end_matches(".keyword")] == *value
            })
        };
        let hits: Vec<Json> = documents
            .values()
            .filter(|d| fits(d))
            .map(|d| json!({ "_source": d }))
            .collect();
        reply(200, json!({ "hits": { "hits": hits } }))
    }
}

/// A step that takes a field out, which stands before the others in some chains.
struct Extract {
    key: bool,
    field: String,
}

fn options(config: &Map<String, Json>, alias: &str) -> Json {
    const LISTS: [&str; 10] = [
        "ts.order",
        "input.fields",
        "es.input.fields",
        "input.default.values",
        "profiles.fields.list",
        "age.groups.list",
        "channel.groups.list",
        "profile.listOfFunctions",
        "listOfFunctions",
        "add.fields",
    ];
    let prefix = format!("transforms.{alias}.");
    let mut options = json!({ "mode": "compatible" });
    for (name, value) in config {
        let Some(name) = name.strip_prefix(&prefix).filter(|n| *n != "type") else {
            continue;
        };
        let text = value.as_str().unwrap();
        options[name.replace('.', "_")] = if LISTS.contains(&name) {
            let items = text.split(',').map(str::trim).filter(|i| !i.is_empty());
            items.collect::<Vec<_>>().into()
        } else {
            text.into()
        };
    }
    options
}

fn chain(config: &Map<String, Json>, search: &Arc<dyn Search>) -> Result<(Vec<Extract>, Chain), String> {
    let (mut extracts, mut steps) = (Vec::new(), Vec::new());
    for alias in config["transforms"].as_str().unwrap().split(',') {
        let class = config[&format!("transforms.{alias}.type")].as_str().unwrap();
        let mut options = options(config, alias);
        let key = match class
            .rsplit('.')
            .next()
            .unwrap()
            .trim_end_matches("$Value")
            .trim_end_matches("$Key")
        {
            "ExtractField" => {
                assert!(steps.is_empty());
                extracts.push(Extract {
                    key: class.ends_with("$Key"),
                    field: options["field"].as_str().unwrap().to_owned(),
                });
                continue;
            }
            "ExtractNewRecordState" => {
                let given = options.as_object_mut().unwrap();
                given.remove("mode");
                assert_eq!(given.remove("delete_handling_mode"), Some(json!("drop")));
                assert_eq!(given.remove("drop_tombstones"), Some(json!("false")));
                given.insert("delete_tombstone_handling_mode".into(), json!("drop-delete"));
                "extract_new_record_state"
            }
            "TimestampConverterAdv" => "timestamp_converter_adv",
            "TimestampSelector" => "timestamp_selector",
            "StringToJson" => "string_to_json",
            "DynamicNewField" => "dynamic_new_field",
            "AnonymousProfileTransform" => "anonymous_profile",
            other => panic!("{other}"),
        };
        steps.push(json!({ "name": alias, key: options }));
    }
    let config: ChainConfig =
        serde_json::from_value(json!({ "transforms": steps })).map_err(|e| e.to_string())?;
    let mut chain = config.build().map_err(|e| e.to_string())?;
    chain.connect(search);
    Ok((extracts, chain))
}

fn read(config: &Map<String, Json>, side: &str, text: Option<&str>) -> SchemaAndValue {
    let Some(text) = text else {
        return SchemaAndValue::null();
    };
    if config[&format!("{side}.converter")]
        .as_str()
        .unwrap()
        .ends_with("StringConverter")
    {
        return SchemaAndValue::string(text);
    }
    let schemas = config
        .get(&format!("{side}.converter.schemas.enable"))
        .and_then(Json::as_str)
        != Some("false");
    let options = JsonOptions {
        schemas,
        ..JsonOptions::default()
    };
    let context = Context {
        topic: "t",
        headers: &[],
    };
    JsonConverter::new(options)
        .read(&context, Some(text.as_bytes()))
        .unwrap()
}

fn text_of(data: &SchemaAndValue) -> Result<String, String> {
    if holds_decimal(&data.value) && data.schema.is_none() {
        return Err("a decimal without a schema".into());
    }
    let options = JsonOptions {
        schemas: false,
        replace_null_with_default: false,
        ..JsonOptions::default()
    };
    let context = Context {
        topic: "t",
        headers: &[],
    };
    let mut out = Vec::new();
    JsonConverter::new(options)
        .write(&context, data, &mut out)
        .map_err(|e| e.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// What the sink would do.
fn outcome(
    config: &Map<String, Json>,
    extracts: &[Extract],
    chain: &mut Chain,
    case: &Json,
) -> Result<Json, String> {
    let mut record = Record {
        head: RecordHead {
            topic: Arc::new(Topic {
                name: case["topic"].as_str().unwrap().to_owned(),
            }),
            partition: Some(0),
            timestamp_ms: None,
            position: Position {
                commit_lsn: Lsn::ZERO,
                seq: 1,
            },
            version_lsn: Lsn::ZERO,
        },
        key: read(config, "key", case["key"].as_str()),
        value: read(config, "value", case["value"].as_str()),
        headers: Vec::new(),
    };
    for extract in extracts {
        let data = if extract.key {
            &mut record.key
        } else {
            &mut record.value
        };
        data.value = data.value.entry(&extract.field).cloned().unwrap_or_default();
    }
    let Some(record) = chain.apply(record).map_err(|e| e.to_string())? else {
        return Ok(json!({ "op": "dropped" }));
    };
    let id = match &record.key.value {
        Value::String(text) => json!(text.as_str()),
        other => json!(other.as_i64().map(|n| n.to_string())),
    };
    let mut out = json!({ "op": "delete", "index": record.topic(), "id": id });
    if !record.value.value.is_null() {
        out["op"] = "index".into();
        out["doc"] = serde_json::from_str(&text_of(&record.value)?).unwrap();
    }
    Ok(out)
}

#[test]
fn the_recorded_cases_come_out_the_same() {
    let golden: Json = serde_json::from_str(GOLDEN).unwrap();
    let search: Arc<dyn Search> = Arc::new(Indices(golden["lookup_indices"].clone()));
    let (mut passed, mut failed) = (0, Vec::new());
    for job in golden["jobs"].as_array().unwrap() {
        let config = job["config"].as_object().unwrap();
        let built = chain(config, &search);
        if let Some(error) = job.get("configError").filter(|e| !e.is_null()) {
            match built {
                Ok(_) => failed.push(format!("{}: accepted, recorded {error}", job["name"])),
                Err(_) => passed += 1,
            }
            continue;
        }
        let (extracts, mut chain) = built.unwrap();
        for case in job["cases"].as_array().unwrap() {
            let want = &case["master"];
            let got = outcome(config, &extracts, &mut chain, case);
            let same = match (&got, want["op"].as_str()) {
                (Err(_), Some("task-fails")) => true,
                (Ok(got), _) => got == want,
                _ => false,
            };
            if same {
                passed += 1;
            } else {
                failed.push(format!(
                    "{} / {}:\n  got  {got:?}\n  want {want}",
                    job["name"], case["case"]
                ));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {}:\n{}",
        failed.len(),
        failed.len() + passed,
        failed.join("\n")
    );
    // 106 records and eight refused configurations.
    assert_eq!(passed, 114);
}
