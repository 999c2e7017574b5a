//! Topics renamed by a regular expression.

use std::sync::Arc;

use foldhash::HashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Build, HeaderUse, Transform, TransformError};
use crate::Topic;
use crate::filter::Rewrite;
use crate::record::Record;

/// Renames topics whose whole name the expression matches.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegexRouter {
    /// Java regular expression.
    pub regex: String,
    /// New name; `$1` and `${name}` are groups.
    pub replacement: String,
}

impl Build for RegexRouter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let rewrite = Rewrite::new("regex", &self.regex, &self.replacement)?;
        Ok(Box::new(Router(TopicRewrite::new(rewrite))))
    }
}

#[derive(Clone, Debug)]
struct Router(TopicRewrite);

impl Transform for Router {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        self.0.apply(&mut record);
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::CopiesIfRouted
    }
}

/// Topics remembered with their new names.
const TOPICS: usize = 4096;

/// A renaming of topics that is worked out once a topic.
#[derive(Clone, Debug)]
pub(super) struct TopicRewrite {
    rewrite: Rewrite,
    /// New topic by old name; none if it stays.
    known: HashMap<String, Option<Arc<Topic>>>,
}

impl TopicRewrite {
    pub(super) fn new(rewrite: Rewrite) -> Self {
        Self {
            rewrite,
            known: HashMap::default(),
        }
    }

    /// The topic that takes a topic's place; none if it stays.
    pub(super) fn of(&mut self, topic: &str) -> Option<Arc<Topic>> {
        if let Some(known) = self.known.get(topic) {
            return known.clone();
        }
        let new = self.rewrite.apply(topic).map(|name| Arc::new(Topic { name }));
        if self.known.len() >= TOPICS {
            self.known.clear();
        }
        self.known.insert(topic.to_owned(), new.clone());
        new
    }

    pub(super) fn apply(&mut self, record: &mut Record) {
        if let Some(topic) = self.of(&record.head.topic.name) {
            record.head.topic = topic;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::record;

    #[test]
    fn topics_are_renamed_once() {
        let options = RegexRouter {
            regex: r"srv\.(.*)\.(.*)".into(),
            replacement: "out-$2".into(),
        };
        let mut router = options.build().unwrap();
        let mut route = || {
            router
                .apply(record(SchemaAndValue::null()))
                .unwrap()
                .unwrap()
                .head
                .topic
        };
        let first = route();
        assert_eq!(first.name, "out-t");
        assert!(Arc::ptr_eq(&first, &route()));
    }
}
