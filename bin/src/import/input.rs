//! What a connector's file may look like: properties, the JSON of Connect's REST API, Debezium Server's properties.

use std::collections::HashMap;

use serde_json::Value;

use super::properties;

/// Form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `key=value` lines.
    Properties,
    /// `{"name": …, "config": {…}}`, or the inner object alone.
    Json,
}

/// Properties in the order of the file. Of a name that comes again, the last value counts, at the first place.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    pairs: Vec<(String, String)>,
}

impl Properties {
    /// Reads a file of either form; JSON is recognised by its brace unless the form is given.
    pub(crate) fn read(text: &str, form: Option<Form>) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let json = text.trim_start().starts_with('{');
        let pairs = match form.unwrap_or(if json { Form::Json } else { Form::Properties }) {
            Form::Json => from_json(text)?,
            Form::Properties => properties::parse(text)?,
        };
        let server = pairs.iter().any(|(k, _)| k.starts_with("debezium.source."));
        let mut read = Self::default();
        for (name, value) in pairs {
            let name = if server { server_name(&name) } else { name };
            read.insert(name.trim().to_owned(), value);
        }
        Ok(read)
    }

    /// The value of a property, none if it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == name).map(|(_, v)| v)
    }

    /// Whether a property is given with an empty value.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        self.pairs.iter().any(|(k, v)| k == name && v.trim().is_empty())
    }

    /// All properties, those with an empty value too.
    pub(crate) fn with_empty(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// All properties that are not empty.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .filter(|(_, v)| !v.trim().is_empty())
            .map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Replaces `${env:NAME}` and Debezium Server's `${NAME}` and `${NAME:default}` by the environment's values.
    ///
    /// # Errors
    /// With the property and what is missing; other providers of Connect are refused.
    pub(crate) fn expand(&mut self, env: &HashMap<String, String>) -> Result<(), Vec<(String, String)>> {
        let mut faults = Vec::new();
        for (name, value) in &mut self.pairs {
            match expand(value, env) {
                Ok(expanded) => *value = expanded,
                Err(e) => faults.push((name.clone(), e)),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn insert(&mut self, name: String, value: String) {
        match self.pairs.iter_mut().find(|(k, _)| *k == name) {
            Some((_, old)) => *old = value,
            None => self.pairs.push((name, value)),
        }
    }
}

fn from_json(text: &str) -> Result<Vec<(String, String)>, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("not valid JSON: {e}"))?;
    let Value::Object(mut top) = value else {
        return Err("must be a JSON object with `name` and `config`".into());
    };
    let name = top.get("name").and_then(Value::as_str).map(str::to_owned);
    let nested = matches!(top.get("config"), Some(Value::Object(_)));
    let config = match top.remove("config") {
        Some(Value::Object(config)) if nested => config,
        Some(_) => return Err("`config` must be an object".into()),
        None => top,
    };
    let mut pairs: Vec<(String, String)> = name
        .filter(|_| nested)
        .map(|n| ("name".to_owned(), n))
        .into_iter()
        .collect();
    for (key, value) in config {
        match value {
            Value::String(s) => pairs.push((key, s)),
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) => pairs.push((key, value.to_string())),
            Value::Array(_) | Value::Object(_) => {
                return Err(format!("the value of `{key}` must be a string"));
            }
        }
    }
    Ok(pairs)
}

/// The name that a property of Debezium Server has in Kafka Connect; its own ones stay.
fn server_name(name: &str) -> String {
    let rules = [
        ("debezium.source.", ""),
        ("debezium.sink.kafka.producer.", "producer."),
        ("debezium.transforms", "transforms"),
        ("debezium.predicates", "predicates"),
        ("debezium.format.schemas.enable", "converter.schemas.enable"),
        ("debezium.format.key.", "key.converter."),
        ("debezium.format.value.", "value.converter."),
        ("debezium.format.header.", "header.converter."),
    ];
    for (theirs, ours) in rules {
        if let Some(rest) = name.strip_prefix(theirs) {
            return format!("{ours}{rest}");
        }
    }
    name.to_owned()
}

fn expand(value: &str, env: &HashMap<String, String>) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inner, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let name = |n: &str| {
            let mut bytes = n.bytes();
            bytes.next().is_some_and(|b| b.is_ascii_uppercase() || b == b'_')
                && bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        let (variable, default) = match inner.split_once(':') {
            Some(("env", variable)) => (variable, None),
            Some(("file" | "dir" | "directory" | "secrets" | "configmaps" | "vault", _)) => {
                return Err(format!(
                    "the provider in `${{{inner}}}` is not there: use ${{env:NAME}}, or a file in YAML (`password_file`)"
                ));
            }
            Some((variable, default)) if name(variable) => (variable, Some(default)),
            None if name(inner) => (inner, None),
            _ => {
                out.push_str(&format!("${{{inner}}}"));
                rest = tail;
                continue;
            }
        };
        match env.get(variable).map(String::as_str).or(default) {
            Some(text) => out.push_str(text),
            None => return Err(format!("the variable {variable} is not set")),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_bodies_and_bare_objects_are_read() {
        let p = Properties::read(
            r#"{"name":"c","config":{"tasks.max":1,"a":true,"b":null,"topic.prefix":"x"}}"#,
            None,
        );
        let p = p.unwrap();
        let all: Vec<_> = p.iter().collect();
        assert_eq!(
            all,
            [
                ("name", "c"),
                ("tasks.max", "1"),
                ("a", "true"),
                ("topic.prefix", "x")
            ]
        );
        assert_eq!(
            Properties::read(r#"{"name":"c","slot.name":"s"}"#, None)
                .unwrap()
                .get("slot.name"),
            Some("s")
        );
        assert!(
            Properties::read(r#"{"config":{"a":[1]}}"#, None)
                .unwrap_err()
                .contains("`a`")
        );
        assert!(Properties::read("[1]", Some(Form::Json)).is_err());
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let p = Properties::read("a=1\na=2\nb=\n", None).unwrap();
        assert_eq!((p.get("a"), p.get("b"), p.iter().count()), (Some("2"), None, 1));
    }

    #[test]
    fn debezium_servers_prefixes_are_taken_off() {
        let text = "debezium.source.slot.name=s\ndebezium.sink.type=kafka\ndebezium.sink.kafka.producer.bootstrap.servers=k:1\n\
                    debezium.format.value.schemas.enable=false";
        let p = Properties::read(text, None).unwrap();
        assert_eq!(p.get("slot.name"), Some("s"));
        assert_eq!(p.get("producer.bootstrap.servers"), Some("k:1"));
        assert_eq!(p.get("value.converter.schemas.enable"), Some("false"));
    }

    #[test]
    fn variables_are_expanded_and_other_providers_refused() {
        let env = HashMap::from([("PW".to_owned(), "x".to_owned())]);
        assert_eq!(expand("a${env:PW}b${PW}c${NO:d}", &env).unwrap(), "axbxcd");
        assert_eq!(
            expand("out-$2 ${routedByValue} ${", &env).unwrap(),
            "out-$2 ${routedByValue} ${"
        );
        assert!(expand("${env:NO}", &env).unwrap_err().contains("NO is not set"));
        assert!(expand("${file:/x:y}", &env).unwrap_err().contains("provider"));
    }
}
