//! What the server found, in the form of its search API.

use serde::Deserialize;
use serde_json::value::RawValue;

/// An answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(rename = "_scroll_id")]
    pub(crate) scroll: Option<String>,
    #[serde(borrow)]
    pub(crate) hits: Hits<'a>,
}

/// Its documents.
#[derive(Debug, Deserialize)]
pub(crate) struct Hits<'a> {
    #[serde(borrow)]
    pub(crate) hits: Vec<Hit<'a>>,
}

/// A document.
#[derive(Debug, Deserialize)]
pub(crate) struct Hit<'a> {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    #[serde(rename = "_version", default)]
    pub(crate) version: u64,
    /// Where the document lives, if not where its `_id` says.
    #[serde(rename = "_routing")]
    pub(crate) routing: Option<String>,
    #[serde(rename = "_source", borrow)]
    pub(crate) source: Option<&'a RawValue>,
}
