//! Paths to fields: a name, or in version 2 names with dots between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TransformError;
use crate::connect::Schema;
use crate::convert::default_value;
use crate::record::Value;

/// How a field's path is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FieldSyntaxVersion {
    /// One name, dots included.
    #[default]
    V1,
    /// Names with dots between them; a name with dots stands in backticks.
    V2,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldPath(Vec<String>);

impl FieldPath {
    pub(super) fn parse(path: &str, version: FieldSyntaxVersion) -> Result<Self, String> {
        if version == FieldSyntaxVersion::V1 {
            return Ok(Self(vec![path.to_owned()]));
        }
        let mut steps = Vec::new();
        let mut rest = path;
        loop {
            let (step, tail) = match rest.strip_prefix('`') {
                Some(quoted) => {
                    backticked(quoted).ok_or_else(|| format!("`{path}` has a backtick without its pair"))?
                }
                None => match rest.split_once('.') {
                    Some((step, tail)) => (step.to_owned(), Some(tail)),
                    None => (rest.to_owned(), None),
                },
            };
            steps.push(step);
            match tail {
                Some(tail) => rest = tail,
                None => return Ok(Self(steps)),
            }
        }
    }

    /// Where the path leads in values of a schema; none if it leads nowhere.
    pub(super) fn resolve(&self, schema: &Schema) -> Result<Option<Route>, TransformError> {
        let mut route = Route {
            steps: Vec::with_capacity(self.0.len()),
            schema: None,
        };
        let mut current = schema;
        for step in &self.0 {
            let Some((index, field)) = current.field(step) else {
                return Ok(None);
            };
            route.steps.push((index, default_value(&field.schema)?));
            route.schema = Some(std::sync::Arc::clone(&field.schema));
            current = &field.schema;
        }
        Ok(Some(route))
    }

    /// Takes what the path leads to out of a map; null if it leads nowhere.
    pub(super) fn take(&self, value: &mut Value) -> Value {
        let mut current = value;
        for step in &self.0 {
            let Value::Map(entries) = current else {
                return Value::Null;
            };
            match entries.iter_mut().find(|(key, _)| key.as_str() == Some(step)) {
                Some((_, found)) => current = found,
                None => return Value::Null,
            }
        }
        std::mem::take(current)
    }
}

/// A name up to its closing backtick, and what follows its dot.
fn backticked(text: &str) -> Option<(String, Option<&str>)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('`')?;
        name.push_str(before);
        rest = after;
        let escaped = name.ends_with('\\');
        match after.strip_prefix('.') {
            _ if after.is_empty() && !escaped => return Some((name, None)),
            Some(tail) if !escaped => return Some((name, Some(tail))),
            Some(_) => drop(name.pop()),
            None if after.is_empty() => drop(name.pop()),
            None => {}
        }
        name.push('`');
    }
}

/// A path's way through values of one schema.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Index of each step, and the default of its field.
    steps: Vec<(usize, Option<Value>)>,
    /// Schema of what the path leads to.
    pub(super) schema: Option<std::sync::Arc<Schema>>,
}

impl Route {
    /// Takes the value out; with `default` null becomes the field's default.
    pub(super) fn take(&self, value: &mut Value, default: bool) -> Value {
        let mut current = value;
        let last = self.steps.len().saturating_sub(1);
        for (at, (index, own)) in self.steps.iter().enumerate() {
            let Value::Struct(members) = current else {
                return Value::Null;
            };
            let Some(member) = members.get_mut(*index) else {
                return Value::Null;
            };
            // Steps on the way have their defaults always, as in Connect.
            if member.is_null()
                && (default || at < last)
                && let Some(own) = own
            {
                member.clone_from(own);
            }
            current = member;
        }
        std::mem::take(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_dots_outside_backticks() {
        let steps = |path| FieldPath::parse(path, FieldSyntaxVersion::V2).map(|p| p.0);
        assert_eq!(steps("a.b.c").unwrap(), ["a", "b", "c"]);
        assert_eq!(steps("`a.b`.c").unwrap(), ["a.b", "c"]);
        assert_eq!(steps("a.`b.c`").unwrap(), ["a", "b.c"]);
        assert_eq!(steps("`a`b`").unwrap(), ["a`b"]);
        assert_eq!(steps(r"`a\`.b`.c").unwrap(), ["a`.b", "c"]);
        assert!(steps("a.`b").is_err());
        assert_eq!(
            FieldPath::parse("a.b", FieldSyntaxVersion::V1).unwrap().0,
            ["a.b"]
        );
    }
}
