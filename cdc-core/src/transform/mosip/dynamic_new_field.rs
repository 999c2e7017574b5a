//! A field looked up in another index, or in a table.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Client, LookupTable, Mode, Search, nested, path};
use crate::Remedy;
use crate::connect::{Field, Kind, Schema};
use crate::convert::read_schemaless;
use crate::json;
use crate::record::{Record, Value};
use crate::transform::reshape::extended;
use crate::transform::{Build, Side, Transform, TransformError};

/// MOSIP's DynamicNewField: a field of the first document in another index whose fields have the record's values; beyond it, a
/// column of a row of a table.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DynamicNewField {
    /// Side of the record.
    pub side: Side,
    /// The table to look in, in the place of an index; then none of the `es_` options is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<LookupTable>,
    /// Address of the search server.
    pub es_url: String,
    /// Index to look in.
    pub es_index: String,
    /// Its fields that are compared.
    pub es_input_fields: Vec<String>,
    /// Its field that is copied.
    pub es_output_field: String,
    /// Fields of the record that they are compared with; dots lead into objects. A list is looked up element by element.
    pub input_fields: Vec<String>,
    /// What stands in for a field that is null; `null` for nothing, and then nothing is looked up.
    pub input_default_values: Vec<String>,
    /// Field of the record that gets the value.
    pub output_field: String,
    /// Whether `.keyword` fields are compared.
    #[serde(alias = "es_input_query_add_keyword")]
    pub add_keyword: bool,
    /// Seconds for which an answer is remembered, in strict mode.
    pub cache_seconds: u64,
    /// Answers that are remembered, in strict mode.
    pub cache_size: usize,
    /// Whether the Java class's flaws are kept.
    pub mode: Mode,
}

impl Default for DynamicNewField {
    fn default() -> Self {
        Self {
            side: Side::Value,
            postgres: None,
            es_url: String::new(),
            es_index: String::new(),
            es_input_fields: Vec::new(),
            es_output_field: String::new(),
            input_fields: Vec::new(),
            input_default_values: Vec::new(),
            output_field: String::new(),
            add_keyword: true,
            cache_seconds: 60,
            cache_size: 10_000,
            mode: Mode::Strict,
        }
    }
}

impl Build for DynamicNewField {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let of_index = [
            ("es_url", &self.es_url),
            ("es_index", &self.es_index),
            ("es_output_field", &self.es_output_field),
        ];
        let (compared, list) = if let Some(table) = &self.postgres {
            if let Some((name, _)) = of_index.iter().find(|(_, text)| !text.is_empty()) {
                return Err(format!("{name}: is given beside postgres: keep one of the two"));
            }
            if self.mode == Mode::Compatible {
                return Err("mode: the Java class looks in no table: leave compatible out".into());
            }
            table.check()?;
            (&table.columns, "postgres.columns")
        } else {
            if let Some((name, _)) = of_index.iter().find(|(_, text)| text.trim().is_empty()) {
                return Err(format!("{name}: is missing"));
            }
            (&self.es_input_fields, "es_input_fields")
        };
        if self.output_field.trim().is_empty() {
            return Err("output_field: is missing".into());
        }
        let n = self.input_fields.len();
        if n == 0 || compared.len() != n || self.input_default_values.len() != n {
            return Err(format!(
                "input_fields, {list} and input_default_values: must be lists of equal length"
            ));
        }
        Ok(Box::new(Lookup {
            paths: self.input_fields.iter().map(|f| path(f.trim())).collect(),
            options: Arc::new(self.clone()),
            client: Client::default(),
            cache: Arc::default(),
        }))
    }
}

/// What was found by the values asked for, and when.
type Cache = HashMap<Vec<String>, (Instant, Value)>;

#[derive(Clone, Debug)]
struct Lookup {
    options: Arc<DynamicNewField>,
    client: Client,
    paths: Arc<[Vec<String>]>,
    cache: Arc<Mutex<Cache>>,
}

/// Attempts of the Java class, without a pause between them.
const ATTEMPTS: usize = 5;
const NO_HIT: &str = "Error: No hits found";

impl Lookup {
    fn query(&self, values: &[String]) -> String {
        let o = &self.options;
        let strict = o.mode == Mode::Strict;
        let mut body = b"{\"query\": { \"bool\": { \"must\": [".to_vec();
        for (i, (field, value)) in o.es_input_fields.iter().zip(values).enumerate() {
            if i > 0 {
                body.push(b',');
            }
            body.extend_from_slice(b"{\"term\": {\"");
            body.extend_from_slice(field.trim().as_bytes());
            body.extend_from_slice(if o.add_keyword { b".keyword\": " } else { b"\": " });
            match (strict, o.add_keyword) {
                (true, _) => json::write_str(&mut body, value.as_bytes()),
                // As it stands, whatever it holds.
                (false, true) => body.extend_from_slice(format!("\"{value}\"").as_bytes()),
                (false, false) => body.extend_from_slice(value.as_bytes()),
            }
            body.extend_from_slice(b"}}");
        }
        body.extend_from_slice(b"]}}");
        if strict {
            body.extend_from_slice(b", \"size\": 1, \"sort\": [\"_doc\"]");
        }
        body.push(b'}');
        String::from_utf8_lossy(&body).into_owned()
    }

    fn one(&self, values: Vec<String>) -> Result<Value, TransformError> {
        if self.options.mode == Mode::Compatible {
            return Ok(self.as_java_does(&values));
        }
        let known = |cache: &HashMap<Vec<String>, (Instant, Value)>| {
            let (since, value) = cache.get(&values)?;
            (since.elapsed() < Duration::from_secs(self.options.cache_seconds)).then(|| value.clone())
        };
        if let Some(value) = known(&self.cache.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(value);
        }
        let found = match &self.options.postgres {
            Some(table) => self.in_table(table, &values)?,
            None => self.in_index(&values)?,
        };
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= self.options.cache_size {
            cache.clear();
        }
        cache.insert(values, (Instant::now(), found.clone()));
        Ok(found)
    }

    fn in_table(&self, table: &LookupTable, values: &[String]) -> Result<Value, TransformError> {
        // No text in a database holds it, and a query would end there.
        if values.iter().any(|v| v.contains('\0')) {
            return Ok(Value::Null);
        }
        match self.client.query(table, &table.query(values)) {
            Ok(Some(json)) => read_schemaless(json.as_bytes()).map_err(|e| {
                TransformError::new(format!("the value in table {} cannot be read: {e}", table.table))
            }),
            Ok(None) => Ok(Value::Null),
            // What is no value of the column's type is equal to none (data exceptions).
            Err(e) if e.sqlstate().is_some_and(|code| code.starts_with("22")) => Ok(Value::Null),
            Err(e) => {
                let text = format!("table {} cannot be looked up in: {}", table.table, e.chain());
                Err(match e.remedy() {
                    Remedy::RetryLater => TransformError::transient(text),
                    _ => TransformError::new(text),
                })
            }
        }
    }

    fn in_index(&self, values: &[String]) -> Result<Value, TransformError> {
        let url = format!(
            "{}/{}/_search",
            self.options.es_url.trim_end_matches('/'),
            self.options.es_index
        );
        let reply = self.client.request("POST", &url, Some(&self.query(values)));
        let reply = reply.map_err(|e| {
            TransformError::transient(format!("index {} cannot be searched: {e}", self.options.es_index))
        })?;
        if reply.status != 200 && reply.status != 404 {
            let text = format!(
                "the search in index {} is answered with status {}",
                self.options.es_index, reply.status
            );
            let passes = matches!(reply.status, 429 | 500..=599);
            return Err(if passes {
                TransformError::transient(text)
            } else {
                TransformError::new(text)
            });
        }
        let found = first_hit(&reply.body, &self.options.es_output_field);
        Ok(found.flatten().unwrap_or_default())
    }

    /// Errors are texts, and values that are no texts are errors.
    fn as_java_does(&self, values: &[String]) -> Value {
        let url = format!("{}/{}/_search", self.options.es_url, self.options.es_index);
        let body = self.query(values);
        let mut outcome = String::new();
        for _ in 0..ATTEMPTS {
            outcome = match self.client.request("GET", &url, Some(&body)) {
                Err(e) => format!("Error occured while making the query : {e}"),
                Ok(reply) => match first_hit(&reply.body, &self.options.es_output_field).flatten() {
                    Some(Value::String(text)) => return Value::String(text),
                    _ => NO_HIT.into(),
                },
            };
        }
        Value::String(outcome.into())
    }

    /// The inputs as texts; none where one is null and has no default.
    fn inputs(&self, value: &Value) -> Result<Option<Vec<Input>>, TransformError> {
        let mut all = Vec::with_capacity(self.paths.len());
        for (path, default) in self.paths.iter().zip(&self.options.input_default_values) {
            match nested(value, path)? {
                Value::Null if default.trim() == "null" => return Ok(None),
                Value::Null => all.push(Input::One(default.trim().to_owned())),
                Value::Array(items) => all.push(Input::Many(items.iter().map(text).collect())),
                other => all.push(Input::One(text(other))),
            }
        }
        Ok(Some(all))
    }

    fn found(&self, inputs: &[Input]) -> Result<Value, TransformError> {
        let lengths: Vec<usize> = inputs.iter().filter_map(Input::len).collect();
        let Some(&length) = lengths.first() else {
            return self.one(inputs.iter().map(|i| i.at(0)).collect());
        };
        if lengths.iter().any(|l| *l != length) {
            return Err(TransformError::new("input_fields: the lists differ in length"));
        }
        let element = |i: usize| self.one(inputs.iter().map(|input| input.at(i)).collect());
        (0..length)
            .map(element)
            .collect::<Result<_, _>>()
            .map(Value::Array)
    }
}

enum Input {
    One(String),
    Many(Vec<String>),
}

impl Input {
    fn len(&self) -> Option<usize> {
        match self {
            Self::One(_) => None,
            Self::Many(all) => Some(all.len()),
        }
    }

    fn at(&self, i: usize) -> String {
        match self {
            Self::One(text) => text.clone(),
            Self::Many(all) => all.get(i).cloned().unwrap_or_default(),
        }
    }
}

/// A value as Java prints it.
fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Float32(n) => n.to_string(),
        Value::Float64(n) => n.to_string(),
        Value::Decimal(d) => d.to_java_string(),
        other => other.as_i64().map_or_else(|| "null".into(), |n| n.to_string()),
    }
}

/// The field of the first hit: none without a hit, and the field may be missing.
fn first_hit(body: &str, field: &str) -> Option<Option<Value>> {
    let reply = read_schemaless(body.as_bytes()).ok()?;
    let Value::Array(hits) = reply.entry("hits")?.entry("hits")? else {
        return None;
    };
    let source = hits.first()?.entry("_source")?;
    Some(source.entry(field).cloned())
}

impl Transform for Lookup {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let side = self.options.side;
        let data = side.of(&record);
        if data.value.is_null() {
            return Ok(Some(record));
        }
        let Some(schema) = data.schema.clone() else {
            if !matches!(data.value, Value::Map(_)) {
                return Err(super::cannot(
                    "a value without a schema that gets a field",
                    &data.value,
                ));
            }
            if let Some(inputs) = self.inputs(&data.value)? {
                let found = self.found(&inputs)?;
                side.of_mut(&mut record)
                    .value
                    .set_entry(&self.options.output_field, found);
            }
            return Ok(Some(record));
        };
        let strict = self.options.mode == Mode::Strict;
        let mut values = Vec::with_capacity(self.paths.len());
        for (path, default) in self.paths.iter().zip(&self.options.input_default_values) {
            let at = path
                .first()
                .and_then(|name| schema.fields().iter().position(|f| f.name == *name));
            match at.map_or(&Value::Null, |at| data.value.member(at)) {
                // The Java class has no defaults here.
                Value::Null if strict && default.trim() != "null" => values.push(default.trim().to_owned()),
                Value::Null => {}
                other => values.push(text(other)),
            }
        }
        let found = if values.len() == self.paths.len() {
            self.one(values)?
        } else if strict {
            Value::Null
        } else {
            let given = self.options.input_fields.join(",");
            Value::String(format!("Cant get all values for the mentioned input.fields. Given {given}").into())
        };
        // A struct's field has one type for all rows.
        let found = match found {
            Value::String(_) | Value::Null => found,
            other => Value::String(text(&other).into()),
        };
        let field_schema = Schema::new(Kind::String);
        let field_schema = if strict {
            field_schema.optional()
        } else {
            field_schema
        };
        let changed = extended(
            &schema,
            [Field::new(self.options.output_field.clone(), field_schema)],
        )?;
        let data = side.of_mut(&mut record);
        if let Value::Struct(members) = &mut data.value {
            members.push(found);
            data.schema = Some(changed);
        }
        Ok(Some(record))
    }

    fn connect(&mut self, search: &Arc<dyn Search>) {
        self.client = Client(Some(Arc::clone(search)));
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
