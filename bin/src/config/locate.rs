//! Where in a YAML text a key path lies, and which path lies at a place. Used only once something is wrong.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// The skeleton of a document: keys, items and their places.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    members: Vec<(Step, Option<Location>, Spanned<Tree>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Tree {
    /// Reads the skeleton; none when the text is no YAML at all.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_saphyr::from_str::<Tree>(text).ok()
    }

    /// Line and column of the deepest part of `path` (`a.b[1].c`) that exists.
    pub(crate) fn place(&self, path: &str) -> Option<(usize, usize)> {
        let mut place = None;
        let mut tree = self;
        for step in steps(path) {
            let Some((_, key, value)) = tree.members.iter().find(|(s, ..)| *s == step) else {
                break;
            };
            place = key
                .as_ref()
                .and_then(line_column)
                .or_else(|| line_column(&value.referenced));
            tree = &value.value;
        }
        place
    }

    /// The path whose key or value stands at a place.
    pub(crate) fn path_at(&self, place: (usize, usize)) -> Option<String> {
        let mut path = String::new();
        self.search(place, &mut path).then_some(path)
    }

    fn search(&self, place: (usize, usize), path: &mut String) -> bool {
        for (step, key, value) in &self.members {
            let length = path.len();
            match step {
                Step::Key(k) if path.is_empty() => path.push_str(k),
                Step::Key(k) => {
                    path.push('.');
                    path.push_str(k);
                }
                Step::Index(i) => path.push_str(&format!("[{i}]")),
            }
            let here = key.as_ref().and_then(line_column) == Some(place)
                || line_column(&value.referenced) == Some(place) && value.value.members.is_empty();
            if here || value.value.search(place, path) {
                return true;
            }
            path.truncate(length);
        }
        false
    }
}

fn line_column(at: &Location) -> Option<(usize, usize)> {
    let (line, column) = (
        usize::try_from(at.line()).ok()?,
        usize::try_from(at.column()).ok()?,
    );
    (line > 0).then_some((line, column))
}

fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, rest) = part.split_once('[').map_or((part, None), |(n, r)| (n, Some(r)));
        if !name.is_empty() {
            steps.push(Step::Key(name.to_owned()));
        }
        let indices = rest.into_iter().flat_map(|r| r.split('['));
        steps.extend(
            indices
                .filter_map(|i| i.trim_end_matches(']').parse().ok())
                .map(Step::Index),
        );
    }
    steps
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut tree = Tree::default();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            tree.members
                .push((Step::Key(key.value), Some(key.referenced), map.next_value()?));
        }
        Ok(tree)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut tree = Tree::default();
        while let Some(item) = seq.next_element()? {
            tree.members.push((Step::Index(tree.members.len()), None, item));
        }
        Ok(tree)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Tree, D::Error> {
        d.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Tree, D::Error> {
        IgnoredAny::deserialize(d).map(|_| Tree::default())
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_i128<E>(self, _: i128) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_u128<E>(self, _: u128) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name: x\nsource:\n  tables:\n    include:\n      - a\n      - b\n  port: 5\n";

    #[test]
    fn paths_and_places_find_each_other() {
        let tree = Tree::parse(TEXT).unwrap();
        assert_eq!(tree.place("source.port"), Some((7, 3)));
        assert_eq!(tree.place("source.tables.include[1]"), Some((6, 9)));
        assert_eq!(
            tree.place("source.slot.name"),
            Some((2, 1)),
            "the deepest part that exists"
        );
        assert_eq!(tree.path_at((7, 9)).as_deref(), Some("source.port"));
        assert_eq!(tree.path_at((7, 3)).as_deref(), Some("source.port"));
        assert_eq!(tree.path_at((6, 9)).as_deref(), Some("source.tables.include[1]"));
        assert_eq!(tree.path_at((90, 9)), None);
    }
}
