//! Partitions chosen by fields of the value.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::{is_envelope, operation};
use super::java_hash::{hash_code, murmur};
use super::{Build, HeaderUse, Transform, TransformError};
use crate::connect::Schema;
use crate::convert::default_value;
use crate::record::{Record, SchemaAndValue, Value};

/// Debezium's PartitionRouting: an event's partition is chosen by fields of its envelope.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartitionRouting {
    /// Paths such as `source.table`, `after.region` or `change.region`; `change` is the row after the change, of a delete
    /// the one before. A field that an event does not have does not count.
    pub partition_payload_fields: Vec<String>,
    /// Number of the topic's partitions.
    pub partition_topic_num: i32,
    /// How fields are hashed.
    #[serde(default)]
    pub partition_hash_function: HashFunction,
}

/// How fields are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashFunction {
    /// Java's `hashCode`.
    #[default]
    Java,
    /// Debezium's MurmurHash3.
    Murmur,
}

impl Build for PartitionRouting {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if self.partition_topic_num < 1 {
            return Err("partition_topic_num: must be at least 1".into());
        }
        if self.partition_payload_fields.is_empty()
            || self.partition_payload_fields.iter().any(String::is_empty)
        {
            return Err("partition_payload_fields: name at least one field".into());
        }
        let split = |path: &String| path.split('.').map(|step| step.trim().to_owned()).collect();
        Ok(Box::new(Routing {
            paths: self.partition_payload_fields.iter().map(split).collect(),
            partitions: self.partition_topic_num,
            function: self.partition_hash_function,
        }))
    }
}

#[derive(Clone, Debug)]
struct Routing {
    paths: Vec<Vec<String>>,
    partitions: i32,
    function: HashFunction,
}

impl Transform for Routing {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        if record.value.value.is_null() || !is_envelope(&record.value) {
            return Ok(Some(record));
        }
        let op = operation(&record);
        if matches!(op, Some("t" | "m")) {
            return Ok(Some(record));
        }
        let change = if op == Some("d") { "before" } else { "after" };
        let (mut sum, mut found) = (0_i32, false);
        for path in &self.paths {
            let Some((schema, value)) = follow(&record.value, path, change)? else {
                continue;
            };
            let hash = match self.function {
                HashFunction::Java => hash_code(schema.as_deref(), &value),
                HashFunction::Murmur => murmur(schema.as_deref(), &value),
            };
            let no_hash = || {
                TransformError::new(format!(
                    "the field {} is a struct, which has no hash",
                    path.join(".")
                ))
            };
            sum = sum.wrapping_add(hash.ok_or_else(no_hash)?);
            found = true;
        }
        if found {
            let hash = sum & i32::MAX;
            let hash = if hash == i32::MAX { 0 } else { hash };
            record.head.partition = Some(hash % self.partitions);
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::Adds
    }
}

/// A value and its schema, if it has one.
type Found = (Option<Arc<Schema>>, Value);

/// Schema and value at the end of a path; none if it leads nowhere or to null.
fn follow(envelope: &SchemaAndValue, path: &[String], change: &str) -> Result<Option<Found>, TransformError> {
    let (mut schema, mut value) = (envelope.schema.clone(), &envelope.value);
    for (at, step) in path.iter().enumerate() {
        let last = at + 1 == path.len();
        let name = if step == "change" && !last { change } else { step };
        match &schema {
            Some(current) => {
                let Some((index, field)) = current.field(name) else {
                    return Ok(None);
                };
                let next = Arc::clone(&field.schema);
                value = value.member(index);
                if value.is_null() && last {
                    let default = default_value(&next)?;
                    return Ok(default.map(|default| (Some(next), default)));
                }
                schema = Some(next);
            }
            None => match value.entry(name) {
                Some(next) => value = next,
                None => return Ok(None),
            },
        }
        if value.is_null() {
            return Ok(None);
        }
    }
    Ok(Some((schema, value.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, envelope, row};

    fn partition(fields: &[&str], function: HashFunction, record: Record) -> Option<i32> {
        let options = PartitionRouting {
            partition_payload_fields: fields.iter().map(|f| (*f).to_owned()).collect(),
            partition_topic_num: 100,
            partition_hash_function: function,
        };
        apply(&options, record).unwrap().unwrap().head.partition
    }

    #[test]
    fn hashes_of_fields_choose_the_partition() {
        let insert = || envelope("c", None, Some(row(142, Some("a"))));
        let delete = || envelope("d", Some(row(7, None)), None);
        assert_eq!(partition(&["after.id"], HashFunction::Java, insert()), Some(42));
        assert_eq!(partition(&["change.id"], HashFunction::Java, delete()), Some(7));
        assert_eq!(
            partition(&["change.id", "change.v"], HashFunction::Java, insert()),
            Some((142 + 97) % 100)
        );
        assert_eq!(
            partition(&["after.nothing", "before.id"], HashFunction::Java, insert()),
            None
        );
        assert!(partition(&["op"], HashFunction::Murmur, insert()).is_some_and(|p| (0..100).contains(&p)));
        assert_eq!(
            partition(&["op"], HashFunction::Java, envelope("t", None, None)),
            None
        );
        let none = PartitionRouting {
            partition_payload_fields: vec!["op".into()],
            partition_topic_num: 0,
            partition_hash_function: HashFunction::Java,
        };
        assert!(none.build().is_err());
    }
}
