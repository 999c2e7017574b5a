//! A row of the signal table, read.
//!
//! Source: Debezium 3.6, "Sending signals to a Debezium connector".

use serde::Deserialize;

use crate::Error;
use crate::filter::RegexList;
use crate::incremental::TableRequest;
use crate::schema::Table;

/// What a row asks for.
#[derive(Debug)]
pub(crate) enum Signal {
    /// Read tables.
    Execute(Execute),
    /// Stop reading: these tables, or all.
    Stop(Option<Tables>),
    /// Read no further chunk until told to.
    Pause,
    /// Go on reading.
    Resume,
    /// Write a line into the log.
    Log(String),
}

/// Tables by regular expressions on `schema.table`, matched in full.
#[derive(Debug)]
pub(crate) struct Tables {
    texts: Vec<String>,
    patterns: RegexList,
}

impl Tables {
    fn new(texts: Vec<String>) -> Result<Self, String> {
        let patterns = RegexList::new("data-collections", &texts).map_err(|e| text_of(&e))?;
        Ok(Self { texts, patterns })
    }

    /// Whether a table is meant.
    pub(crate) fn is_match(&self, table: &TableRequest) -> bool {
        self.patterns.is_match(&table.identifier())
    }
}

/// An error without the drawing that an expression's error has.
fn text_of(error: &Error) -> String {
    error.to_string()
}

/// A request to read tables.
#[derive(Debug)]
pub(crate) struct Execute {
    /// Id of the signal.
    pub(crate) id: String,
    tables: Tables,
    /// Conditions for the tables that an expression matches, in order.
    conditions: Vec<(RegexList, String)>,
    surrogate_key: Option<String>,
}

impl Execute {
    /// The tables meant, in the order of the expressions and of their names within one; and the expressions that match
    /// none of `captured`.
    pub(crate) fn resolve(&self, captured: &[Table]) -> (Vec<TableRequest>, Vec<&str>) {
        let mut names: Vec<(&str, &str)> = captured.iter().map(|t| (&*t.schema, &*t.name)).collect();
        names.sort_unstable();
        let mut requests: Vec<(usize, TableRequest)> = Vec::new();
        for (schema, name) in names {
            let identifier = format!("{schema}.{name}");
            let Some(rank) = self.tables.patterns.position(&identifier) else {
                continue;
            };
            let condition = self.conditions.iter().find(|(of, _)| of.is_match(&identifier));
            let request = TableRequest {
                schema: schema.to_owned(),
                name: name.to_owned(),
                condition: condition.map(|(_, filter)| filter.clone()),
                surrogate_key: self.surrogate_key.clone(),
            };
            requests.push((rank, request));
        }
        requests.sort_by_key(|(rank, _)| *rank);
        let texts = self.tables.texts.iter().enumerate();
        let unmatched = texts.filter(|(rank, text)| {
            // An expression that repeats an earlier one has no table of its own.
            let repeats = self.tables.texts.iter().take(*rank).any(|t| t == *text);
            !repeats && !self.matches_any(*rank, captured)
        });
        let unmatched = unmatched.map(|(_, text)| text.as_str()).collect();
        (requests.into_iter().map(|(_, r)| r).collect(), unmatched)
    }

    fn matches_any(&self, rank: usize, captured: &[Table]) -> bool {
        captured.iter().any(|t| {
            let identifier = format!("{}.{}", t.schema, t.name);
            self.tables.patterns.matches_at(rank, &identifier)
        })
    }
}

impl Signal {
    /// Reads a row; none of the texts is a row value of a captured table.
    ///
    /// # Errors
    /// One clause that says what is wrong. Nothing that the row holds is repeated in it, save the names of tables and types.
    pub(crate) fn read(id: &str, kind: &str, data: Option<&str>) -> Result<Self, String> {
        match kind {
            "execute-snapshot" => {
                let data: ExecuteData = parse(data)?;
                data.into_signal(id)
            }
            "stop-snapshot" => {
                let data: StopData = parse(data)?;
                only_incremental(data.kind.as_deref())?;
                let tables = data.data_collections.filter(|t| !t.is_empty());
                Ok(Self::Stop(tables.map(Tables::new).transpose()?))
            }
            "pause-snapshot" | "resume-snapshot" => {
                let data: TypeData = match data {
                    Some(_) => parse(data)?,
                    None => TypeData::default(),
                };
                only_incremental(data.kind.as_deref())?;
                Ok(if kind == "pause-snapshot" {
                    Self::Pause
                } else {
                    Self::Resume
                })
            }
            "log" => {
                let data: LogData = parse(data)?;
                Ok(Self::Log(data.message))
            }
            other => Err(format!(
                "its type {other:?} is none of execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot, log"
            )),
        }
    }
}

/// Members that we do not know are passed over, as Debezium does.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ExecuteData {
    #[serde(default)]
    data_collections: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    additional_conditions: Vec<ConditionData>,
    /// The older form: one condition for all tables.
    additional_condition: Option<String>,
    surrogate_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ConditionData {
    data_collection: String,
    #[serde(default)]
    filter: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StopData {
    data_collections: Option<Vec<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Default, Deserialize)]
struct TypeData {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct LogData {
    message: String,
}

impl ExecuteData {
    fn into_signal(self, id: &str) -> Result<Signal, String> {
        only_incremental(self.kind.as_deref())?;
        if self.data_collections.is_empty() {
            return Err("its data names no table in data-collections".into());
        }
        let mut conditions = Vec::new();
        let wanted = |filter: &String| !filter.trim().is_empty();
        for c in self
            .additional_conditions
            .into_iter()
            .filter(|c| wanted(&c.filter))
        {
            let of =
                RegexList::new("additional-conditions", &[&c.data_collection]).map_err(|e| text_of(&e))?;
            conditions.push((of, c.filter));
        }
        if conditions.is_empty()
            && let Some(filter) = self.additional_condition.filter(wanted)
        {
            let all = RegexList::new("additional-condition", &[".*"]).map_err(|e| text_of(&e))?;
            conditions.push((all, filter));
        }
        Ok(Signal::Execute(Execute {
            id: id.to_owned(),
            tables: Tables::new(self.data_collections)?,
            conditions,
            surrogate_key: self.surrogate_key.filter(|k| !k.trim().is_empty()),
        }))
    }
}

fn parse<'a, T: Deserialize<'a>>(data: Option<&'a str>) -> Result<T, String> {
    let data = data.ok_or("it has no data")?;
    serde_json::from_str(data).map_err(|e| {
        // The cause may quote what it found; where and what kind of fault is enough.
        let what = match e.classify() {
            serde_json::error::Category::Data => "has not the members that its type wants",
            _ => "is not valid JSON",
        };
        format!("its data {what} (line {}, column {})", e.line(), e.column())
    })
}

fn only_incremental(kind: Option<&str>) -> Result<(), String> {
    match kind.map(str::trim) {
        None => Ok(()),
        Some(kind) if kind.eq_ignore_ascii_case("incremental") => Ok(()),
        Some(kind) if kind.eq_ignore_ascii_case("blocking") => Err(
            "blocking snapshots are not supported: use the type incremental, which reads the same rows while the stream goes on"
                .into(),
        ),
        Some(kind) => Err(format!("its snapshot type {kind:?} is not incremental")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(names: &[&str]) -> Vec<Table> {
        let table = |n: &&str| Table {
            schema: "public".into(),
            name: (*n).into(),
            ..Table::default()
        };
        names.iter().map(table).collect()
    }

    fn execute(data: &str) -> Execute {
        match Signal::read("x", "execute-snapshot", Some(data)).unwrap() {
            Signal::Execute(e) => e,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tables_are_matched_in_full_and_in_the_order_of_the_list() {
        let e = execute(r#"{"data-collections": ["public.b.*", "public.a", "public.none", "public.a"]}"#);
        let tables = captured(&["a", "aa", "b2", "b1"]);
        let (requests, unmatched) = e.resolve(&tables);
        let names: Vec<&str> = requests.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["b1", "b2", "a"]);
        assert_eq!(unmatched, ["public.none"]);
    }

    #[test]
    fn conditions_go_to_the_tables_that_they_name() {
        let e = execute(
            r#"{"data-collections": ["public.*"], "type": "INCREMENTAL", "surrogate-key": "k", "more": 1,
                "additional-conditions": [{"data-collection": "public.a", "filter": "n > 1"},
                                          {"data-collection": "public.b", "filter": " "}]}"#,
        );
        let tables = captured(&["a", "b"]);
        let (requests, _) = e.resolve(&tables);
        let got: Vec<_> = requests
            .iter()
            .map(|r| (r.condition.as_deref(), r.surrogate_key.as_deref()))
            .collect();
        assert_eq!(got, [(Some("n > 1"), Some("k")), (None, Some("k"))]);
        let old = execute(r#"{"data-collections": ["public.*"], "additional-condition": "n = 2"}"#);
        let conditions: Vec<_> = old.resolve(&tables).0.into_iter().map(|r| r.condition).collect();
        assert_eq!(conditions, [Some("n = 2".to_owned()), Some("n = 2".to_owned())]);
    }

    #[test]
    fn what_is_wrong_is_said_without_what_the_row_holds() {
        let refused = |kind: &str, data: Option<&str>| Signal::read("x", kind, data).unwrap_err();
        assert!(refused("execute-snapshot", Some(r#"{"type":"blocking"}"#)).contains("blocking"));
        assert!(
            refused("stop-snapshot", Some(r#"{"type":"blocking"}"#)).contains("use the type incremental")
        );
        assert!(refused("execute-snapshot", Some(r#"{"type":"other"}"#)).contains("\"other\""));
        assert!(refused("execute-snapshot", Some("{}")).contains("names no table"));
        assert!(refused("execute-snapshot", None).contains("no data"));
        assert!(refused("schema-changes", Some("{}")).contains("schema-changes"));
        let bad = refused("execute-snapshot", Some(r#"{"data-collections": "secret"}"#));
        assert!(bad.contains("line 1") && !bad.contains("secret"), "{bad}");
        assert!(refused("log", Some("{\"message\":")).contains("not valid JSON"));
        assert!(refused("execute-snapshot", Some(r#"{"data-collections": ["a("]}"#)).contains("`a(`"));
    }

    #[test]
    fn a_stop_without_tables_is_of_all() {
        let stop = |data: &str| Signal::read("x", "stop-snapshot", Some(data)).unwrap();
        assert!(matches!(stop(r#"{"type":"incremental"}"#), Signal::Stop(None)));
        assert!(matches!(stop(r#"{"data-collections":[]}"#), Signal::Stop(None)));
        assert!(matches!(
            stop(r#"{"data-collections":["a.b"]}"#),
            Signal::Stop(Some(_))
        ));
        assert!(matches!(
            Signal::read("x", "pause-snapshot", None),
            Ok(Signal::Pause)
        ));
        assert!(matches!(
            Signal::read("x", "resume-snapshot", Some("{}")),
            Ok(Signal::Resume)
        ));
    }
}
