//! A new index beside the old one, filled while the pipeline goes on, compared, and put in its place.
//!
//! What fills the new index (`Filling`) brings it everything that the pipeline brings to the old one; versions make the order
//! of the two irrelevant. After the switch the pipeline itself writes to the new index; what it wrote to the old one until then
//! has come, or comes, to the new one by the filling, which goes on until it has passed the moment of the switch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cdc_core::{Error, ErrorKind};
use sink_es::{Compared, FilledFrom, IndexConfig, Rebuild};
use tokio_util::sync::CancellationToken;

use super::filling::{Filling, FromTable, FromTopic, Tables};
use super::writer::Writer;
use crate::config::Validated;
use crate::run::unique;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The topic whose index it is. Not needed where the tables tell it.
    pub topic: Option<String>,
    /// Tables to fill the new index from, as `schema.table`; none: from the topic.
    pub tables: Vec<String>,
    /// Name of the new index.
    pub new_index: Option<String>,
    /// Whether documents are compared, not only their `_id`s and versions.
    pub content: bool,
    /// Whether the alias is switched although the two differ.
    pub accept_differences: bool,
    /// Whether the alias is switched.
    pub switch: bool,
    /// Longest wait for the new index to catch up.
    pub patience: Duration,
}

/// The names at play.
struct Names {
    alias: String,
    old: String,
    new: String,
}

/// Builds, compares, switches.
///
/// # Errors
/// When the two differ in the end, and what the parts refuse. The alias is as it was then.
pub async fn run(config: &Validated, order: &Order) -> Result<(), Error> {
    let refused = |text: &str| Error::new(ErrorKind::Config, text.to_owned());
    let index = config
        .index
        .as_ref()
        .ok_or_else(|| refused("there is no `index` section"))?;
    let tables = match order.tables.as_slice() {
        [] => None,
        names => Some(Tables::find(config, names).await?),
    };
    let topic = match (&order.topic, &tables) {
        (Some(topic), _) => topic.as_str(),
        (None, Some(tables)) => tables.topic(config)?,
        (None, None) => return Err(refused("say what to rebuild from: --topic or --table")),
    };
    let from = if tables.is_some() {
        FilledFrom::Table
    } else {
        FilledFrom::Topic
    };
    let admin = Rebuild::new(index)?;
    let (alias, old) = admin.target(index, topic, from).await?;
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let new = order
        .new_index
        .clone()
        .unwrap_or_else(|| format!("{alias}-{seconds}"));
    if new == old || new == alias {
        return Err(refused(
            "the new index must have another name than the old one and the alias",
        ));
    }
    let filling = match &tables {
        Some(tables) => Filling::Table(Box::new(FromTable::new(config, tables, beside(index, &new))?)),
        None => {
            // What a run leaves to the pipeline it has read as well: another one must not go on from there.
            let group = unique(&format!("pgcdc-{}-rebuild-{new}", config.name));
            Filling::Topic(Box::new(FromTopic::new(
                config,
                topic,
                beside(index, &new),
                group,
            )?))
        }
    };
    tracing::info!(topic, old, new, tables = ?order.tables, "filling the new index");
    let what = Compared {
        // Rows of the table do not tell when they were written.
        versions: from == FilledFrom::Topic,
        content: order.content,
    };
    let names = Names { alias, old, new };
    let writer = Writer::of(config, topic, from)?;
    let switched = AtomicBool::new(false);
    let (filling, stop) = (Arc::new(filling), CancellationToken::new());
    let mut filled = {
        let (filling, stop) = (Arc::clone(&filling), stop.clone());
        tokio::spawn(async move { filling.run(stop).await })
    };
    let done = tokio::select! {
        biased;
        ended = &mut filled => {
            let early = || Error::new(ErrorKind::SinkRejected, "the filling of the new index ended by itself");
            return Err(ended.map_err(|e| early().with_source(e))?.err().unwrap_or_else(early));
        }
        done = finish(&admin, (&filling, &writer), order, what, &names, &switched) => done,
    };
    stop.cancel();
    if done.is_err() && !switched.load(Ordering::Relaxed) {
        // Nobody else writes to the new index.
        filled.abort();
        return done;
    }
    // It goes on to the ends of the transactions that it has begun: the pipeline has written them, too.
    let unfinished = || {
        let text = "the filling of the new index has not come to an end: some of its documents may be of an older state";
        Error::new(ErrorKind::SinkUnavailable, text)
            .with_hint("rebuild it again; see to what slows the cluster down, or raise --patience")
    };
    let filled = match tokio::time::timeout(order.patience, &mut filled).await {
        Ok(Ok(filled)) => filled.map_err(|e| unfinished().with_source(e)),
        Ok(Err(panic)) => Err(unfinished().with_source(panic)),
        Err(_) => Err(unfinished()),
    };
    done.and(filled)
}

/// Waits, compares, switches, waits again.
async fn finish(
    admin: &Rebuild,
    (filling, writer): (&Filling, &Writer),
    order: &Order,
    what: Compared,
    Names { alias, old, new }: &Names,
    switched: &AtomicBool,
) -> Result<(), Error> {
    filling.catch_up(order.patience).await?;
    let passed = async || {
        filling.catch_up(order.patience).await?;
        Ok(writer.has_passed().await)
    };
    let difference = admin.compare(old, new, what, passed).await?;
    let compared = match (what.versions, what.content) {
        (true, true) => "_id, version and content",
        (true, false) => "_id and version",
        (false, true) => "_id and content",
        (false, false) => "_id",
    };
    let at_least = if difference.more { "at least " } else { "" };
    println!(
        "{} documents in {old}; in {new}: {at_least}{} missing, {} more, {} different (compared by {compared})",
        difference.documents, difference.missing, difference.extra, difference.changed
    );
    if !difference.is_none() && !order.accept_differences {
        let text = format!("{new} does not hold what {old} does: the alias {alias} stays as it is");
        return Err(Error::new(ErrorKind::SinkRejected, text).with_hint(if what.versions {
            "missing documents: the topic no longer holds all rows; different ones: other conversions, then --ignore-content compares versions only"
        } else {
            "different documents: other conversions, or values that the old index never got; more: what it has lost. If the new index is right, say --accept-differences"
        }));
    }
    if !order.switch {
        println!("{new} is ready; the alias {alias} still names {old}");
        return Ok(());
    }
    // Before it is asked for: it may be done although no answer comes.
    switched.store(true, Ordering::Relaxed);
    admin.switch(alias, old, new).await?;
    println!("{alias} now names {new}; {old} is kept");
    // What the pipeline wrote to the old index until now lies before this end.
    filling.catch_up(order.patience).await
}

/// The configuration for the new index.
fn beside(index: &IndexConfig, new: &str) -> IndexConfig {
    let mut beside = index.clone();
    beside.name = new.to_owned();
    beside.create = true;
    beside.alias = None;
    beside.require_alias = false;
    beside.resources = None;
    beside.template = None;
    for o in &mut beside.overrides {
        o.name = None;
    }
    beside
}
