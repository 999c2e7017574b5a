//! Makes what was written searchable: a refresh of the indexes that documents went to.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cdc_core::Error;
use reqwest::Method;

use crate::delivery::{Delivery, refused};
use crate::ladder::Latency;
use crate::prepare::segment;
use crate::route::index_of;

/// The indexes of a sink, for whoever waits for its documents to be searchable.
#[derive(Clone, Debug)]
pub struct Refresher(Arc<Delivery>);

/// Names of the indexes that documents went to.
#[derive(Debug, Default)]
pub(crate) struct Written(Mutex<BTreeSet<String>>);

impl Written {
    pub(crate) fn add(&self, index: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(index) {
            names.insert(index.to_owned());
        }
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Longest list of names in one request: servers refuse long request lines.
const LONGEST: usize = 2000;

impl Refresher {
    pub(crate) fn new(delivery: &Arc<Delivery>) -> Self {
        Self(Arc::clone(delivery))
    }

    /// Refreshes the indexes that this sink has written to, and those of `topics`: everything that was durable before the
    /// call is searchable afterwards. Returns how long that took.
    ///
    /// # Errors
    /// When the server refuses, for example a user without the right to `maintenance`.
    pub async fn refresh(&self, topics: &[String]) -> Result<Duration, Error> {
        let start = Instant::now();
        let mut names = self.0.written.names();
        for topic in topics {
            names.insert(index_of(self.0.preparation.config(), topic)?);
        }
        let mut list = String::new();
        for name in &names {
            if !list.is_empty() && list.len() + name.len() > LONGEST {
                self.refresh_list(&list).await?;
                list.clear();
            }
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&segment(name));
        }
        if !list.is_empty() {
            self.refresh_list(&list).await?;
        }
        Ok(start.elapsed())
    }

    /// How long the last change took from stage to stage.
    #[must_use]
    pub fn latency(&self) -> Latency {
        self.0.ladder.last()
    }

    async fn refresh_list(&self, list: &str) -> Result<(), Error> {
        let path = format!("{list}/_refresh?ignore_unavailable=true");
        match self.0.ask(Method::POST, &path, None).await? {
            Some(a) if !a.status.is_success() => Err(refused("the refresh of the indexes", &a)),
            _ => Ok(()),
        }
    }
}
