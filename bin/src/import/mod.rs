//! Debezium's and Kafka Connect's files as a front end to [`Config`]: each property is honoured, has no meaning here and
//! is named as such, or is refused with the reason. None is ignored.

mod docs;
mod draft;
mod input;
mod parse;
mod properties;
mod table;
mod transforms;
mod yaml;

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;

pub use self::docs::{markdown, sink_markdown};
use self::draft::Draft;
pub use self::input::Form;
use self::input::Properties;
use self::table::{Given, Kind, Outcome};
use crate::config::{Config, Problem, Validated, nearest};

/// Something the user should know about a property that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Name of the property.
    pub property: String,
    /// What became of it.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.text)
    }
}

/// Why a file was refused: all faults, each with its property.
#[derive(Debug)]
pub struct ImportError {
    /// Faults in the order of the file; the property is empty when it is the file itself.
    pub faults: Vec<Note>,
}

impl ImportError {
    fn one(property: &str, text: impl Into<String>) -> Self {
        Self {
            faults: vec![Note {
                property: property.to_owned(),
                text: text.into(),
            }],
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            if fault.property.is_empty() {
                f.write_str(&fault.text)?;
            } else {
                fault.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ImportError {}

/// Prefix of properties that set a path of the configuration as it is: `pgcdc.http.listen`.
const OWN: &str = "pgcdc.";

/// A value as YAML would read it.
fn scalar(text: &str) -> serde_json::Value {
    match serde_json::from_str(text) {
        Ok(value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_))) => value,
        _ => serde_json::Value::from(text),
    }
}

/// A connector's file, converted.
#[derive(Debug)]
pub struct Imported {
    kind: Kind,
    draft: Draft,
    given: Vec<String>,
}

/// Reads a connector's file with the process's environment.
///
/// # Errors
/// With every property that is unknown, refused or wrong.
pub fn load(text: &str) -> Result<(Config, Vec<Note>), ImportError> {
    let imported = Imported::read(text, None, &crate::config::load::environment())?;
    Ok((imported.config()?, imported.notes().to_vec()))
}

impl Imported {
    /// Converts a connector's file. `${env:NAME}` is taken from `env`; so are the brokers
    /// (`KAFKA_BOOTSTRAP_SERVERS`) when the file, as is usual, does not name them.
    ///
    /// # Errors
    /// With every property that is unknown, refused or wrong.
    pub fn read(text: &str, form: Option<Form>, env: &HashMap<String, String>) -> Result<Self, ImportError> {
        let mut all = Properties::read(text, form).map_err(|e| ImportError::one("", e))?;
        all.expand(env).map_err(|faults| ImportError {
            faults: faults
                .into_iter()
                .map(|(property, text)| Note { property, text })
                .collect(),
        })?;
        let kind = Kind::of(all.get("connector.class"));
        let mut draft = Draft::default();
        let mut faults = Vec::new();
        for (name, value) in all.iter() {
            if name.starts_with(OWN) {
                continue;
            }
            // In YAML this would be a reference of ours.
            let outcome = if yaml::is_reference(value) {
                Err(format!("`{value}` names no variable of the environment"))
            } else {
                apply(kind, &mut draft, &all, name, value)
            };
            if let Err(text) = outcome {
                faults.push(Note {
                    property: name.to_owned(),
                    text,
                });
            }
        }
        let required = match kind {
            Kind::Source => REQUIRED,
            Kind::Sink => &["connection.url"],
        };
        for name in required {
            let old = *name == "topic.prefix" && all.get("database.server.name").is_some();
            if all.get(name).is_none() && !old {
                faults.push(Note {
                    property: (*name).to_owned(),
                    text: "is required: add it".to_owned(),
                });
            }
        }
        if !faults.is_empty() {
            return Err(ImportError { faults });
        }
        match kind {
            Kind::Source => complete(&mut draft, &all, env),
            Kind::Sink => complete_sink(&mut draft, &all, env)?,
        }
        // Ours come last: they set any path of the model.
        for (name, value) in all.iter() {
            if let Some(path) = name.strip_prefix(OWN) {
                draft.set(path, scalar(value));
            }
        }
        let given = all.iter().map(|(name, _)| name.to_owned()).collect();
        Ok(Self { kind, draft, given })
    }

    /// What the user should know.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.draft.notes
    }

    /// The equivalent YAML file. Without its secrets, `${NAME:?…}` stands for each.
    #[must_use]
    pub fn yaml(&self, with_secrets: bool) -> String {
        yaml::write(&if with_secrets {
            self.draft.with_secrets()
        } else {
            self.draft.without_secrets()
        })
    }

    /// Names of the variables that stand for secrets in [`yaml`](Self::yaml).
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.draft.variables()
    }

    /// The configuration, not validated yet.
    ///
    /// # Errors
    /// When a value does not fit the model; says the property.
    pub fn config(&self) -> Result<Config, ImportError> {
        let tree = serde_json::Value::Object(self.draft.with_secrets());
        let servers = self
            .draft
            .get("kafka.bootstrap_servers")
            .and_then(serde_json::Value::as_str);
        if servers.is_some_and(yaml::is_reference) {
            return Err(ImportError::one(
                "bootstrap.servers",
                "the file does not name the brokers: add this property, or set the variable KAFKA_BOOTSTRAP_SERVERS",
            ));
        }
        Config::deserialize(tree)
            .map_err(|e| ImportError::one("", format!("does not fit the configuration: {e}")))
    }

    /// The configuration, validated.
    ///
    /// # Errors
    /// With every fault, under the name of its property where there is one.
    pub fn validated(&self) -> Result<Validated, ImportError> {
        Validated::new(self.config()?).map_err(|problems| ImportError {
            faults: problems.into_iter().map(|p| self.blame(p)).collect(),
        })
    }

    /// The property that set the path of a fault, or a part of it.
    fn blame(&self, problem: Problem) -> Note {
        let related = |name: &&String| {
            let (row, _) = table::find(self.kind, name)?;
            let path = match &row.outcome {
                Outcome::Honoured(take) => take.path(),
                _ if !row.joined.is_empty() => row.joined,
                _ => return None,
            };
            let fault = problem.path.as_str();
            let nested = path.starts_with(fault) || fault.starts_with(path) && path.contains('.');
            nested.then(|| (path.len().min(fault.len()), row.literal_len()))
        };
        let property = self
            .given
            .iter()
            .filter_map(|n| Some((related(&n)?, n)))
            .max()
            .map(|(_, n)| n);
        Note {
            property: property.cloned().unwrap_or(problem.path),
            text: problem.message,
        }
    }
}

/// Properties without which the connector does not start.
const REQUIRED: &[&str] = &[
    "topic.prefix",
    "database.hostname",
    "database.user",
    "database.dbname",
];

fn apply(kind: Kind, draft: &mut Draft, all: &Properties, name: &str, value: &str) -> Result<(), String> {
    let Some((row, captures)) = table::find(kind, name) else {
        let known = table::rows(kind).map(|r| r.name);
        let hint = nearest(name, known).map_or_else(String::new, |n| format!("; did you mean {n}?"));
        return Err(format!("unknown property: remove it{hint}"));
    };
    let given = Given {
        name,
        value,
        captures,
        all,
    };
    row.apply(draft, &given)
}

/// Adds what Debezium and Connect take for granted and we do not.
fn complete(draft: &mut Draft, all: &Properties, env: &HashMap<String, String>) {
    write_defaults(Kind::Source, draft, all);
    if draft.get("name").is_none() {
        let prefix = draft.get("format.topic_prefix").cloned().unwrap_or_default();
        draft.set("name", prefix);
    }
    // With an output of ours nothing goes to Kafka.
    let elsewhere = all.get("pgcdc.output.type").is_some();
    if !elsewhere {
        name_brokers(draft, env);
    }
    // A known loss of Debezium's: consumers of its topics see what they have seen.
    draft.set("format.values.null_names_in_stream", true);
    // Connect leaves to the broker what is not given.
    for path in ["kafka.topics.partitions", "kafka.topics.replication_factor"] {
        if !elsewhere && draft.get(path).is_none() {
            draft.set(path, -1);
        }
    }
    draft.finish();
}

/// Adds what a sink connector takes for granted.
fn complete_sink(
    draft: &mut Draft,
    all: &Properties,
    env: &HashMap<String, String>,
) -> Result<(), ImportError> {
    write_defaults(Kind::Sink, draft, all);
    if draft.get("name").is_none() {
        return Err(ImportError::one(
            "name",
            "is required: the consumer group is named after it",
        ));
    }
    if draft.get("consume.topics").is_none() && draft.get("consume.topics_regex").is_none() {
        return Err(ImportError::one(
            "topics",
            "is required: name the topics, or topics.regex",
        ));
    }
    let given = |name: &str| all.get(name).map(str::to_owned);
    table::sink::complete(draft, given, |name| all.is_empty(name))
        .map_err(|(p, text)| ImportError::one(&p, text))?;
    if draft.get("consume.group_id").is_none() {
        // Connect's own name for the group: the index goes on where the connector has stopped.
        let name = draft
            .get("name")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        draft.set("consume.group_id", format!("connect-{name}"));
    }
    name_brokers(draft, env);
    draft.finish();
    Ok(())
}

fn name_brokers(draft: &mut Draft, env: &HashMap<String, String>) {
    if draft.get("kafka.bootstrap_servers").is_none() {
        let servers = env.get("KAFKA_BOOTSTRAP_SERVERS").cloned();
        let reference = "${KAFKA_BOOTSTRAP_SERVERS:?set it to host:port of the brokers}".to_owned();
        draft.set("kafka.bootstrap_servers", servers.unwrap_or(reference));
    }
}

/// Writes the defaults that differ from ours.
fn write_defaults(kind: Kind, draft: &mut Draft, all: &Properties) {
    for row in table::rows(kind).filter(|r| r.writes_default) {
        let Outcome::Honoured(take) = &row.outcome else {
            continue;
        };
        if draft.get(take.path()).is_none() {
            let given = Given {
                name: row.name,
                value: row.default,
                captures: Vec::new(),
                all,
            };
            let applied = take.apply(draft, &given);
            debug_assert!(applied.is_ok(), "{}: {applied:?}", row.name);
        }
    }
}
