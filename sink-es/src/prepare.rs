//! What must be there before documents are: templates, indexes, data streams, fields. Asked for without end while the
//! cluster is not available.

use std::sync::Arc;

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::backoff::Pauses;
use crate::client::Answer;
use crate::config::{DocumentFrom, IndexConfig, JsonMapping, OnConflict, ResourceKind};
use crate::connect_schema::Schema;
use crate::convert::Shape;
use crate::current::Wanted;
use crate::delivery::{Delivery, refused};
use crate::infer::{self, Conflict, Flavor};
use crate::reply;
use crate::route::{Route, index_name};

/// The part of the configuration that says what must be there.
#[derive(Debug)]
pub(crate) struct Preparation {
    config: IndexConfig,
    /// The template was put.
    template: OnceCell<()>,
    flavor: OnceCell<Flavor>,
}

/// How long a server remembers deleted documents, unless configured: a change that was held up for longer than the server's
/// own minute must not bring one back.
const GC_DELETES: &str = "10m";

impl Preparation {
    pub(crate) fn new(config: &IndexConfig) -> Self {
        Self {
            config: config.clone(),
            template: OnceCell::new(),
            flavor: OnceCell::new(),
        }
    }

    pub(crate) fn config(&self) -> &IndexConfig {
        &self.config
    }

    /// Whether a missing index is created.
    pub(crate) fn creates(&self, route: &Route) -> bool {
        creates(&self.config, route)
    }
}

/// Whether a missing index is created.
pub(crate) fn creates(config: &IndexConfig, route: &Route) -> bool {
    // A name that must be an alias is not made into an index.
    (config.create || route.infer && config.resources.is_none()) && !config.require_alias
}

/// Body of the request that creates the index for a topic.
pub(crate) fn creation(config: &IndexConfig, topic: &str) -> Value {
    let mut body = Map::new();
    body.insert("settings".into(), settings(config).into());
    if let Some(mappings) = &config.mappings {
        body.insert("mappings".into(), mappings.clone().into());
    }
    if let Some(alias) = &config.alias {
        body.insert("aliases".into(), json!({ index_name(alias, topic): {} }));
    }
    body.into()
}

fn settings(config: &IndexConfig) -> Map<String, Value> {
    let mut settings = config.settings.clone().unwrap_or_default();
    let nested = settings.get("index").and_then(|i| i.get("gc_deletes")).is_some();
    if !nested
        && !["index.gc_deletes", "gc_deletes"]
            .iter()
            .any(|k| settings.contains_key(*k))
    {
        settings.insert("index.gc_deletes".into(), GC_DELETES.into());
    }
    settings
}

/// Path and body of the request that puts the template.
pub(crate) fn template(config: &IndexConfig) -> Option<(String, Value)> {
    let t = config.template.as_ref()?;
    let mut inner = Map::new();
    if let Some(settings) = &config.settings {
        inner.insert("settings".into(), settings.clone().into());
    }
    if let Some(mappings) = &config.mappings {
        inner.insert("mappings".into(), mappings.clone().into());
    }
    let mut body = json!({ "index_patterns": t.patterns, "priority": t.priority, "template": inner });
    if let (true, Some(body)) = (t.data_stream, body.as_object_mut()) {
        body.insert("data_stream".into(), json!({}));
    }
    Some((format!("_index_template/{}", segment(&t.name)), body))
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for b in name.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

impl Delivery {
    /// Makes what a route needs, as far as that is configured, or checks that it is there.
    ///
    /// # Errors
    /// When the server refuses for good, or what others should have made is not there.
    pub(crate) async fn prepare(&self, route: &Route) -> Result<(), Error> {
        let p = &self.preparation;
        self.written.add(&route.index);
        if let Some((path, body)) = template(&p.config) {
            let put = async {
                let answer = self.ask(Method::PUT, &path, Some(&body)).await?;
                accept(answer, "index.template", false)
            };
            p.template.get_or_try_init(|| put).await?;
        }
        let name = segment(&route.index);
        if let Some(resources) = &p.config.resources {
            let (path, what) = match resources.kind {
                ResourceKind::Index => (name, "index"),
                ResourceKind::AliasIndex | ResourceKind::AliasDataStream => {
                    (format!("_alias/{name}"), "alias")
                }
                ResourceKind::DataStream => (format!("_data_stream/{name}"), "data stream"),
            };
            return match self.ask(Method::GET, &path, None).await? {
                Some(a) if a.status.as_u16() == 404 => {
                    let text = format!("index.resources.by_topic: there is no {what} {}", route.index);
                    Err(Error::new(ErrorKind::Config, text).with_hint("create it first"))
                }
                // Who may only write may not look.
                Some(a) if !a.status.is_success() && a.status.as_u16() != 403 => {
                    Err(refused(&format!("the look at {what} {}", route.index), &a))
                }
                _ => Ok(()),
            };
        }
        if !p.creates(route) {
            return Ok(());
        }
        let answer = self.create(route).await?;
        if answer.as_ref().is_some_and(|a| a.status.as_u16() == 403) {
            // Who may only write has an index that others have made. If there is none, the first document shows it.
            tracing::info!(
                index = route.index,
                "the user may not create indexes: this one is taken to be there"
            );
            return Ok(());
        }
        created(route, answer)
    }

    /// Makes a route's index, which a document has shown not to be there.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn create_missing(&self, route: &Route) -> Result<(), Error> {
        created(route, self.create(route).await?)
    }

    async fn create(&self, route: &Route) -> Result<Option<Answer>, Error> {
        let p = &self.preparation;
        let name = segment(&route.index);
        let (path, body) = match p.config.data_stream {
            Some(_) => (format!("_data_stream/{name}"), None),
            None => (name, Some(creation(&p.config, &route.topic.name))),
        };
        self.ask(Method::PUT, &path, body.as_ref()).await
    }

    /// Looks at a schema that a route's records come with from now on: puts what fields it adds, and returns the conversions
    /// that its values need.
    ///
    /// # Errors
    /// A field that is mapped in a way that cannot hold the values, by policy; when the server refuses.
    pub(crate) async fn learn(&self, route: &Route, schema: &[u8]) -> Result<Option<Arc<Shape>>, Error> {
        let c = &self.preparation.config;
        // A tombstone's schema is null, and a value without a struct has no fields.
        let Some(schema) = Schema::parse(schema) else {
            return Ok(None);
        };
        let row = if c.document == DocumentFrom::Row {
            schema.row()
        } else {
            &schema
        };
        if route.infer && route.typed {
            self.add_fields(route, row).await?;
        }
        Ok(Shape::compile(row, &c.mapping.convert).map(Arc::new))
    }

    async fn add_fields(&self, route: &Route, row: &Schema) -> Result<(), Error> {
        let c = &self.preparation.config;
        let want = infer::properties(row, &c.mapping, self.flavor().await?);
        let path = format!("{}/_mapping", segment(&route.index));
        let answer = self.ask(Method::GET, &path, None).await?;
        let Some(answer) = answer else { return Ok(()) };
        let have = match answer.status.as_u16() {
            200 => known_fields(&answer)?,
            404 => Map::new(),
            _ => {
                return Err(refused(
                    &format!("the look at the mapping of {}", route.index),
                    &answer,
                ));
            }
        };
        if !c.mapping.update && !have.is_empty() {
            return Ok(());
        }
        let mut conflicts = Vec::new();
        let add = infer::missing(&want, &have, "", &mut conflicts);
        if let [first, ..] = conflicts.as_slice() {
            self.conflict(route, first, conflicts.len())?;
        }
        if add.is_empty() {
            return Ok(());
        }
        let fields = add.keys().cloned().collect::<Vec<_>>().join(", ");
        let body = json!({ "properties": add });
        let answer = self.ask(Method::PUT, &path, Some(&body)).await?;
        accept(
            answer,
            &format!("the mapping of {} for {fields}", route.index),
            false,
        )?;
        tracing::info!(index = route.index, fields, "mapped new fields");
        Ok(())
    }

    fn conflict(&self, route: &Route, first: &Conflict, count: usize) -> Result<(), Error> {
        let text = format!(
            "field {} of index {} is mapped as {}, and the column of topic {} needs {}",
            first.field, route.index, first.have, route.topic.name, first.want
        );
        match self.preparation.config.mapping.on_conflict {
            OnConflict::Fail => Err(Error::new(ErrorKind::Config, text).with_hint(
                "rebuild the index (`pgcdc index rebuild`), or set index.mapping.on_conflict: continue",
            )),
            OnConflict::Continue => {
                tracing::warn!(
                    conflicts = count,
                    "{text}: documents that do not fit go by index.on_bad_document"
                );
                Ok(())
            }
        }
    }

    async fn flavor(&self) -> Result<Flavor, Error> {
        let p = &self.preparation;
        // Only one type has two names.
        if p.config.mapping.json != JsonMapping::Flattened {
            return Ok(Flavor::Elasticsearch);
        }
        let look = async {
            let answer = self.ask(Method::GET, "", None).await?;
            let open = answer.is_some_and(|a| memchr::memmem::find(&a.body, b"\"opensearch\"").is_some());
            Ok(if open {
                Flavor::OpenSearch
            } else {
                Flavor::Elasticsearch
            })
        };
        p.flavor.get_or_try_init(|| look).await.copied()
    }

    /// The version of a document; none when it is not there.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn current_version(
        &self,
        route: &Route,
        id: &str,
        routing: Option<&str>,
    ) -> Result<Option<u64>, Error> {
        let wanted = Wanted {
            index: route.index.clone(),
            id: id.to_owned(),
            routing: routing.map(str::to_owned),
            fields: Vec::new(),
        };
        let found = self.look(&[wanted]).await?.pop().flatten();
        Ok(found.map(|f| f.version))
    }

    /// Sends a request until it is answered by a server that is available; none when the sink has failed meanwhile.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Answer>, Error> {
        let mut pauses = Pauses::new(self.backoff);
        let bytes = body.map(|b| Bytes::from(b.to_string()));
        loop {
            let body = bytes.clone().map(|b| ("application/json", b));
            match self.client.send(method.clone(), path, body).await {
                Ok(a) if !matches!(a.status.as_u16(), 408 | 429 | 500..=599) => return Ok(Some(a)),
                Err(error) if error.kind() != ErrorKind::SinkUnavailable => return Err(error),
                Ok(_) | Err(_) if self.ledger.failed() => return Ok(None),
                Ok(_) | Err(_) => pauses.wait("the cluster does not answer for the moment").await,
            }
        }
    }
}

/// The fields of all indexes behind a name.
pub(crate) fn known_fields(answer: &Answer) -> Result<Map<String, Value>, Error> {
    let all: Map<String, Value> = serde_json::from_slice(&answer.body).map_err(|e| {
        Error::new(ErrorKind::SinkRejected, "the server's mapping cannot be read").with_source(e)
    })?;
    let properties = all
        .values()
        .filter_map(|i| i.pointer("/mappings/properties")?.as_object());
    Ok(properties.flat_map(Map::clone).collect())
}

/// Whether a route's index was made, or is there.
fn created(route: &Route, answer: Option<Answer>) -> Result<(), Error> {
    let correct = answer.as_ref().is_some_and(|a| a.status.as_u16() == 400);
    accept(answer, &format!("the creation of {}", route.index), true).map_err(|e| {
        if correct {
            e.with_hint("correct index.settings, index.mappings or index.name")
        } else {
            e
        }
    })
}

/// Whether what was to be made is there; `already` when it may have been before.
fn accept(answer: Option<Answer>, what: &str, already: bool) -> Result<(), Error> {
    match answer {
        None => Ok(()),
        Some(a) if a.status.is_success() || (already && exists(&a)) => Ok(()),
        Some(a) => Err(refused(what, &a)),
    }
}

fn exists(answer: &Answer) -> bool {
    let text = reply::request_error(&answer.body).unwrap_or_default();
    // The last two when an alias or a data stream has the name, in the words of several versions.
    text.starts_with("resource_already_exists_exception")
        || text.contains("already exists as alias")
        || text.contains("already exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &Value) -> IndexConfig {
        let mut c = json!({ "urls": ["http://h"], "create": true });
        c.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(c).unwrap()
    }

    #[test]
    fn a_new_index_remembers_deletes_unless_told_otherwise() {
        let c = config(&json!({ "alias": "All", "mappings": { "dynamic": "strict" } }));
        assert_eq!(
            creation(&c, "t"),
            json!({ "settings": { "index.gc_deletes": "10m" }, "mappings": { "dynamic": "strict" }, "aliases": { "all": {} } })
        );
        for settings in [
            json!({ "index.gc_deletes": "1s" }),
            json!({ "gc_deletes": "1s" }),
            json!({ "index": { "gc_deletes": "1s" } }),
        ] {
            let c = config(&json!({ "settings": settings }));
            assert_eq!(creation(&c, "t"), json!({ "settings": settings }));
        }
    }

    #[test]
    fn a_template_holds_what_indexes_would() {
        let c = config(
            &json!({ "template": { "name": "a b", "patterns": ["x*"], "data_stream": true }, "mappings": { "dynamic": false } }),
        );
        let (path, body) = template(&c).unwrap();
        assert_eq!(path, "_index_template/a%20b");
        assert_eq!(
            body,
            json!({ "index_patterns": ["x*"], "priority": 200, "template": { "mappings": { "dynamic": false } }, "data_stream": {} })
        );
    }
}
