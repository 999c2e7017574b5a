//! Topics to indexes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cdc_core::{Error, ErrorKind, Position, RecordHead, Topic};

use crate::envelope::EnvelopeReader;
use crate::json;
use crate::version::kafka_offset;

/// Where a topic's documents go.
#[derive(Debug)]
pub(crate) struct Route {
    /// Topic.
    pub(crate) topic: Arc<Topic>,
    /// Index name.
    pub(crate) index: String,
    /// `"_index":"…"`, the part of action lines that is the same for all documents.
    pub(crate) member: Vec<u8>,
}

/// Where a record came from, for errors and dead letters.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) route: Arc<Route>,
    pub(crate) partition: Option<i32>,
    pub(crate) offset: Option<u64>,
    pub(crate) position: Position,
}

impl Place {
    pub(crate) fn new(route: &Arc<Route>, head: &RecordHead) -> Self {
        Self {
            route: Arc::clone(route),
            partition: head.partition,
            offset: kafka_offset(head),
            position: head.position,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}", self.route.topic.name)?;
        if let (Some(partition), Some(offset)) = (self.partition, self.offset) {
            write!(f, ", partition {partition}, offset {offset}")
        } else {
            write!(f, ", position {}:{}", self.position.commit_lsn, self.position.seq)
        }
    }
}

/// The routes in use, with what is remembered of each topic.
#[derive(Debug)]
pub(crate) struct Routes {
    name: String,
    entries: Vec<Entry>,
    by_topic: HashMap<String, usize>,
    by_index: HashMap<String, String>,
    /// Records of one topic come in runs.
    last: Option<usize>,
}

/// One topic in use.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) route: Arc<Route>,
    pub(crate) reader: EnvelopeReader,
    /// Last version on each partition, for tombstones: those say none.
    pub(crate) versions: HashMap<Option<i32>, u64>,
}

impl Routes {
    /// No routes yet; `name` is the template of [`IndexConfig::name`](crate::IndexConfig::name).
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            entries: Vec::new(),
            by_topic: HashMap::new(),
            by_index: HashMap::new(),
            last: None,
        }
    }

    /// The topic's entry, if the topic was seen before.
    pub(crate) fn find(&mut self, topic: &Arc<Topic>) -> Option<&mut Entry> {
        let same = self.last.filter(|&i| {
            self.entries
                .get(i)
                .is_some_and(|e| Arc::ptr_eq(&e.route.topic, topic))
        });
        let i = same.or_else(|| self.by_topic.get(&topic.name).copied())?;
        self.last = Some(i);
        self.entries.get_mut(i)
    }

    /// Makes the topic's route.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when two topics meet in one index though the template tells topics apart.
    pub(crate) fn add(&mut self, topic: &Arc<Topic>) -> Result<Arc<Route>, Error> {
        let index = index_name(&self.name, &topic.name);
        let other = self.by_index.insert(index.clone(), topic.name.clone());
        if let Some(other) = other.filter(|o| *o != topic.name && self.name.contains("{topic}")) {
            let text = format!(
                "topics {other} and {} would both go to index {index}, since index names are lower-case and shorter",
                topic.name
            );
            return Err(Error::new(ErrorKind::Config, text).with_hint(
                "exclude one of the tables, or give the two pipelines with different index.name",
            ));
        }
        let mut member = br#""_index":""#.to_vec();
        json::escape(&index, &mut member);
        member.push(b'"');
        let route = Arc::new(Route {
            topic: Arc::clone(topic),
            index,
            member,
        });
        self.by_topic.insert(topic.name.clone(), self.entries.len());
        self.entries.push(Entry {
            route: Arc::clone(&route),
            reader: EnvelopeReader::default(),
            versions: HashMap::new(),
        });
        Ok(route)
    }
}

/// Longest index name that the servers take, in bytes.
const LONGEST: usize = 255;

/// The index for a topic: the template filled in, lower-cased, refused characters as `_`, leading `-`, `_`, `+` dropped,
/// `.` and `..` as words, cut to 255 bytes.
pub(crate) fn index_name(template: &str, topic: &str) -> String {
    let text = template.replace("{topic}", topic).to_lowercase();
    let mut name: String = text
        .chars()
        .map(|c| match c {
            '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ' ' | ',' | '#' | ':' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    name = name.trim_start_matches(['-', '_', '+']).to_owned();
    let mut cut = name.len().min(LONGEST);
    while !name.is_char_boundary(cut) {
        cut = cut.saturating_sub(1);
    }
    name.truncate(cut);
    match name.as_str() {
        "" => "topic".into(),
        "." => "dot".into(),
        ".." => "dotdot".into(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_servers_take() {
        for (template, topic, want) in [
            ("{topic}", "Server1.public.Orders", "server1.public.orders"),
            ("cdc-{topic}-v1", "a.B", "cdc-a.b-v1"),
            ("{topic}", "__debezium-heartbeat.x", "debezium-heartbeat.x"),
            ("{topic}", "a/b*c:d e#", "a_b_c_d_e_"),
            ("fixed", "a", "fixed"),
            ("{topic}", "..", "dotdot"),
            ("{topic}", ".", "dot"),
            ("{topic}", "___", "topic"),
        ] {
            assert_eq!(index_name(template, topic), want);
        }
        assert_eq!(index_name("{topic}", &"é".repeat(200)).len(), 254);
    }

    #[test]
    fn two_topics_do_not_meet_unnoticed() {
        let topic = |name: &str| Arc::new(Topic { name: name.into() });
        let mut routes = Routes::new("{topic}");
        let lower = topic("s.public.orders");
        assert!(routes.find(&lower).is_none());
        routes.add(&lower).unwrap();
        assert_eq!(routes.find(&lower).unwrap().route.index, "s.public.orders");
        let e = routes.add(&topic("s.public.Orders")).unwrap_err();
        assert!(e.to_string().contains("s.public.Orders"), "{e}");
        let mut fixed = Routes::new("all");
        fixed.add(&lower).unwrap();
        assert_eq!(fixed.add(&topic("other")).unwrap().index, "all");
    }
}
