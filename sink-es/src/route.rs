//! Topics to indexes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cdc_core::{Error, ErrorKind, Position, Record, Topic};

use crate::bulk::Op;
use crate::config::{ConvertConfig, DocumentFrom, IdFrom, IndexConfig, ResourceKind, TopicOverride, Write};
use crate::convert::Shape;
use crate::envelope::EnvelopeReader;
use crate::json;
use crate::partition::{Partitions, Remembered};
use crate::template::Template;
use crate::version::{Floors, kafka_offset};

/// Where a topic's documents go, and how.
#[derive(Debug)]
pub(crate) struct Route {
    /// Topic.
    pub(crate) topic: Arc<Topic>,
    /// Name of the index, alias or data stream.
    pub(crate) index: String,
    /// `"_index":"…"`, the part of action lines that is the same for all documents.
    pub(crate) member: Vec<u8>,
    /// `,"pipeline":"…","require_alias":true`, as far as configured: the part that deletes do not take.
    pub(crate) extra: Vec<u8>,
    /// How documents are put.
    pub(crate) put: Op,
    pub(crate) id_from: IdFrom,
    pub(crate) id_template: Option<Template>,
    pub(crate) routing: Option<Template>,
    /// Whether schemas are looked at: for mappings and conversions.
    pub(crate) typed: bool,
    /// Whether mappings are made from schemas.
    pub(crate) infer: bool,
}

impl Route {
    /// The way of records that did not get through their transforms: to no index.
    pub(crate) fn nowhere(topic: &Arc<Topic>) -> Self {
        Self {
            topic: Arc::clone(topic),
            index: String::new(),
            member: Vec::new(),
            extra: Vec::new(),
            put: Op::Index,
            id_from: IdFrom::Key,
            id_template: None,
            routing: None,
            typed: false,
            infer: false,
        }
    }
}

/// Where a record came from, for errors and dead letters.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) route: Arc<Route>,
    /// Topic that the record came from: another than the route's where a transform has renamed it.
    pub(crate) topic: Arc<Topic>,
    pub(crate) partition: Option<i32>,
    pub(crate) offset: Option<u64>,
    pub(crate) position: Position,
}

impl Place {
    /// The place of a record on its way along `route`.
    pub(crate) fn new(route: &Arc<Route>, record: &Record<'_>) -> Self {
        // A transform may give it another partition, too.
        let head = record.original().head;
        Self {
            route: Arc::clone(route),
            topic: Arc::clone(head.topic),
            partition: head.partition,
            offset: kafka_offset(head),
            position: head.position,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}", self.topic.name)?;
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
    config: RouteConfig,
    entries: Vec<Entry>,
    by_topic: HashMap<String, usize>,
    by_index: HashMap<String, String>,
    /// Records of one topic come in runs.
    last: Option<usize>,
}

/// The part of the configuration that routes are made of.
#[derive(Debug)]
struct RouteConfig {
    name: String,
    index: IndexConfig,
}

/// One topic in use.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) route: Arc<Route>,
    pub(crate) reader: EnvelopeReader,
    pub(crate) partitions: Partitions<Behind>,
    /// Whether it holds rows without envelopes, and so no delete events.
    pub(crate) flat: bool,
    /// It has been said that a truncate leaves the documents as they are.
    pub(crate) truncated: bool,
    /// It has been said that a tombstone came without its delete event.
    pub(crate) lone: bool,
    /// Conversions of the topic's current schema.
    pub(crate) shape: Option<Arc<Shape>>,
}

/// What is remembered of the records before one in its partition.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// Last version, for tombstones: those say none.
    pub(crate) version: Option<u64>,
    /// Where the snapshots stand that were read.
    pub(crate) floors: Floors,
    /// Hash of the key of the record before, if that was a delete event: its tombstone adds nothing.
    pub(crate) deleted: Option<u64>,
}

impl Remembered for Behind {
    /// Where a snapshot stands does not depend on what was read of it.
    fn interrupted(&mut self) {
        (self.version, self.deleted) = (None, None);
    }
}

impl Routes {
    /// No routes yet.
    pub(crate) fn new(config: &IndexConfig) -> Self {
        let name = match &config.data_stream {
            Some(d) => format!("{}-{}-{}", d.kind, d.dataset, d.namespace),
            None => config.name.clone(),
        };
        Self {
            config: RouteConfig {
                name,
                index: config.clone(),
            },
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
    /// [`ErrorKind::Config`] when two topics meet in one index though the template tells topics apart, and when a topic has
    /// no resource.
    pub(crate) fn add(&mut self, topic: &Arc<Topic>) -> Result<Arc<Route>, Error> {
        let (route, apart) = self.config.route(topic)?;
        let other = self.by_index.insert(route.index.clone(), topic.name.clone());
        if let Some(other) = other.filter(|o| *o != topic.name && apart) {
            let text = format!(
                "topics {other} and {} would both go to index {}, since index names are lower-case and shorter",
                topic.name, route.index
            );
            return Err(Error::new(ErrorKind::Config, text).with_hint(
                "exclude one of the tables, or give the two pipelines with different index.name",
            ));
        }
        let route = Arc::new(route);
        self.by_topic.insert(topic.name.clone(), self.entries.len());
        self.entries.push(Entry {
            route: Arc::clone(&route),
            reader: EnvelopeReader::new(self.config.index.document == DocumentFrom::Value),
            partitions: Partitions::default(),
            flat: false,
            truncated: false,
            lone: false,
            shape: None,
        });
        Ok(route)
    }
}

impl RouteConfig {
    /// The topic's route, and whether its name tells topics apart.
    fn route(&self, topic: &Arc<Topic>) -> Result<(Route, bool), Error> {
        let c = &self.index;
        let mut merged = TopicOverride::default();
        for o in c.overrides.iter().filter(|o| o.is_for(&topic.name)) {
            merged.name = o.name.clone().or(merged.name);
            merged.write = o.write.or(merged.write);
            merged.id_from = o.id_from.or(merged.id_from);
            // The two ways to an `_id` replace each other.
            if o.id_from.is_some() {
                merged.id_template = None;
            }
            merged.id_template = o.id_template.clone().or(merged.id_template);
            merged.routing = o.routing.clone().or(merged.routing);
            merged.pipeline = o.pipeline.clone().or(merged.pipeline);
            merged.infer = o.infer.or(merged.infer);
        }
        let template = merged.name.as_deref().unwrap_or(&self.name);
        let index = match &c.resources {
            Some(resources) => resources.by_topic.get(&topic.name).cloned().ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    format!("topic {} is not in index.resources.by_topic", topic.name),
                )
                .with_hint("name its index, alias or data stream there, or do not read the topic")
            })?,
            None => index_name(template, &topic.name),
        };
        let mut member = br#""_index":""#.to_vec();
        json::escape(&index, &mut member);
        member.push(b'"');
        let mut extra = Vec::new();
        if let Some(pipeline) = merged.pipeline.as_ref().or(c.pipeline.as_ref()) {
            extra.extend_from_slice(b",\"pipeline\":\"");
            json::escape(pipeline, &mut extra);
            extra.push(b'"');
        }
        if c.require_alias || matches!(c.resources, Some(ref r) if r.kind == ResourceKind::AliasIndex) {
            extra.extend_from_slice(b",\"require_alias\":true");
        }
        let put = match merged.write.unwrap_or(c.write) {
            _ if c.streams() => Op::Create,
            Write::Insert => Op::Index,
            Write::Upsert => Op::Update,
        };
        let parse = |text: Option<String>| match text {
            Some(text) => Template::parse(&text)
                .map(Some)
                .map_err(|e| Error::new(ErrorKind::Config, e)),
            None => Ok(None),
        };
        let default_template = c.id_template.clone().filter(|_| merged.id_from.is_none());
        let converts = c.mapping.infer || c.mapping.convert != ConvertConfig::default();
        let apart = template.contains("{topic}") || c.resources.is_some();
        let route = Route {
            topic: Arc::clone(topic),
            index,
            member,
            extra,
            put,
            id_from: merged.id_from.unwrap_or(c.id_from),
            id_template: parse(merged.id_template.or(default_template))?,
            routing: parse(merged.routing.or_else(|| c.routing.clone()))?,
            typed: merged.infer.unwrap_or(converts),
            infer: merged.infer.unwrap_or(c.mapping.infer),
        };
        Ok((route, apart))
    }
}

/// Where a topic's documents go, and how.
///
/// # Errors
/// As [`Routes::add`].
pub(crate) fn route_of(config: &IndexConfig, topic: &str) -> Result<Arc<Route>, Error> {
    let topic = Arc::new(Topic {
        name: topic.to_owned(),
    });
    Routes::new(config).add(&topic)
}

/// The index that a topic's documents go to.
///
/// # Errors
/// As [`Routes::add`].
pub(crate) fn index_of(config: &IndexConfig, topic: &str) -> Result<String, Error> {
    route_of(config, topic).map(|r| r.index.clone())
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
        let mut routes = Routes::new(&config(r#"{}"#));
        let lower = topic("s.public.orders");
        assert!(routes.find(&lower).is_none());
        routes.add(&lower).unwrap();
        assert_eq!(routes.find(&lower).unwrap().route.index, "s.public.orders");
        let e = routes.add(&topic("s.public.Orders")).unwrap_err();
        assert!(e.to_string().contains("s.public.Orders"), "{e}");
        let mut fixed = Routes::new(&config(r#"{"name":"all"}"#));
        fixed.add(&lower).unwrap();
        assert_eq!(fixed.add(&topic("other")).unwrap().index, "all");
    }

    #[test]
    fn overrides_resources_and_streams_change_a_route() {
        let topic = |name: &str| Arc::new(Topic { name: name.into() });
        let mut routes = Routes::new(&config(
            r#"{"pipeline":"p","id_template":"{key.id}","overrides":[
                {"topics_regex":"a.*","name":"x-{topic}","id_from":"coordinates"},
                {"topics":["ab"],"name":"y","id_template":"{topic}"}]}"#,
        ));
        let a = routes.add(&topic("aa")).unwrap();
        assert_eq!(
            (a.index.as_str(), a.id_from, &a.id_template),
            ("x-aa", IdFrom::Coordinates, &None)
        );
        assert_eq!(a.extra, br#","pipeline":"p""#);
        let ab = routes.add(&topic("ab")).unwrap();
        assert_eq!(
            (ab.index.as_str(), &ab.id_template),
            ("y", &Some(Template::parse("{topic}").unwrap()))
        );
        let b = routes.add(&topic("ba")).unwrap();
        assert_eq!(b.id_template, Some(Template::parse("{key.id}").unwrap()));
        let mut streams = Routes::new(&config(
            r#"{"delete_on":"nothing","data_stream":{"type":"logs","dataset":"d"}}"#,
        ));
        let route = streams.add(&topic("Shop.T")).unwrap();
        assert_eq!((route.index.as_str(), route.put), ("logs-d-shop.t", Op::Create));
        let mut resources = Routes::new(&config(
            r#"{"resources":{"kind":"alias_index","by_topic":{"t":"w"}}}"#,
        ));
        let route = resources.add(&topic("t")).unwrap();
        assert_eq!(
            (route.index.as_str(), route.extra.as_slice()),
            ("w", &br#","require_alias":true"#[..])
        );
        assert!(
            resources
                .add(&topic("u"))
                .unwrap_err()
                .to_string()
                .contains("index.resources")
        );
    }

    fn config(more: &str) -> IndexConfig {
        let mut c: serde_json::Map<String, serde_json::Value> = serde_json::from_str(more).unwrap();
        c.insert("urls".into(), serde_json::json!(["http://h"]));
        let c: IndexConfig = serde_json::from_value(c.into()).unwrap();
        c.validate().unwrap();
        c
    }
}
