//! The transforms of MOSIP's reporting, which its sink connectors name.
//!
//! Each has two modes. `compatible` does what the Java classes do, with their flaws: error texts as data, unescaped queries,
//! lost decimals. `strict`, the default, does what they mean; `docs/mosip-transforms.md` lists the differences. They work on
//! maps as JSON without schemas gives them, and as far as the Java classes do on structs.

mod anonymous_profile;
mod biometrics;
mod dynamic_new_field;
#[cfg(test)]
mod golden;
mod java_map;
mod org_json;
#[cfg(test)]
mod strict;
mod string_to_json;
mod table;
mod timestamp_converter_adv;
mod timestamp_selector;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::anonymous_profile::AnonymousProfile;
pub use self::dynamic_new_field::DynamicNewField;
pub use self::string_to_json::StringToJson;
pub use self::table::LookupTable;
pub use self::timestamp_converter_adv::{EpochUnit, TimestampConverterAdv};
pub use self::timestamp_selector::TimestampSelector;
use super::TransformError;
use crate::record::Value;
use crate::{Error, ErrorKind};

/// Whether the Java classes' flaws are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As they are meant.
    #[default]
    Strict,
    /// As the Java classes do it.
    Compatible,
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// Asks the servers that transforms look things up in. Calls block; the caller sees to it that they may.
pub trait Search: Send + Sync + std::fmt::Debug {
    /// Sends a request with a JSON body, if there is one.
    ///
    /// # Errors
    /// Why no answer came.
    fn request(&self, method: &str, url: &str, body: Option<&str>) -> Result<Reply, String>;

    /// Runs a query on the database of a table; the first value as text, none without a row or where it is NULL.
    ///
    /// # Errors
    /// Why the database did not answer, or what it refused.
    fn query(&self, table: &LookupTable, sql: &str) -> Result<Option<String>, Error>;
}

const NOBODY: &str = "nothing sends requests for transforms here";

/// The client of a transform that needs one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client(pub(crate) Option<Arc<dyn Search>>);

impl Client {
    fn request(&self, method: &str, url: &str, body: Option<&str>) -> Result<Reply, String> {
        match &self.0 {
            Some(search) => search.request(method, url, body),
            None => Err(NOBODY.into()),
        }
    }

    fn query(&self, table: &LookupTable, sql: &str) -> Result<Option<String>, Error> {
        match &self.0 {
            Some(search) => search.query(table, sql),
            None => Err(Error::new(ErrorKind::Config, NOBODY)),
        }
    }
}

/// The value at a path of map entries: null where one of them is not there.
///
/// # Errors
/// When the path leads through what is no map.
fn nested<'a>(value: &'a Value, path: &[String]) -> Result<&'a Value, TransformError> {
    let mut at = value;
    for name in path {
        at = match at {
            Value::Map(_) => at.entry(name).unwrap_or(&Value::Null),
            Value::Null => return Ok(&Value::Null),
            other => {
                let text = format!(
                    "{name} is looked for in {}, which has no fields",
                    other.kind_name()
                );
                return Err(TransformError::new(text));
            }
        };
    }
    Ok(at)
}

/// Removes an entry of a map.
fn remove(value: &mut Value, key: &str) -> Option<Value> {
    let Value::Map(entries) = value else { return None };
    let at = entries.iter().position(|(k, _)| k.as_str() == Some(key))?;
    Some(entries.remove(at).1)
}

/// A dotted path.
fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

/// Whether a value without a schema holds a number that Kafka Connect's converter cannot write: a decimal of Java's.
#[must_use]
pub fn holds_decimal(value: &Value) -> bool {
    match value {
        Value::Decimal(_) => true,
        Value::Array(all) => all.iter().any(holds_decimal),
        Value::Map(all) => all.iter().any(|(k, v)| holds_decimal(k) || holds_decimal(v)),
        _ => false,
    }
}

fn cannot(what: &str, value: &Value) -> TransformError {
    TransformError::new(format!("{what} is {}", value.kind_name()))
}
