//! A row of the table: a property's name, default and outcome.

use serde_json::Value;

use super::super::draft::Draft;
use super::super::input::Properties;
use super::super::parse;

/// What becomes of one property.
#[derive(Debug)]
pub(crate) struct Row {
    /// Name; `<x>` stands for one or more characters.
    pub(crate) name: &'static str,
    /// Debezium's default, empty if there is none.
    pub(crate) default: &'static str,
    /// Whether the default is written when the property is not given, because ours differs.
    pub(crate) writes_default: bool,
    /// What becomes of it.
    pub(crate) outcome: Outcome,
    /// Read together with others, it sets this path; for the documentation.
    pub(crate) joined: &'static str,
}

/// What becomes of a property.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It sets the model.
    Honoured(Take),
    /// It has no meaning here, for this reason.
    NoMeaning(&'static str),
    /// It is refused unless it has one of these values, for this reason and with this way out.
    Refused(&'static str, &'static [&'static str]),
}

/// How a property sets the model. The first field is the path in the YAML file.
#[derive(Debug)]
pub(crate) enum Take {
    /// Text as it is.
    Text(&'static str),
    /// `true` or `false`.
    Flag(&'static str),
    /// A whole number.
    Number(&'static str),
    /// Milliseconds, as a duration.
    Millis(&'static str),
    /// A comma-separated list; `\,` is a comma.
    List(&'static str),
    /// One of these words, and ours for it.
    Word(&'static str, &'static [(&'static str, &'static str)]),
    /// By a function; the path is for the documentation.
    With(&'static str, fn(&mut Draft, &Given<'_>) -> Result<(), String>),
}

/// A property as given.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// Value, not empty.
    pub(crate) value: &'a str,
    /// What the placeholders of the row stand for.
    pub(crate) captures: Vec<&'a str>,
    /// All properties.
    pub(crate) all: &'a Properties,
}

impl Row {
    const fn new(name: &'static str, default: &'static str, outcome: Outcome) -> Self {
        Self {
            name,
            default,
            writes_default: false,
            outcome,
            joined: "",
        }
    }

    /// It is read together with others, and sets this path then.
    pub(super) const fn with_path(self, joined: &'static str) -> Self {
        Self { joined, ..self }
    }

    /// The default is written when the property is not given.
    pub(super) const fn always(self) -> Self {
        Self {
            writes_default: true,
            ..self
        }
    }

    /// Sets the model, or says why not.
    pub(crate) fn apply(&self, draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
        match &self.outcome {
            Outcome::Honoured(take) => take.apply(draft, given),
            Outcome::NoMeaning(_) if !self.joined.is_empty() => Ok(()),
            Outcome::NoMeaning(reason) => {
                draft.note(given.name, format!("has no effect: {reason}"));
                Ok(())
            }
            Outcome::Refused(_, unless)
                if unless.iter().any(|u| u.eq_ignore_ascii_case(given.value.trim())) =>
            {
                Ok(())
            }
            Outcome::Refused(reason, _) => Err((*reason).to_owned()),
        }
    }

    /// What the placeholders stand for if `name` is this row's.
    pub(crate) fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let mut captures = Vec::new();
        let mut pattern = self.name;
        let mut rest = name;
        while let Some((literal, after)) = pattern.split_once('<') {
            rest = rest.strip_prefix(literal)?;
            pattern = after.split_once('>')?.1;
            let stop = pattern.split('<').next().unwrap_or_default();
            let end = if pattern.is_empty() {
                rest.len()
            } else {
                rest.find(stop)?
            };
            let (capture, tail) = rest.split_at(end);
            if capture.is_empty() {
                return None;
            }
            captures.push(capture);
            rest = tail;
        }
        (rest == pattern).then_some(captures)
    }

    /// Number of characters of the name that are not placeholders.
    pub(crate) fn literal_len(&self) -> usize {
        let mut inside = false;
        let literal = |c: char| {
            inside = c == '<' || inside && c != '>';
            !inside && c != '>'
        };
        self.name
            .chars()
            .filter({
                let mut f = literal;
                move |c| f(*c)
            })
            .count()
    }
}

impl Take {
    /// Path in the YAML file.
    pub(crate) const fn path(&self) -> &'static str {
        match self {
            Self::Text(p)
            | Self::Flag(p)
            | Self::Number(p)
            | Self::Millis(p)
            | Self::List(p)
            | Self::Word(p, _) => p,
            Self::With(p, _) => p,
        }
    }

    /// Sets the model.
    pub(crate) fn apply(&self, draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
        let value = given.value;
        match self {
            Self::Text(path) => draft.set(path, value),
            Self::Flag(path) => draft.set(path, parse::flag(value)?),
            Self::Number(path) => draft.set(path, parse::number(value)?),
            Self::Millis(path) => draft.set(path, parse::millis(value)?),
            Self::List(path) => draft.set(path, parse::list(value)),
            Self::Word(path, words) => {
                let word = words
                    .iter()
                    .find(|(theirs, _)| theirs.eq_ignore_ascii_case(value.trim()));
                let Some((_, ours)) = word else {
                    let known: Vec<&str> = words.iter().map(|(theirs, _)| *theirs).collect();
                    return Err(format!("`{value}` is none of {}", known.join(", ")));
                };
                draft.set(path, Value::from(*ours));
            }
            Self::With(_, set) => set(draft, given)?,
        }
        Ok(())
    }
}

pub(super) const fn text(name: &'static str, default: &'static str, path: &'static str) -> Row {
    Row::new(name, default, Outcome::Honoured(Take::Text(path)))
}

pub(super) const fn flag(name: &'static str, default: &'static str, path: &'static str) -> Row {
    Row::new(name, default, Outcome::Honoured(Take::Flag(path)))
}

pub(super) const fn number(name: &'static str, default: &'static str, path: &'static str) -> Row {
    Row::new(name, default, Outcome::Honoured(Take::Number(path)))
}

pub(super) const fn millis(name: &'static str, default: &'static str, path: &'static str) -> Row {
    Row::new(name, default, Outcome::Honoured(Take::Millis(path)))
}

pub(super) const fn list(name: &'static str, path: &'static str) -> Row {
    Row::new(name, "", Outcome::Honoured(Take::List(path)))
}

pub(super) const fn word(
    name: &'static str,
    default: &'static str,
    path: &'static str,
    words: &'static [(&'static str, &'static str)],
) -> Row {
    Row::new(name, default, Outcome::Honoured(Take::Word(path, words)))
}

pub(super) const fn with(
    name: &'static str,
    default: &'static str,
    path: &'static str,
    set: fn(&mut Draft, &Given<'_>) -> Result<(), String>,
) -> Row {
    Row::new(name, default, Outcome::Honoured(Take::With(path, set)))
}

pub(super) const fn no_meaning(name: &'static str, default: &'static str, reason: &'static str) -> Row {
    Row::new(name, default, Outcome::NoMeaning(reason))
}

pub(super) const fn refused(name: &'static str, reason: &'static str) -> Row {
    Row::new(name, "", Outcome::Refused(reason, &[]))
}

/// Refused, unless it has one of these values; the first is Debezium's default.
pub(super) const fn refused_unless(
    name: &'static str,
    values: &'static [&'static str],
    reason: &'static str,
) -> Row {
    let default = match values {
        [first, ..] => first,
        [] => "",
    };
    Row::new(name, default, Outcome::Refused(reason, values))
}
