//! Topics named by the record's time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::date_format::DateFormat;
use super::{Build, Transform, TransformError};
use crate::record::Record;

/// Renames topics by the record's timestamp, in UTC.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimestampRouter {
    /// New name; `${topic}` and `${timestamp}` stand for the old name and the time.
    pub topic_format: String,
    /// Form of the time, as Java's SimpleDateFormat.
    pub timestamp_format: String,
}

impl Default for TimestampRouter {
    fn default() -> Self {
        Self {
            topic_format: "${topic}-${timestamp}".into(),
            timestamp_format: "yyyyMMdd".into(),
        }
    }
}

impl Build for TimestampRouter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        Ok(Box::new(Router {
            format: DateFormat::new(&self.timestamp_format).map_err(|e| format!("timestamp_format: {e}"))?,
            topic: self.topic_format.clone(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Router {
    topic: String,
    format: DateFormat,
}

impl Transform for Router {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let missing = || {
            TransformError::new("the record has no timestamp: send it through a predicate, or set one first")
        };
        let at = record.head.timestamp_ms.ok_or_else(missing)?;
        let topic = self.topic.replace("${topic}", record.topic());
        record.set_topic(&topic.replace("${timestamp}", &self.format.format(at)));
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::{apply, record};

    #[test]
    fn the_day_is_part_of_the_name() {
        let mut r = record(SchemaAndValue::null());
        assert!(apply(&TimestampRouter::default(), r.clone()).is_err());
        r.head.timestamp_ms = Some(1_704_164_645_678);
        let got = apply(&TimestampRouter::default(), r).unwrap().unwrap();
        assert_eq!(got.topic(), "srv.public.t-20240102");
    }
}
