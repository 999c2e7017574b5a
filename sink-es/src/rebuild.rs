//! An index beside another one: made, compared, and put in its place.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::time::Duration;

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::bulk::Op;
use crate::client::{Answer, Client};
use crate::config::{IdFrom, IndexConfig, Versions};
use crate::delivery::refused;
use crate::prepare::segment;
use crate::route::{Route, route_of};

/// Requests that change and compare whole indexes.
#[derive(Debug)]
pub struct Rebuild {
    client: Client,
    hasher: foldhash::fast::RandomState,
}

/// What a new index is filled from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilledFrom {
    /// The records of the topic, as the old one was.
    Topic,
    /// The rows of the table, which tell neither coordinates nor when they were written.
    Table,
}

/// What two documents with one `_id` must have in common, besides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Their version.
    pub versions: bool,
    /// Their content.
    pub content: bool,
}

/// How two indexes differ, in documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the old one only.
    pub missing: usize,
    /// In the new one only.
    pub extra: usize,
    /// In both, and not the same in what is compared.
    pub changed: usize,
    /// Documents in the old index.
    pub documents: usize,
}

impl Difference {
    /// Whether the indexes hold the same.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.changed == 0
    }
}

/// Documents of a page of a scan: small enough for large documents, large enough that requests do not count.
const PAGE: usize = 1000;
/// Parts that documents are divided into by their `_id`s: where two sums differ, only those parts are looked at.
const PARTS: usize = 1 << 16;
/// So many documents that differ are looked at one by one.
const FEW: usize = 500;
/// How often, and how far apart, indexes are read again that differ in more: one of them may be behind.
const SCANS: (usize, Duration) = (5, Duration::from_secs(3));
/// Single documents are looked at again until so many looks have brought nothing: changes reach the indexes at different times.
const SETTLING: (usize, Duration) = (20, Duration::from_millis(500));

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(rename = "_scroll_id")]
    scroll: Option<String>,
    #[serde(borrow)]
    hits: Hits<'a>,
}

#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_version", default)]
    version: u64,
    /// Where the document lives, if not where its `_id` says.
    #[serde(rename = "_routing")]
    routing: Option<String>,
    #[serde(rename = "_source", borrow)]
    source: Option<&'a RawValue>,
}

/// A document that the two indexes may differ in.
struct Open {
    id: String,
    routing: Option<String>,
}

/// Sums of an index.
struct Sums {
    parts: Vec<u64>,
    documents: usize,
}

impl Rebuild {
    /// Sets the client up.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Tls`] that names the option.
    pub fn new(config: &IndexConfig) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            client: Client::new(config)?,
            hasher: foldhash::fast::RandomState::default(),
        })
    }

    /// The name that a topic's documents are written to, and the one index behind that alias.
    ///
    /// # Errors
    /// When the name is no alias of exactly one index, and when the topic's documents cannot be built anew from there.
    pub async fn target(
        &self,
        config: &IndexConfig,
        topic: &str,
        from: FilledFrom,
    ) -> Result<(String, String), Error> {
        let route = route_of(config, topic)?;
        check(config, &route, from)?;
        let alias = route.index.clone();
        let answer = self
            .send(Method::GET, &format!("_alias/{}", segment(&alias)), None)
            .await?;
        let indexes: Map<String, Value> = match answer.status.as_u16() {
            200 => read(&answer)?,
            404 => Map::new(),
            _ => return Err(refused(&format!("the look at alias {alias}"), &answer)),
        };
        let names: Vec<&String> = indexes.keys().collect();
        match names.as_slice() {
            [one] => Ok((alias, (*one).clone())),
            [] => Err(Error::new(ErrorKind::Config, format!("{alias} is no alias, so another index cannot take its place"))
                .with_hint("let readers and the pipeline use an alias: create the index under another name, give it the alias")),
            more => Err(Error::new(ErrorKind::Config, format!("{alias} is an alias of {} indexes", more.len()))
                .with_hint("leave it to one of them")),
        }
    }

    /// Compares all documents of two indexes: `_id`s and, as far as wanted, versions and content. Documents that differ are
    /// looked at again for some seconds, since changes go on.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    pub async fn compare(&self, old: &str, new: &str, what: Compared) -> Result<Difference, Error> {
        let mut scans = 1;
        loop {
            let (difference, open) = self.compare_once(old, new, what).await?;
            if open.len() <= FEW {
                return self.settle(old, new, what, difference, open).await;
            }
            if scans == SCANS.0 {
                return Ok(difference);
            }
            scans += 1;
            tokio::time::sleep(SCANS.1).await;
        }
    }

    /// Compares the indexes as they are at one moment each; returns the documents that differ, too.
    async fn compare_once(
        &self,
        old: &str,
        new: &str,
        what: Compared,
    ) -> Result<(Difference, Vec<Open>), Error> {
        let list = format!("{},{}", segment(old), segment(new));
        let answer = self.send(Method::POST, &format!("{list}/_refresh"), None).await?;
        if !answer.status.is_success() {
            return Err(refused("the refresh of the indexes", &answer));
        }
        let (a, b) = (self.sums(old, what).await?, self.sums(new, what).await?);
        let mut difference = Difference {
            documents: a.documents,
            ..Difference::default()
        };
        if a.parts == b.parts {
            return Ok((difference, Vec::new()));
        }
        let differs = |id: &str| {
            let part = self.part(id);
            a.parts.get(part) != b.parts.get(part)
        };
        let (mut ours, mut theirs) = (HashMap::new(), HashMap::new());
        for (index, found) in [(old, &mut ours), (new, &mut theirs)] {
            let keep = |hit: &Hit<'_>| {
                if differs(&hit.id) {
                    found.insert(hit.id.clone(), (self.hash(hit, what), hit.routing.clone()));
                }
            };
            self.scan(index, what, keep).await?;
        }
        let mut open = Vec::new();
        for (id, (hash, routing)) in ours {
            match theirs.remove(&id) {
                Some((other, _)) if other == hash => continue,
                Some(_) => difference.changed += 1,
                None => difference.missing += 1,
            }
            open.push(Open { id, routing });
        }
        difference.extra = theirs.len();
        let only_theirs = theirs.into_iter();
        open.extend(only_theirs.map(|(id, (_, routing))| Open { id, routing }));
        Ok((difference, open))
    }

    /// Looks at single documents until they are the same, or nothing changes any more.
    async fn settle(
        &self,
        old: &str,
        new: &str,
        what: Compared,
        mut difference: Difference,
        mut open: Vec<Open>,
    ) -> Result<Difference, Error> {
        let mut fruitless = 0;
        while !open.is_empty() && fruitless < SETTLING.0 {
            let mut still = Vec::new();
            let mut counted = Difference {
                documents: difference.documents,
                ..Difference::default()
            };
            let before = open.len();
            for one in open {
                let (old, new) = (
                    self.document(old, &one, what).await?,
                    self.document(new, &one, what).await?,
                );
                match (old, new) {
                    (a, b) if a == b => continue,
                    (Some(_), None) => counted.missing += 1,
                    (None, Some(_)) => counted.extra += 1,
                    _ => counted.changed += 1,
                }
                still.push(one);
            }
            (difference, open) = (counted, still);
            fruitless = if open.len() < before { 0 } else { fruitless + 1 };
            if !open.is_empty() {
                tokio::time::sleep(SETTLING.1).await;
            }
        }
        Ok(difference)
    }

    /// Puts the new index in the place of the old one behind an alias, in one step. The old index stays.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn switch(&self, alias: &str, old: &str, new: &str) -> Result<(), Error> {
        let body = json!({ "actions": [
            { "remove": { "index": old, "alias": alias } },
            { "add": { "index": new, "alias": alias } },
        ]});
        let answer = self.send(Method::POST, "_aliases", Some(&body)).await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(refused(&format!("the switch of alias {alias}"), &answer))
        }
    }

    async fn sums(&self, index: &str, what: Compared) -> Result<Sums, Error> {
        let mut sums = Sums {
            parts: vec![0; PARTS],
            documents: 0,
        };
        let add = |hit: &Hit<'_>| {
            sums.documents = sums.documents.saturating_add(1);
            if let Some(part) = sums.parts.get_mut(self.part(&hit.id)) {
                *part ^= self.hash(hit, what);
            }
        };
        self.scan(index, what, add).await?;
        Ok(sums)
    }

    fn part(&self, id: &str) -> usize {
        usize::try_from(self.hasher.hash_one(id)).unwrap_or(0) % PARTS
    }

    fn hash(&self, hit: &Hit<'_>, what: Compared) -> u64 {
        let version = what.versions.then_some(hit.version);
        self.hasher
            .hash_one((hit.id.as_str(), version, hit.source.map(RawValue::get)))
    }

    /// Reads all documents of an index as they were at one moment.
    async fn scan(&self, index: &str, what: Compared, mut each: impl FnMut(&Hit<'_>)) -> Result<(), Error> {
        let body =
            json!({ "size": PAGE, "sort": ["_doc"], "version": what.versions, "_source": what.content });
        let mut answer = self
            .send(
                Method::POST,
                &format!("{}/_search?scroll=2m", segment(index)),
                Some(&body),
            )
            .await?;
        loop {
            if !answer.status.is_success() {
                return Err(refused(&format!("the scan of index {index}"), &answer));
            }
            let page: Page<'_> = read(&answer)?;
            for hit in &page.hits.hits {
                each(hit);
            }
            let more = !page.hits.hits.is_empty();
            let Some(scroll) = page.scroll else { return Ok(()) };
            if !more {
                // The server forgets it after two minutes anyway.
                let forgotten = self
                    .send(
                        Method::DELETE,
                        "_search/scroll",
                        Some(&json!({ "scroll_id": scroll })),
                    )
                    .await;
                if let Err(error) = forgotten {
                    tracing::debug!(error = %error.chain(), "a scan was not closed");
                }
                return Ok(());
            }
            let next = json!({ "scroll": "2m", "scroll_id": scroll });
            answer = self.send(Method::POST, "_search/scroll", Some(&next)).await?;
        }
    }

    /// Version and content of a document as it is now; a version that is not compared is left out.
    async fn document(
        &self,
        index: &str,
        Open { id, routing }: &Open,
        what: Compared,
    ) -> Result<Option<(Option<u64>, String)>, Error> {
        let routing = routing.as_ref().map(|r| format!("&routing={}", segment(r)));
        let path = format!(
            "{}/_doc/{}?_source={}{}",
            segment(index),
            segment(id),
            what.content,
            routing.unwrap_or_default()
        );
        let answer = self.send(Method::GET, &path, None).await?;
        match answer.status.as_u16() {
            404 => Ok(None),
            200 => {
                let hit: Hit<'_> = read(&answer)?;
                Ok(Some((
                    what.versions.then_some(hit.version),
                    hit.source.map_or_else(String::new, |s| s.get().to_owned()),
                )))
            }
            _ => Err(refused(&format!("the look at a document of {index}"), &answer)),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let body = body.map(|b| ("application/json", Bytes::from(b.to_string())));
        self.client.send(method, path, body).await
    }
}

/// Refuses documents that two writers cannot bring to the same state, and those that another source would give other `_id`s.
fn check(config: &IndexConfig, route: &Route, from: FilledFrom) -> Result<(), Error> {
    let refuse = |why: &str, hint: &'static str| {
        let text = format!(
            "the index of topic {} cannot be built anew: {why}",
            route.topic.name
        );
        Err(Error::new(ErrorKind::Config, text).with_hint(hint))
    };
    if config.streams() {
        return refuse(
            "it is a data stream",
            "data streams only grow, and take no other index in their place",
        );
    }
    let coordinates = route.id_from == IdFrom::Coordinates;
    if route.put == Op::Update || (config.versions == Versions::None && !coordinates) {
        return refuse(
            "its documents have no versions, so that what is written to it from two sides ends in no certain order",
            "set index.write to insert and index.versions to external_from_wal",
        );
    }
    if route.id_from == IdFrom::Auto {
        return refuse(
            "the server chooses its `_id`s, so that nothing tells which documents are the same",
            "set index.id_from to key",
        );
    }
    if from == FilledFrom::Table && (coordinates || config.versions == Versions::KafkaOffset) {
        return refuse(
            "its `_id`s or versions are those of Kafka's records, which the table does not tell",
            "fill it from the topic: --topic without --table",
        );
    }
    Ok(())
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body)
        .map_err(|e| Error::new(ErrorKind::SinkRejected, "the server's answer cannot be read").with_source(e))
}
