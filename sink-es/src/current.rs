//! Documents as the index has them now, read past the refresh.

use std::collections::HashMap;

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::backoff::Pauses;
use crate::bulk::Sealed;
use crate::delivery::{Delivery, refused};
use crate::hits::Page;
use crate::prepare::segment;
use crate::reply::ItemError;
use crate::route::Route;

/// A document to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) index: String,
    pub(crate) id: String,
    pub(crate) routing: Option<String>,
    /// Fields whose values are wanted.
    pub(crate) fields: Vec<String>,
}

/// A document that is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) version: u64,
    /// The fields, raw; none when the index keeps no source.
    pub(crate) source: Option<Vec<u8>>,
}

/// Documents asked for at once.
const AT_ONCE: usize = 500;

/// Documents whose values are asked for at once before it is known how large they are.
pub(crate) const FEW: usize = 8;

/// Who may only write can index all but what needs the state before.
const MAY_READ: &str = "give the user of index.auth the right to read the index: values that a change does not carry, and versions that \
                        a tombstone does not tell, are taken from there";

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    docs: Vec<Doc<'a>>,
}

#[derive(Deserialize)]
struct Doc<'a> {
    #[serde(default)]
    found: bool,
    #[serde(default, rename = "_version")]
    version: u64,
    #[serde(borrow, default, rename = "_source")]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<ItemError<'a>>,
}

impl Delivery {
    /// Fills documents that lack values from the index, until what they have got makes up a request. Returns how many of the
    /// items, from the first on, lack nothing now.
    ///
    /// How large values are is not known before they are read: `at_once` says how many are read at once, first [`FEW`] and then
    /// by the size of the largest.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub(crate) async fn fill(
        &self,
        bulk: &mut Sealed,
        which: &[usize],
        at_once: &mut usize,
    ) -> Result<usize, Error> {
        let most = self.max_bytes();
        let mut lacking: Vec<(usize, usize)> = bulk.lacking(which);
        let mut filled = 0_usize;
        while !lacking.is_empty() {
            let later = lacking.split_off((*at_once).min(lacking.len()));
            let (items, wanted): (Vec<_>, Vec<_>) = lacking
                .iter()
                .filter_map(|&(_, i)| Some((i, bulk.wanted(i)?)))
                .unzip();
            let before = bulk.memory();
            let mut largest = 1;
            for (i, found) in items.into_iter().zip(self.look(&wanted).await?) {
                // What is not there has no values either.
                let found = found.unwrap_or_default();
                largest = largest.max(found.source.as_ref().map_or(0, Vec::len));
                bulk.fill(i, &found);
            }
            let grown = bulk.memory().saturating_sub(before);
            self.take_memory(grown);
            filled = filled.saturating_add(grown);
            lacking = later;
            *at_once = (most / largest).clamp(1, at_once.saturating_mul(4).min(AT_ONCE));
            if let (true, Some(&(at, _))) = (filled >= most, lacking.first()) {
                return Ok(at);
            }
        }
        Ok(which.len())
    }

    /// Looks at documents; none for one that is not there.
    ///
    /// # Errors
    /// When the server refuses for good.
    pub(crate) async fn look(&self, wanted: &[Wanted]) -> Result<Vec<Option<Found>>, Error> {
        let mut all = Vec::with_capacity(wanted.len());
        for part in wanted.chunks(AT_ONCE) {
            all.extend(self.look_at_once(part).await?);
        }
        Ok(all)
    }

    /// The documents that have an `_id`, wherever they live: routing and version of each.
    ///
    /// # Errors
    /// When the server refuses for good.
    pub(crate) async fn find(&self, route: &Route, id: &str) -> Result<Vec<(Option<String>, u64)>, Error> {
        let name = segment(&route.index);
        let query = json!({
            "query": { "ids": { "values": [id] } }, "_source": false, "version": true, "size": 100
        });
        let mut found = Vec::new();
        // A search sees only what was refreshed.
        for (path, body) in [("_refresh", None), ("_search", Some(&query))] {
            let answer = self.ask(Method::POST, &format!("{name}/{path}"), body).await?;
            let answer = answer.ok_or_else(stopped)?;
            match answer.status.as_u16() {
                200..=299 => {}
                404 => return Ok(Vec::new()),
                status => {
                    let error = refused(&format!("the search in {}", route.index), &answer);
                    return Err(if status == 403 {
                        error.with_hint(MAY_READ)
                    } else {
                        error
                    });
                }
            }
            if body.is_some() {
                let page: Page<'_> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
                found.extend(page.hits.hits.into_iter().map(|hit| (hit.routing, hit.version)));
            }
        }
        Ok(found)
    }

    async fn look_at_once(&self, wanted: &[Wanted]) -> Result<Vec<Option<Found>>, Error> {
        let mut pauses = Pauses::new(self.backoff);
        // Indexes behind aliases of several, by alias.
        let mut behind: HashMap<&str, String> = HashMap::new();
        loop {
            let docs: Vec<Value> = wanted
                .iter()
                .map(|w| one(w, behind.get(w.index.as_str())))
                .collect();
            let body = json!({ "docs": docs });
            let answer = self.ask(Method::POST, "_mget", Some(&body)).await?;
            let answer = answer.ok_or_else(stopped)?;
            if !answer.status.is_success() {
                let error = refused("the look at documents", &answer);
                return Err(match answer.status.as_u16() {
                    403 => error.with_hint(MAY_READ),
                    _ => error,
                });
            }
            let docs = read(&answer.body, wanted.len())?;
            let failed = docs.iter().zip(wanted).find_map(|(doc, w)| {
                let error = doc.error.as_ref()?;
                (error.kind != "index_not_found_exception").then_some((error, w))
            });
            let Some((error, w)) = failed else {
                return Ok(docs.iter().map(found).collect());
            };
            let of_several = error
                .reason
                .as_deref()
                .is_some_and(|r| r.contains("more than one ind"));
            if of_several && !behind.contains_key(w.index.as_str()) {
                let index = self.written_behind(&w.index).await?;
                behind.insert(&w.index, index);
            } else if of_several || error.kind == "security_exception" {
                let text = format!("documents of {} cannot be read: {}", w.index, error.describe());
                return Err(Error::new(ErrorKind::Privilege, text).with_hint(MAY_READ));
            } else if self.ledger.failed() {
                return Err(stopped());
            } else {
                pauses.wait("documents cannot be read for the moment").await;
            }
        }
    }

    /// The index that writes to an alias go to.
    async fn written_behind(&self, alias: &str) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Aliases {
            aliases: HashMap<String, Write>,
        }
        #[derive(Deserialize)]
        struct Write {
            #[serde(default)]
            is_write_index: bool,
        }
        let answer = self
            .ask(Method::GET, &format!("_alias/{}", segment(alias)), None)
            .await?;
        let answer = answer.ok_or_else(stopped)?;
        if !answer.status.is_success() {
            return Err(refused(&format!("the look at alias {alias}"), &answer));
        }
        let all: HashMap<String, Aliases> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
        let mut written = all
            .into_iter()
            .filter(|(_, a)| a.aliases.get(alias).is_some_and(|w| w.is_write_index));
        written.next().map(|(index, _)| index).ok_or_else(|| {
            let text = format!("alias {alias} has several indexes, and none of them is its write index");
            Error::new(ErrorKind::Config, text).with_hint("set is_write_index on one of them")
        })
    }
}

/// What is not known must not be taken for missing.
fn stopped() -> Error {
    Error::new(ErrorKind::SinkUnavailable, "the index sink has stopped")
}

fn one(wanted: &Wanted, behind: Option<&String>) -> Value {
    let mut doc = json!({ "_index": behind.unwrap_or(&wanted.index), "_id": wanted.id });
    doc["_source"] = if wanted.fields.is_empty() {
        false.into()
    } else {
        wanted.fields.clone().into()
    };
    if let Some(routing) = &wanted.routing {
        doc["routing"] = routing.as_str().into();
    }
    doc
}

fn read(body: &Bytes, wanted: usize) -> Result<Vec<Doc<'_>>, Error> {
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    if reply.docs.len() == wanted {
        Ok(reply.docs)
    } else {
        let text = "the server's answer does not fit the documents that were asked for";
        Err(Error::new(ErrorKind::SinkUnavailable, text))
    }
}

fn found(doc: &Doc<'_>) -> Option<Found> {
    doc.found.then(|| Found {
        version: doc.version,
        source: doc.source.map(|s| s.get().as_bytes().to_vec()),
    })
}

fn unreadable(e: serde_json::Error) -> Error {
    Error::new(
        ErrorKind::SinkRejected,
        "what the server says of documents cannot be read",
    )
    .with_source(e)
}
