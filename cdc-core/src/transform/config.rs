//! Chains as the YAML file has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::{Chain, Step};
use super::predicate::PredicateConfig;
use super::{Build, config_error};
use crate::Error;

/// Declares a step with one key a transform.
macro_rules! steps {
    ($($(#[$doc:meta])* $key:ident: $options:ty,)*) => {
        /// One transform, and when it applies. Exactly one transform is given, by its key.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct StepConfig {
            /// Name in messages; its number and key if not given.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub name: Option<String>,
            /// Name of the predicate under which it applies; always if not given.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub predicate: Option<String>,
            /// Whether it applies where the predicate does not hold.
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            pub negate: bool,
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$options>,
            )*
        }

        impl StepConfig {
            /// The keys of the transforms that are given, with their options.
            fn given(&self) -> Vec<(&'static str, &dyn Build)> {
                let mut all: Vec<(&'static str, &dyn Build)> = Vec::new();
                $(
                    if let Some(options) = &self.$key {
                        all.push((stringify!($key), options));
                    }
                )*
                all
            }
        }
    };
}

steps! {
    /// Debezium's ExtractNewRecordState: the row instead of its envelope.
    extract_new_record_state: super::ExtractNewRecordState,
}

/// A chain of transforms.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// Transforms in the order in which they apply.
    pub transforms: Vec<StepConfig>,
    /// Conditions that transforms name.
    pub predicates: BTreeMap<String, PredicateConfig>,
}

impl ChainConfig {
    /// Checks all options and makes the chain.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): which transform's option is wrong, and what to do.
    pub fn build(&self) -> Result<Chain, Error> {
        let mut predicates = BTreeMap::new();
        for (name, config) in &self.predicates {
            let built = config.build();
            let text = |e| Error::new(crate::ErrorKind::Config, format!("predicates.{name}: {e}"));
            predicates.insert(name.as_str(), built.map_err(text)?);
        }
        let mut steps = Vec::with_capacity(self.transforms.len());
        for (index, config) in self.transforms.iter().enumerate() {
            let given = config.given();
            let number = index.to_string();
            let [(key, options)] = given.as_slice() else {
                let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
                let reason = match keys.as_slice() {
                    [] => "names no transform".to_owned(),
                    _ => format!("names {}: make each a step of its own", keys.join(" and ")),
                };
                return Err(config_error(&number, &reason));
            };
            let name = config.name.clone().unwrap_or_else(|| format!("{number}.{key}"));
            let when = match &config.predicate {
                None if config.negate => return Err(config_error(&name, "negate: needs a predicate")),
                None => None,
                Some(predicate) => {
                    let found = predicates.get(predicate.as_str()).cloned();
                    let unknown = || config_error(&name, &format!("predicate: {predicate} is not in predicates"));
                    Some((found.ok_or_else(unknown)?, config.negate))
                }
            };
            let transform = options.build().map_err(|e| config_error(&name, &format!("{key}.{e}")))?;
            steps.push(Step {
                name: Arc::from(name),
                when,
                transform,
            });
        }
        Ok(Chain::new(steps))
    }
}
