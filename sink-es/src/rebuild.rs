//! An index beside another one: made, compared, and put in its place.

mod fitness;

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::time::Duration;

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::backoff::Pauses;
use crate::client::{Answer, Client};
use crate::config::IndexConfig;
use crate::delivery::refused;
use crate::hits::{Hit, Page};
use crate::prepare::segment;
use crate::route::route_of;

/// Requests that change and compare whole indexes.
#[derive(Debug)]
pub struct Rebuild {
    client: Client,
    backoff: (Duration, Duration),
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
    /// There are more that differ: so many that not all were counted.
    pub more: bool,
}

impl Difference {
    /// Whether the indexes hold the same.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.changed == 0 && !self.more
    }
}

/// Documents of a page of a scan: small enough for large documents, large enough that requests do not count.
const PAGE: usize = 1000;
/// Parts that documents are divided into by their `_id`s: where two sums differ, only those parts are looked at.
const PARTS: usize = 1 << 16;
/// Bytes that a page should have.
const PAGE_BYTES: usize = 4 << 20;
/// Documents that are looked at first, to know how large they are.
const FEW_FIRST: usize = 10;
/// So many documents that differ are looked at one by one.
const FEW: usize = 500;
/// So many documents are remembered at once (16 bytes each, in a map): of parts that differ, only as many are looked at.
const MOST: usize = 1 << 20;
/// Attempts at one request: with the default pauses some minutes.
const PATIENCE: u32 = 16;
/// How often, and how far apart, indexes are read again that differ in more: one of them may be behind.
const SCANS: (usize, Duration) = (5, Duration::from_secs(3));
/// Single documents are looked at again until so many looks have brought nothing, and how far apart if nothing tells more.
const SETTLING: (usize, Duration) = (20, Duration::from_millis(500));

/// A document that the two indexes may differ in.
struct Open {
    id: String,
    routing: Option<String>,
}

/// Documents that differ, as long as they are few.
#[derive(Default)]
struct Few {
    named: Vec<Open>,
    more: bool,
}

impl Few {
    fn add(&mut self, hit: &Hit<'_>) {
        if self.named.len() < FEW {
            self.named.push(Open {
                id: hit.id.clone(),
                routing: hit.routing.clone(),
            });
        } else {
            self.more = true;
        }
    }

    fn is_full(&self) -> bool {
        self.more
    }
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
            backoff: config.backoff(),
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
        fitness::check(config, &route, from)?;
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
    /// looked at again, since changes go on and reach the indexes at different times. `passed` returns once the writers of
    /// both have come past everything that is there now; false, if that cannot be told: some seconds must do then.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses; what `passed` reports.
    pub async fn compare(
        &self,
        old: &str,
        new: &str,
        what: Compared,
        passed: impl AsyncFn() -> Result<bool, Error>,
    ) -> Result<Difference, Error> {
        let (mut scans, mut pauses, mut left) = (1, Pauses::new(self.backoff), PATIENCE);
        loop {
            let (difference, open) = match self.compare_once(old, new, what).await {
                // A page that did not come is not asked for again: the server may already be at the next one.
                Err(error) if error.kind() == ErrorKind::SinkUnavailable && left > 0 => {
                    left -= 1;
                    tracing::warn!(error = %error.chain(), "the indexes are read again from the beginning");
                    pauses.wait("an index cannot be read to its end").await;
                    continue;
                }
                compared => compared?,
            };
            if !open.is_full() {
                return self
                    .settle(old, new, what, (difference, open.named), passed)
                    .await;
            }
            if scans == SCANS.0 {
                return Ok(difference);
            }
            scans += 1;
            if !passed().await? {
                tokio::time::sleep(SCANS.1).await;
            }
        }
    }

    /// Compares the indexes as they are at one moment each; returns the documents that differ, too.
    async fn compare_once(&self, old: &str, new: &str, what: Compared) -> Result<(Difference, Few), Error> {
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
            return Ok((difference, Few::default()));
        }
        let mut parts: Vec<usize> = (0..PARTS)
            .filter(|&part| a.parts.get(part) != b.parts.get(part))
            .collect();
        let in_one = a.documents.max(b.documents) / PARTS + 1;
        let at_once = (MOST / in_one).max(1);
        difference.more = parts.len() > at_once;
        parts.truncate(at_once);
        let differs = |id: &str| parts.binary_search(&self.part(id)).is_ok();
        // Hashes, not `_id`s: only what differs in the end is remembered by name, as far as it is looked at one by one.
        let mut ours: HashMap<u64, u64, foldhash::fast::FixedState> = HashMap::default();
        let keep = |hit: &Hit<'_>| {
            if differs(&hit.id) {
                ours.insert(self.hasher.hash_one(&hit.id), self.hash(hit, what));
            }
        };
        self.scan(old, what, keep).await?;
        let mut open = Few {
            named: Vec::new(),
            more: difference.more,
        };
        let compare = |hit: &Hit<'_>| {
            if !differs(&hit.id) {
                return;
            }
            match ours.remove(&self.hasher.hash_one(&hit.id)) {
                Some(hash) if hash == self.hash(hit, what) => return,
                Some(_) => difference.changed += 1,
                None => difference.extra += 1,
            }
            open.add(hit);
        };
        self.scan(new, what, compare).await?;
        difference.missing = ours.len();
        if !ours.is_empty() && !open.is_full() {
            let name = |hit: &Hit<'_>| {
                if ours.contains_key(&self.hasher.hash_one(&hit.id)) {
                    open.add(hit);
                }
            };
            self.scan(old, what, name).await?;
        }
        Ok((difference, open))
    }

    /// Looks at single documents until they are the same, or differ though nothing can be under way to either index any more.
    async fn settle(
        &self,
        old: &str,
        new: &str,
        what: Compared,
        (mut difference, mut open): (Difference, Vec<Open>),
        passed: impl AsyncFn() -> Result<bool, Error>,
    ) -> Result<Difference, Error> {
        let (mut rounds, mut certain, mut before) = (0, false, Vec::new());
        while !open.is_empty() {
            let (mut still, mut states) = (Vec::new(), Vec::new());
            let documents = difference.documents;
            let (mut counted, known) = (
                Difference {
                    documents,
                    ..Difference::default()
                },
                open.len(),
            );
            for one in open {
                let old = self.document(old, &one, what).await?;
                let new = self.document(new, &one, what).await?;
                match (&old, &new) {
                    (a, b) if a == b => continue,
                    (Some(_), None) => counted.missing += 1,
                    (None, Some(_)) => counted.extra += 1,
                    _ => counted.changed += 1,
                }
                still.push(one);
                states.push(self.hasher.hash_one((old, new)));
            }
            (difference, open) = (counted, still);
            rounds = if open.len() < known { 0 } else { rounds + 1 };
            // What was seen so before both writers came past it, and is so still, will stay so.
            if open.is_empty() || (certain && states == before) || rounds >= SETTLING.0 {
                break;
            }
            let hot = certain;
            (certain, before) = (passed().await?, states);
            if hot || !certain {
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
        let name = segment(index);
        let scanned = |answer: Answer| match answer.status.as_u16() {
            200..=299 => Ok(answer),
            408 | 429 | 500..=599 => {
                let error = refused(&format!("the scan of index {index}"), &answer);
                Err(Error::new(ErrorKind::SinkUnavailable, "a page did not come").with_source(error))
            }
            _ => Err(refused(&format!("the scan of index {index}"), &answer)),
        };
        let query = |size: usize| json!({ "size": size, "sort": ["_doc"], "version": what.versions, "_source": what.content });
        let mut size = PAGE;
        if what.content {
            let path = format!("{name}/_search");
            let few = scanned(self.send(Method::POST, &path, Some(&query(FEW_FIRST))).await?)?;
            size = page_for(few.body.len() / FEW_FIRST);
        }
        let path = format!("{name}/_search?scroll=2m");
        let mut answer = scanned(self.send(Method::POST, &path, Some(&query(size))).await?)?;
        loop {
            let page: Page<'_> = read(&answer)?;
            for hit in &page.hits.hits {
                each(hit);
            }
            let more = !page.hits.hits.is_empty();
            let Some(scroll) = page.scroll else { return Ok(()) };
            if !more {
                // The server forgets it after two minutes anyway.
                let body = json!({ "scroll_id": scroll });
                let forgotten = self.once(Method::DELETE, "_search/scroll", Some(&body)).await;
                if let Err(error) = forgotten {
                    tracing::debug!(error = %error.chain(), "a scan was not closed");
                }
                return Ok(());
            }
            let next = json!({ "scroll": "2m", "scroll_id": scroll });
            answer = scanned(self.once(Method::POST, "_search/scroll", Some(&next)).await?)?;
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

    /// Sends a request until it is answered by a server that is available, or [`PATIENCE`] is at its end.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let mut pauses = Pauses::new(self.backoff);
        for _ in 1..PATIENCE {
            match self.once(method.clone(), path, body).await {
                Ok(a) if matches!(a.status.as_u16(), 408 | 429 | 500..=599) => {}
                Err(error) if error.kind() == ErrorKind::SinkUnavailable => {}
                answered => return answered,
            }
            pauses.wait("the cluster does not answer for the moment").await;
        }
        self.once(method, path, body).await
    }

    async fn once(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let body = body.map(|b| ("application/json", Bytes::from(b.to_string())));
        self.client.send(method, path, body).await
    }
}

/// How many documents of so many bytes make up a page.
fn page_for(bytes: usize) -> usize {
    (PAGE_BYTES / bytes.max(1)).clamp(1, PAGE)
}

fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body)
        .map_err(|e| Error::new(ErrorKind::SinkRejected, "the server's answer cannot be read").with_source(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded_in_bytes() {
        assert_eq!((page_for(0), page_for(300)), (PAGE, PAGE));
        assert_eq!((page_for(PAGE_BYTES / 8), page_for(usize::MAX)), (8, 1));
    }
}
