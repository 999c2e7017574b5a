//! Expressions over records, in the Common Expression Language (CEL).
//!
//! The library stays behind this file: its interface changes with every release.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Program, Value as Cel, extensions};

use super::TransformError;
use crate::connect::{Kind, Schema};
use crate::record::{Record, SchemaAndValue, Value};

/// An expression, compiled. It sees `key`, `value`, `topic`, `keySchema`, `valueSchema` and `header`.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    program: Arc<Program>,
    /// The variables that it names: others are not made.
    uses: Arc<[&'static str]>,
}

/// Functions and operators: the standard ones and those on strings.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    if let Err(error) = env.add_extension(extensions::strings) {
        tracing::error!(%error, "expressions have only the standard functions");
    }
    Arc::new(env)
});

const VARIABLES: [&str; 6] = ["key", "value", "topic", "keySchema", "valueSchema", "header"];

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Bool(bool),
    Text(String),
    Null,
    /// Something else, by the name of its type.
    Other(&'static str),
}

impl Expression {
    /// Compiles an expression.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let program = ENVIRONMENT
            .compile(text)
            .map_err(|e| format!("`{text}` is no CEL expression: {e}"))?;
        let references = program.references();
        let uses: Vec<&'static str> = VARIABLES
            .into_iter()
            .filter(|v| references.has_variable(v))
            .collect();
        Ok(Self {
            uses: uses.into(),
            program: Arc::new(program),
        })
    }

    /// Evaluates the expression on a record.
    pub(super) fn evaluate(&self, record: &Record) -> Result<Outcome, TransformError> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for variable in &*self.uses {
            let value = match *variable {
                "key" => of(&record.key),
                "value" => of(&record.value),
                "topic" => Cel::from(record.topic()),
                "keySchema" => of_schema(record.key.schema.as_deref()),
                "valueSchema" => of_schema(record.value.schema.as_deref()),
                _ => headers(record),
            };
            context.add_variable_from_value(*variable, value);
        }
        // The library's message may hold values: only its kind is told.
        let failed = |e: cel::ExecutionError| {
            let what = match e {
                cel::ExecutionError::NoSuchKey(name) => format!("there is no field {name}"),
                cel::ExecutionError::UndeclaredReference(name) => format!("{name} is not known"),
                _ => "it cannot be evaluated on this record; test with has() what may be missing".to_owned(),
            };
            TransformError::new(format!("the expression fails: {what}"))
        };
        Ok(match self.program.execute(&context).map_err(failed)? {
            Cel::Bool(b) => Outcome::Bool(b),
            Cel::String(text) => Outcome::Text(text.to_string()),
            Cel::Null => Outcome::Null,
            Cel::Int(_) | Cel::UInt(_) | Cel::Float(_) => Outcome::Other("a number"),
            Cel::List(_) => Outcome::Other("a list"),
            Cel::Map(_) => Outcome::Other("a map"),
            _ => Outcome::Other("neither"),
        })
    }
}

fn of(data: &SchemaAndValue) -> Cel {
    convert(data.schema.as_deref(), &data.value)
}

fn map(entries: impl Iterator<Item = (Key, Cel)>) -> Cel {
    Cel::Map(Map {
        map: Arc::new(entries.collect::<HashMap<_, _>>()),
    })
}

fn convert(schema: Option<&Schema>, value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Float32(v) => Cel::Float(f64::from(*v)),
        Value::Float64(v) => Cel::Float(*v),
        Value::String(s) => Cel::from(s.as_str()),
        Value::Bytes(bytes) => Cel::Bytes(Arc::new(bytes.to_vec())),
        Value::Decimal(d) => Cel::Float(d.to_f64()),
        Value::Array(items) => {
            let inner = match schema.map(|s| &s.kind) {
                Some(Kind::Array(items)) => Some(&**items),
                _ => None,
            };
            Cel::List(Arc::new(items.iter().map(|item| convert(inner, item)).collect()))
        }
        Value::Map(entries) => {
            let values = match schema.map(|s| &s.kind) {
                Some(Kind::Map(_, values)) => Some(&**values),
                _ => None,
            };
            let key = |key: &Value| match (key.as_str(), key.as_i64()) {
                (Some(text), _) => Some(Key::from(text.to_owned())),
                (None, Some(n)) => Some(Key::Int(n)),
                (None, None) => None,
            };
            map(entries
                .iter()
                .filter_map(|(k, v)| Some((key(k)?, convert(values, v)))))
        }
        Value::Struct(members) => {
            let fields = schema.map(Schema::fields).unwrap_or_default();
            let member = |(field, value): (&crate::connect::Field, &Value)| {
                (Key::from(field.name.clone()), convert(Some(&field.schema), value))
            };
            map(fields.iter().zip(members).map(member))
        }
        number => number.as_i64().map_or(Cel::Null, Cel::Int),
    }
}

/// What expressions see of a schema: `name`, `type`, `version`.
fn of_schema(schema: Option<&Schema>) -> Cel {
    let Some(schema) = schema else { return Cel::Null };
    let name = schema.name.as_deref().map_or(Cel::Null, Cel::from);
    let version = schema.version.map_or(Cel::Null, |v| Cel::Int(i64::from(v)));
    let entries = [
        ("name", name),
        ("type", Cel::from(schema.kind.name())),
        ("version", version),
    ];
    map(entries
        .into_iter()
        .map(|(key, value)| (Key::from(key.to_owned()), value)))
}

/// Headers by name, each with `value` and `schema`; the last of a name counts.
fn headers(record: &Record) -> Cel {
    map(record.headers.iter().map(|header| {
        let parts = [
            ("value", of(&header.data)),
            ("schema", of_schema(header.data.schema.as_deref())),
        ];
        let parts = map(parts
            .into_iter()
            .map(|(key, value)| (Key::from(key.to_owned()), value)));
        (Key::from(header.name.to_string()), parts)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{envelope, plain, row};

    #[test]
    fn expressions_see_the_record() {
        let mut record = envelope("u", Some(row(1, None)), Some(row(2, Some("x"))));
        record.add_header("h", SchemaAndValue::string("y"));
        let is = |text: &str| Expression::compile(text).unwrap().evaluate(&record).unwrap();
        assert_eq!(
            is("value.op == 'u' && value.after.id > value.before.id"),
            Outcome::Bool(true)
        );
        assert_eq!(is("topic.startsWith('srv.') && key.id == 1"), Outcome::Bool(true));
        assert_eq!(is("valueSchema.name.endsWith('.Envelope')"), Outcome::Bool(true));
        assert_eq!(
            is("header.h.value == 'y' && value.before.v == null"),
            Outcome::Bool(true)
        );
        assert_eq!(is("'t-' + value.after.v"), Outcome::Text("t-x".into()));
        assert_eq!(is("null"), Outcome::Null);
        assert_eq!(is("1 + 1"), Outcome::Other("a number"));
        let map = plain(r#"{"a":[1,{"b":2.5}]}"#);
        let on_map = Expression::compile("has(value.a) && value.a[1].b > 2.0").unwrap();
        assert_eq!(on_map.evaluate(&map).unwrap(), Outcome::Bool(true));
        let missing = Expression::compile("value.nothing == 1")
            .unwrap()
            .evaluate(&record)
            .unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the expression fails: there is no field nothing"
        );
        assert!(Expression::compile("value.op ==").is_err());
        let unknown = Expression::compile("other.op == 'u'")
            .unwrap()
            .evaluate(&record)
            .unwrap_err();
        assert_eq!(unknown.to_string(), "the expression fails: other is not known");
    }
}
