//! The configuration while it is being put together: an ordered tree, and which of its values are secrets.

use serde_json::{Map, Value};

use super::Note;

/// A configuration in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    root: Map<String, Value>,
    /// Paths of secrets, and the variable that stands for each in printed YAML.
    secrets: Vec<(Vec<String>, String)>,
    /// Rules for columns, with their rank.
    rules: Vec<(u8, Value)>,
    /// What the user should know.
    pub(crate) notes: Vec<Note>,
}

impl Draft {
    /// Sets a value at a dotted path.
    pub(crate) fn set(&mut self, path: &str, value: impl Into<Value>) {
        let steps: Vec<&str> = path.split('.').collect();
        self.set_at(&steps, value.into());
    }

    /// Sets a value below a dotted path, under a key that may itself hold dots.
    pub(crate) fn set_under(&mut self, path: &str, key: &str, value: impl Into<Value>) {
        let steps: Vec<&str> = path.split('.').chain([key]).collect();
        self.set_at(&steps, value.into());
    }

    /// Sets a secret below a dotted path; `variable` stands for it in printed YAML.
    pub(crate) fn set_secret(&mut self, path: &str, key: &str, value: &str, variable: impl Into<String>) {
        self.set_under(path, key, value);
        let steps = path.split('.').chain([key]).map(str::to_owned).collect();
        self.secrets.push((steps, variable.into()));
    }

    /// Tells the user something about a property.
    pub(crate) fn note(&mut self, property: &str, text: impl Into<String>) {
        self.notes.push(Note {
            property: property.to_owned(),
            text: text.into(),
        });
    }

    /// Appends a value to the list at a dotted path.
    pub(crate) fn push(&mut self, path: &str, value: Value) {
        if let Some(Value::Array(items)) = self.get_mut(path) {
            items.push(value);
        } else {
            self.set(path, vec![value]);
        }
    }

    /// The value at a dotted path.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.');
        let mut value = self.root.get(steps.next()?)?;
        for step in steps {
            value = value.get(step)?;
        }
        Some(value)
    }

    /// The tree with all values as they are.
    pub(crate) fn with_secrets(&self) -> Map<String, Value> {
        self.root.clone()
    }

    /// The tree with `${NAME:?…}` in the place of each secret.
    pub(crate) fn without_secrets(&self) -> Map<String, Value> {
        let mut shown = Self {
            root: self.root.clone(),
            ..Self::default()
        };
        for (path, variable) in &self.secrets {
            let steps: Vec<&str> = path.iter().map(String::as_str).collect();
            let key = steps.last().copied().unwrap_or_default();
            let reference = format!("${{{variable}:?set it to the value of {key}}}");
            shown.set_at(&steps, Value::String(reference));
        }
        shown.root
    }

    /// Declares the value at a path a secret, after it was set. List items are steps by their number.
    pub(crate) fn declare_secret(&mut self, steps: &[&str], variable: impl Into<String>) {
        let steps = steps.iter().map(|s| (*s).to_owned()).collect();
        self.secrets.push((steps, variable.into()));
    }

    /// Adds a rule for columns. Rules apply in the order of `rank`, then in that of the file.
    pub(crate) fn rule(&mut self, rank: u8, rule: Value) {
        self.rules.push((rank, rule));
    }

    /// Puts the collected rules into the tree, and its sections in order.
    pub(crate) fn finish(&mut self) {
        self.rules.sort_by_key(|(rank, _)| *rank);
        for (i, (_, rule)) in std::mem::take(&mut self.rules).into_iter().enumerate() {
            if rule.pointer("/hash/salt").is_some() {
                let index = i.to_string();
                let steps = ["format", "column_rules", &index, "hash", "salt"];
                self.declare_secret(&steps, format!("PGCDC_COLUMN_SALT_{}", i.saturating_add(1)));
            }
            self.push("format.column_rules", rule);
        }
        let mut rest = std::mem::take(&mut self.root);
        for section in ORDER {
            self.root.extend(rest.remove_entry(*section));
        }
        self.root.extend(rest);
    }

    /// Names of the variables that stand for secrets.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|(_, variable)| variable.as_str())
    }

    fn get_mut(&mut self, path: &str) -> Option<&mut Value> {
        let mut steps = path.split('.');
        let mut value = self.root.get_mut(steps.next()?)?;
        for step in steps {
            value = value.get_mut(step)?;
        }
        Some(value)
    }

    fn set_at(&mut self, steps: &[&str], value: Value) {
        let Some((last, parents)) = steps.split_last() else {
            return;
        };
        let Some((first, parents)) = parents.split_first() else {
            self.root.insert((*last).to_owned(), value);
            return;
        };
        let mut parent = self.root.entry(*first).or_insert_with(empty);
        for step in parents {
            parent = match parent {
                Value::Array(items) => match step.parse().ok().and_then(|i: usize| items.get_mut(i)) {
                    Some(item) => item,
                    None => return,
                },
                Value::Object(map) => map.entry(*step).or_insert_with(empty),
                _ => return,
            };
        }
        if let Value::Object(map) = parent {
            map.insert((*last).to_owned(), value);
        }
    }
}

/// Order of the sections in the file.
const ORDER: &[&str] = &[
    "name",
    "source",
    "format",
    "transforms",
    "predicates",
    "converters",
    "on_record_error",
    "kafka",
    "consume",
    "index",
    "offsets",
    "log",
];

fn empty() -> Value {
    Value::Object(Map::new())
}
