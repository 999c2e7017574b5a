//! Debezium's transforms by expression: Filter and ContentBasedRouter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expression::{Expression, Outcome};
use super::{Build, HeaderUse, Transform, TransformError};
use crate::filter::Pattern;
use crate::record::Record;

/// Debezium's Filter: keeps the records for which an expression is true.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// CEL expression over `key`, `value`, `topic`, `keySchema`, `valueSchema` and `header`, such as `value.op == 'c'`.
    pub condition: String,
    /// Regular expression for the topics to which it applies; all if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_regex: Option<String>,
    /// What happens with records without a value.
    #[serde(default)]
    pub null_handling_mode: NullHandling,
}

/// Debezium's ContentBasedRouter: an expression names the topic.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentBasedRouter {
    /// CEL expression, as for `filter`; null leaves the record in its topic.
    pub topic_expression: String,
    /// Regular expression for the topics to which it applies; all if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_regex: Option<String>,
    /// What happens with records without a value.
    #[serde(default)]
    pub null_handling_mode: NullHandling,
}

/// What happens with records without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NullHandling {
    /// They pass as they are.
    #[default]
    Keep,
    /// They are dropped.
    Drop,
    /// The expression is evaluated on them.
    Evaluate,
}

impl Build for Filter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        build(
            "condition",
            &self.condition,
            self.topic_regex.as_deref(),
            self.null_handling_mode,
            Use::Keep,
        )
    }
}

impl Build for ContentBasedRouter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let (regex, nulls) = (self.topic_regex.as_deref(), self.null_handling_mode);
        build(
            "topic_expression",
            &self.topic_expression,
            regex,
            nulls,
            Use::Route,
        )
    }
}

fn build(
    option: &str,
    expression: &str,
    topics: Option<&str>,
    nulls: NullHandling,
    purpose: Use,
) -> Result<Box<dyn Transform>, String> {
    let topics = topics.filter(|t| !t.is_empty());
    Ok(Box::new(Scripted {
        expression: Expression::compile(expression).map_err(|e| format!("{option}: {e}"))?,
        topics: topics.map(|t| Pattern::new("topic_regex", t)).transpose()?,
        nulls,
        purpose,
    }))
}

/// What the expression decides.
#[derive(Clone, Copy, Debug)]
enum Use {
    Keep,
    Route,
}

#[derive(Clone, Debug)]
struct Scripted {
    expression: Expression,
    topics: Option<Pattern>,
    nulls: NullHandling,
    purpose: Use,
}

impl Transform for Scripted {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        if self
            .topics
            .as_ref()
            .is_some_and(|topics| !topics.is_match(record.topic()))
        {
            return Ok(Some(record));
        }
        match self.nulls {
            NullHandling::Keep if record.value.value.is_null() => return Ok(Some(record)),
            NullHandling::Drop if record.value.value.is_null() => return Ok(None),
            _ => {}
        }
        let wrong = |what: &str, wanted: &str| {
            TransformError::new(format!("the expression gives {what}, and {wanted} is wanted"))
        };
        match (self.purpose, self.expression.evaluate(&record)?) {
            (Use::Keep, Outcome::Bool(keep)) => Ok(keep.then_some(record)),
            (Use::Keep, Outcome::Text(_)) => Err(wrong("a string", "true or false")),
            (Use::Keep, Outcome::Null) => Err(wrong("null", "true or false")),
            (Use::Keep, Outcome::Other(what)) => Err(wrong(what, "true or false")),
            (Use::Route, Outcome::Text(topic)) => {
                record.set_topic(&topic);
                Ok(Some(record))
            }
            (Use::Route, Outcome::Null) => Ok(Some(record)),
            (Use::Route, Outcome::Bool(_)) => Err(wrong("a boolean", "a topic")),
            (Use::Route, Outcome::Other(what)) => Err(wrong(what, "a topic")),
        }
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::CopiesIfRouted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::{apply, envelope, record, row};

    fn filter(condition: &str) -> Filter {
        Filter {
            condition: condition.into(),
            topic_regex: None,
            null_handling_mode: NullHandling::Keep,
        }
    }

    fn event() -> Record {
        envelope("c", None, Some(row(5, None)))
    }

    #[test]
    fn records_are_kept_for_which_it_is_true() {
        assert!(apply(&filter("value.after.id == 5"), event()).unwrap().is_some());
        assert!(apply(&filter("value.after.id != 5"), event()).unwrap().is_none());
        let other = Filter {
            topic_regex: Some("other".into()),
            ..filter("false")
        };
        assert!(apply(&other, event()).unwrap().is_some());
        assert!(
            apply(&filter("1"), event())
                .unwrap_err()
                .to_string()
                .contains("a number")
        );
        let tombstone = || record(SchemaAndValue::null());
        assert!(apply(&filter("false"), tombstone()).unwrap().is_some());
        let mode = |null_handling_mode| Filter {
            null_handling_mode,
            ..filter("value != null")
        };
        assert!(apply(&mode(NullHandling::Drop), tombstone()).unwrap().is_none());
        assert!(
            apply(&mode(NullHandling::Evaluate), tombstone())
                .unwrap()
                .is_none()
        );
        assert!(filter("(").build().unwrap_err().starts_with("condition: "));
    }

    #[test]
    fn an_expression_names_the_topic() {
        let router = |topic_expression: &str| ContentBasedRouter {
            topic_expression: topic_expression.into(),
            topic_regex: None,
            null_handling_mode: NullHandling::Keep,
        };
        let got = apply(&router("value.op == 'c' ? 'new' : null"), event())
            .unwrap()
            .unwrap();
        assert_eq!(got.topic(), "new");
        let got = apply(&router("value.op == 'd' ? 'old' : null"), event())
            .unwrap()
            .unwrap();
        assert_eq!(got.topic(), "srv.public.t");
        assert!(apply(&router("true"), event()).is_err());
    }
}
