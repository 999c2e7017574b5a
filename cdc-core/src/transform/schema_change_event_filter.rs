//! Schema change events left out by their kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::member;
use super::{Build, HeaderUse, Transform, TransformError};
use crate::record::{Record, Value};

/// Debezium's SchemaChangeEventFilter. PostgreSQL's connector writes no schema change events; topics of other connectors may
/// hold some.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaChangeEventFilter {
    /// Kinds that are left out.
    pub schema_change_event_exclude_list: Vec<EventKind>,
}

/// Kind of a schema change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventKind {
    /// A table was created.
    Create,
    /// A table was changed.
    Alter,
    /// A table was dropped.
    Drop,
    /// A table was truncated.
    Truncate,
    /// A change to the database itself.
    Database,
}

impl EventKind {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Alter => "ALTER",
            Self::Drop => "DROP",
            Self::Truncate => "TRUNCATE",
            Self::Database => "DATABASE",
        }
    }
}

impl Build for SchemaChangeEventFilter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl Transform for SchemaChangeEventFilter {
    fn apply(&mut self, record: Record) -> Result<Option<Record>, TransformError> {
        let name = record
            .value
            .schema
            .as_deref()
            .and_then(|s| s.name.as_deref())
            .unwrap_or_default();
        if record.value.value.is_null()
            || !name.ends_with(".SchemaChangeValue") && !name.ends_with(".SchemaChangeKey")
        {
            return Ok(Some(record));
        }
        let Some(Value::Array(changes)) = member(&record.value, "tableChanges") else {
            return Ok(None);
        };
        // The first member of a change is its kind.
        let kind = match changes.first() {
            None => "DATABASE",
            Some(change) => change.member(0).as_str().unwrap_or_default(),
        };
        let excluded = self
            .schema_change_event_exclude_list
            .iter()
            .any(|k| k.name() == kind);
        Ok((!excluded).then_some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::Adds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{Field, Kind, Schema};
    use crate::transform::fixture::{apply, plain, record, structure};

    #[test]
    fn events_go_by_their_kind() {
        let options = SchemaChangeEventFilter {
            schema_change_event_exclude_list: vec![EventKind::Drop, EventKind::Database],
        };
        let event = |kinds: &[&str]| {
            let change = Schema::new(Kind::Struct(vec![Field::new("type", Schema::new(Kind::String))]));
            let changes = kinds
                .iter()
                .map(|k| Value::Struct(vec![Value::String((*k).into())]))
                .collect();
            let list = Schema::new(Kind::Array(change.into()));
            record(structure(
                "mysql.SchemaChangeValue",
                vec![("tableChanges", list, Value::Array(changes))],
            ))
        };
        assert!(apply(&options, event(&["DROP"])).unwrap().is_none());
        assert!(apply(&options, event(&[])).unwrap().is_none());
        assert!(apply(&options, event(&["ALTER"])).unwrap().is_some());
        assert!(apply(&options, plain("{}")).unwrap().is_some());
    }
}
