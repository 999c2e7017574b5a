//! Mappings from schemas.

use serde_json::{Map, Value, json};

use crate::config::{Decimals, JsonMapping, MappingConfig, Maps, StringMapping, Times};
use crate::connect_schema::Schema;

/// Which product the cluster is: they differ in the name of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    Elasticsearch,
    OpenSearch,
}

/// `properties` for the fields of a struct.
pub(crate) fn properties(schema: &Schema, config: &MappingConfig, flavor: Flavor) -> Map<String, Value> {
    schema
        .fields
        .iter()
        .filter(|f| !f.field.is_empty())
        .map(|f| (f.field.clone(), field(f, config, flavor)))
        .collect()
}

fn of(kind: &str) -> Value {
    json!({ "type": kind })
}

/// A date. One that the server cannot hold, such as infinity in microseconds, stays in the document, which is not refused for
/// it; `_ignored` names the field.
fn date() -> Value {
    json!({ "type": "date", "ignore_malformed": true })
}

/// An address. A network, such as 10.0.0.0/8, is none for the server: it is found as text.
fn address() -> Value {
    json!({ "type": "ip", "ignore_malformed": true, "fields": { "keyword": { "type": "keyword" } } })
}

fn field(schema: &Schema, config: &MappingConfig, flavor: Flavor) -> Value {
    match schema.kind.as_str() {
        "boolean" => of("boolean"),
        "int8" => of("byte"),
        "int16" => of("short"),
        "int32" | "int64" => number(schema, config),
        "float" => of("float"),
        "double" => of("double"),
        "string" => string(schema, config, flavor),
        "bytes" if schema.meaning() == DECIMAL => decimal(config, Some(schema.scale())),
        "bytes" => of("binary"),
        "array" => schema
            .items
            .as_ref()
            .map_or_else(|| of("object"), |i| field(i, config, flavor)),
        "map" => map(schema, config, flavor),
        "struct" if schema.meaning() == VARIABLE_DECIMAL && config.convert.decimals != Decimals::AsIs => {
            decimal(config, None)
        }
        "struct" if schema.meaning() == POINT && config.convert.geo_points => of("geo_point"),
        _ => json!({ "properties": properties(schema, config, flavor) }),
    }
}

pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
pub(crate) const VARIABLE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";
pub(crate) const POINT: &str = "io.debezium.data.geometry.Point";
pub(crate) const JSON: &str = "io.debezium.data.Json";

fn number(schema: &Schema, config: &MappingConfig) -> Value {
    let iso = config.convert.times == Times::Iso;
    match schema.meaning() {
        // In milliseconds, which the servers' default format for dates takes.
        "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => date(),
        // Not `date_nanos`, which begins in 1970: `date` reads the same text, and the document keeps it.
        "io.debezium.time.MicroTimestamp"
        | "io.debezium.time.NanoTimestamp"
        | "io.debezium.time.Date"
        | "org.apache.kafka.connect.data.Date"
            if iso =>
        {
            date()
        }
        "io.debezium.time.Time"
        | "io.debezium.time.MicroTime"
        | "io.debezium.time.NanoTime"
        | "org.apache.kafka.connect.data.Time"
            if iso =>
        {
            of("keyword")
        }
        _ if schema.kind == "int32" => of("integer"),
        _ => of("long"),
    }
}

fn string(schema: &Schema, config: &MappingConfig, flavor: Flavor) -> Value {
    match schema.meaning() {
        JSON if config.convert.json || config.json != JsonMapping::Text => match (config.json, flavor) {
            (JsonMapping::Flattened, Flavor::Elasticsearch) => of("flattened"),
            (JsonMapping::Flattened, Flavor::OpenSearch) => of("flat_object"),
            (JsonMapping::Object | JsonMapping::Text, _) => json!({ "type": "object", "dynamic": true }),
        },
        "io.debezium.time.ZonedTimestamp" => date(),
        "io.debezium.data.Uuid"
        | "io.debezium.data.Enum"
        | "io.debezium.data.EnumSet"
        | "io.debezium.data.Ltree"
        | "io.debezium.time.ZonedTime"
        | "io.debezium.time.Interval"
        | "io.debezium.time.IsoDuration" => of("keyword"),
        "io.debezium.data.Xml" => of("text"),
        _ => match schema.parameter("__debezium.source.column.type") {
            Some("INET") => address(),
            _ => plain_string(config.strings),
        },
    }
}

fn plain_string(strings: StringMapping) -> Value {
    match strings {
        StringMapping::TextWithKeyword => {
            json!({ "type": "text", "fields": { "keyword": { "type": "keyword", "ignore_above": 256 } } })
        }
        StringMapping::Text => of("text"),
        StringMapping::Keyword => of("keyword"),
    }
}

/// `scale` is none where each value has its own.
fn decimal(config: &MappingConfig, scale: Option<i32>) -> Value {
    match (config.convert.decimals, scale) {
        (Decimals::AsIs | Decimals::Text, _) => of("keyword"),
        (Decimals::ScaledFloat, Some(scale)) if (0..=18).contains(&scale) => {
            let factor = 10_u64.saturating_pow(scale.unsigned_abs());
            json!({ "type": "scaled_float", "scaling_factor": factor })
        }
        (Decimals::Double | Decimals::ScaledFloat, _) => of("double"),
    }
}

fn map(schema: &Schema, config: &MappingConfig, flavor: Flavor) -> Value {
    let value = |s: &Option<Box<Schema>>| {
        s.as_ref()
            .map_or_else(|| of("object"), |v| field(v, config, flavor))
    };
    if config.convert.maps == Maps::Entries || !schema.has_text_keys() {
        return json!({ "properties": { "key": value(&schema.keys), "value": value(&schema.values) } });
    }
    json!({ "type": "object", "dynamic": true })
}

/// A field that is mapped in a way that cannot hold a column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// Path with dots.
    pub(crate) field: String,
    /// Type in the index.
    pub(crate) have: String,
    /// Type of the column.
    pub(crate) want: String,
}

/// What of `want` is not in `have`; conflicts go to `conflicts`.
pub(crate) fn missing(
    want: &Map<String, Value>,
    have: &Map<String, Value>,
    path: &str,
    conflicts: &mut Vec<Conflict>,
) -> Map<String, Value> {
    let mut add = Map::new();
    for (name, wanted) in want {
        let Some(known) = have.get(name) else {
            add.insert(name.clone(), wanted.clone());
            continue;
        };
        let field = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let (w, k) = (type_of(wanted), type_of(known));
        if !takes(k, w) {
            conflicts.push(Conflict {
                field,
                have: k.to_owned(),
                want: w.to_owned(),
            });
        } else if let (Some(wanted), Some(Value::Object(known))) = (inner(wanted), known.get("properties")) {
            let deeper = missing(wanted, known, &field, conflicts);
            if !deeper.is_empty() {
                add.insert(name.clone(), json!({ "properties": deeper }));
            }
        } else if let Some(wanted) = inner(wanted)
            && !wanted.is_empty()
            && k == "object"
        {
            add.insert(name.clone(), json!({ "properties": wanted }));
        }
    }
    add
}

fn inner(field: &Value) -> Option<&Map<String, Value>> {
    field.get("properties").and_then(Value::as_object)
}

fn type_of(field: &Value) -> &str {
    field.get("type").and_then(Value::as_str).unwrap_or("object")
}

/// Whether a field of type `have` takes the values of a column that would be mapped as `want`.
fn takes(have: &str, want: &str) -> bool {
    const WHOLE: [&str; 4] = ["byte", "short", "integer", "long"];
    const OBJECTS: [&str; 4] = ["object", "nested", "flattened", "flat_object"];
    let rank = |kind: &str| WHOLE.iter().position(|w| *w == kind);
    if have == want {
        return true;
    }
    let is_object = |kind: &str| OBJECTS.contains(&kind);
    match (is_object(have), is_object(want)) {
        (true, true) => return true,
        (true, false) => return false,
        // Points and shapes are objects too, and so is what another plugin knows.
        (false, true) => return !is_scalar(have),
        (false, false) => {}
    }
    match (rank(have), rank(want)) {
        (Some(h), Some(w)) => h >= w,
        // Whole numbers fit into floating ones, dates (milliseconds) and texts; what else there is may know better.
        (None, Some(_)) => !matches!(have, "boolean" | "ip" | "binary"),
        (Some(_), None) => false,
        (None, None) => match want {
            "text" | "keyword" => !matches!(
                have,
                "float" | "double" | "half_float" | "scaled_float" | "boolean" | "binary"
            ),
            "double" | "scaled_float" => have != "boolean" && have != "date",
            "boolean" => have == "keyword" || have == "text",
            _ => true,
        },
    }
}

fn is_scalar(kind: &str) -> bool {
    matches!(
        kind,
        "boolean"
            | "byte"
            | "short"
            | "integer"
            | "long"
            | "unsigned_long"
            | "float"
            | "double"
            | "half_float"
            | "scaled_float"
            | "text"
            | "keyword"
            | "date"
            | "date_nanos"
            | "ip"
            | "binary"
            | "wildcard"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(schema: Value, config: Value) -> Value {
        let schema: Schema = serde_json::from_value(schema).unwrap();
        let config: MappingConfig = serde_json::from_value(config).unwrap();
        properties(&schema, &config, Flavor::OpenSearch).into()
    }

    fn row() -> Value {
        json!({ "type": "struct", "fields": [
            { "field": "id", "type": "int64" },
            { "field": "n", "type": "bytes", "name": DECIMAL, "parameters": { "scale": "2" } },
            { "field": "v", "type": "struct", "name": VARIABLE_DECIMAL, "fields": [
                { "field": "scale", "type": "int32" }, { "field": "value", "type": "bytes" }] },
            { "field": "d", "type": "int32", "name": "io.debezium.time.Date" },
            { "field": "t", "type": "int64", "name": "io.debezium.time.MicroTimestamp" },
            { "field": "z", "type": "string", "name": "io.debezium.time.ZonedTimestamp" },
            { "field": "j", "type": "string", "name": JSON },
            { "field": "p", "type": "struct", "name": POINT, "fields": [{ "field": "x", "type": "double" }] },
            { "field": "a", "type": "array", "items": { "type": "int32" } },
            { "field": "m", "type": "map", "keys": { "type": "string" }, "values": { "type": "string" } },
            { "field": "i", "type": "string", "parameters": { "__debezium.source.column.type": "INET" } },
            { "field": "s", "type": "string" },
        ]})
    }

    #[test]
    fn types_follow_meanings_and_conversions() {
        let (date, address) = (date(), address());
        let got = infer(row(), json!({ "strings": "keyword" }));
        let want = json!({
            "id": { "type": "long" }, "n": { "type": "keyword" },
            "v": { "properties": { "scale": { "type": "integer" }, "value": { "type": "binary" } } },
            "d": { "type": "integer" }, "t": { "type": "long" }, "z": date, "j": { "type": "keyword" },
            "p": { "properties": { "x": { "type": "double" } } }, "a": { "type": "integer" },
            "m": { "type": "object", "dynamic": true }, "i": address, "s": { "type": "keyword" },
        });
        assert_eq!(got, want);
        let got = infer(
            row(),
            json!({ "json": "flattened", "convert": {
                "decimals": "scaled_float", "times": "iso", "geo_points": true, "json": true, "maps": "entries" } }),
        );
        let text = plain_string(StringMapping::TextWithKeyword);
        let want = json!({
            "id": { "type": "long" }, "n": { "type": "scaled_float", "scaling_factor": 100 }, "v": { "type": "double" },
            "d": date, "t": date, "z": date, "j": { "type": "flat_object" },
            "p": { "type": "geo_point" }, "a": { "type": "integer" },
            "m": { "properties": { "key": text, "value": text } }, "i": address, "s": text,
        });
        assert_eq!(got, want);
    }

    #[test]
    fn only_what_is_missing_is_added_and_conflicts_are_named() {
        let map = |v: Value| v.as_object().unwrap().clone();
        let have = map(json!({
            "id": { "type": "long" }, "n": { "type": "integer" }, "t": { "type": "keyword" }, "b": { "type": "boolean" },
            "o": { "properties": { "x": { "type": "long" } } }, "k": { "type": "keyword" },
        }));
        let want = map(json!({
            "id": { "type": "integer" }, "n": { "type": "long" }, "t": { "type": "text" }, "b": { "type": "text" },
            "o": { "properties": { "x": { "type": "long" }, "y": { "type": "long" } } }, "new": { "type": "date" },
            "k": { "properties": {} },
        }));
        let mut conflicts = Vec::new();
        let add = missing(&want, &have, "", &mut conflicts);
        assert_eq!(
            Value::Object(add),
            json!({ "o": { "properties": { "y": { "type": "long" } } }, "new": { "type": "date" } })
        );
        let named: Vec<_> = conflicts
            .iter()
            .map(|c| (c.field.as_str(), c.have.as_str(), c.want.as_str()))
            .collect();
        assert_eq!(
            named,
            [
                ("n", "integer", "long"),
                ("b", "boolean", "text"),
                ("k", "keyword", "object")
            ]
        );
    }
}
