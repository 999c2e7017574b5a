//! YAML text to [`Config`]: `${ENV}` expanded, unknown keys refused, faults shown with line and column.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde_saphyr::{Error as YamlError, Options};

use super::locate::Tree;
use super::problem::{did_you_mean, quotable};
use super::{Config, Diagnostic, Validated};

/// Why a configuration was refused: one or more faults, all of them where they can be found at once.
#[derive(Debug)]
pub struct LoadError {
    /// The faults in the order of the text.
    pub faults: Vec<Diagnostic>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// Reads and validates a YAML file with the process's environment.
///
/// # Errors
/// With all faults found, each with its key path and, where there is one, its line.
pub fn from_path(path: &Path) -> Result<Validated, LoadError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| LoadError {
        faults: vec![Diagnostic {
            file: name.clone(),
            at: None,
            line: None,
            path: String::new(),
            message: format!("cannot read the file: {e}"),
        }],
    })?;
    from_text(&name, &text, &environment())
}

/// Parses and validates a YAML text.
///
/// # Errors
/// As [`from_path`].
pub fn from_text(name: &str, text: &str, env: &HashMap<String, String>) -> Result<Validated, LoadError> {
    let config = from_yaml(name, text, env)?;
    Validated::new(config).map_err(|problems| {
        let tree = Tree::parse(text);
        let mut faults: Vec<Diagnostic> = problems
            .into_iter()
            .map(|p| {
                let at = tree.as_ref().and_then(|t| t.place(&p.path));
                diagnostic(name, text, at, p.path, p.message)
            })
            .collect();
        faults.sort_by_key(|d| d.at);
        LoadError { faults }
    })
}

/// Parses a YAML text without validating it.
///
/// # Errors
/// With the first fault: the parser stops there.
pub fn from_yaml(name: &str, text: &str, env: &HashMap<String, String>) -> Result<Config, LoadError> {
    let mut options = Options::default().with_properties(env.clone());
    // Lines are shown by `Diagnostic`, which knows which ones may hold secrets.
    options.with_snippet = false;
    options.strict_booleans = true;
    serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let at = e.location().and_then(|l| {
            let place = (usize::try_from(l.line()).ok()?, usize::try_from(l.column()).ok()?);
            (place.0 > 0).then_some(place)
        });
        let path = at
            .and_then(|place| Tree::parse(text)?.path_at(place))
            .unwrap_or_default();
        let word = at.and_then(|place| word_at(text, place)).unwrap_or_default();
        let message = explain(e.without_snippet(), &word);
        LoadError {
            faults: vec![diagnostic(name, text, at, path, message)],
        }
    })
}

/// The process's environment, for `${NAME}`.
#[must_use]
pub fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect()
}

fn diagnostic(
    name: &str,
    text: &str,
    at: Option<(usize, usize)>,
    path: String,
    message: String,
) -> Diagnostic {
    let line = at
        .and_then(|(line, _)| text.lines().nth(line.checked_sub(1)?))
        .and_then(quotable);
    Diagnostic {
        file: name.to_owned(),
        at,
        line,
        path,
        message,
    }
}

/// The word of the text that stands at a place: the key or value as written, with `${NAME}` not expanded.
fn word_at(text: &str, (line, column): (usize, usize)) -> Option<String> {
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let rest = line.chars().skip(column.checked_sub(1)?);
    let end = |c: &char| !c.is_whitespace() && !matches!(c, ',' | '}' | ']' | '#' | ':');
    Some(
        rest.take_while(end)
            .take(80)
            .collect::<String>()
            .trim_matches(['\'', '"'])
            .to_owned(),
    )
}

/// The parser's error in our words where these say more; else the parser's own, without its location suffix.
/// `word` is what is written at the error's place: the parser itself does not say it, as it may come from a variable.
fn explain(error: &YamlError, word: &str) -> String {
    match error {
        YamlError::SerdeUnknownField { expected, .. } => {
            let hint = did_you_mean(word, expected.iter().copied());
            format!("unknown key `{word}`{hint} (known here: {})", expected.join(", "))
        }
        YamlError::SerdeUnknownVariant { expected, .. } => {
            let hint = did_you_mean(word, expected.iter().copied());
            format!("unknown value `{word}`{hint} (one of: {})", expected.join(", "))
        }
        YamlError::SerdeMissingField { field, .. } => format!("key `{field}` is missing: add it here"),
        YamlError::UnresolvedProperty { name, .. } => {
            format!("variable `{name}` is not set: set it, or write `${{{name}:-default}}`")
        }
        other => {
            let text = other.render();
            match text.rfind(" at line ") {
                Some(cut) => text.get(..cut).unwrap_or(&text).to_owned(),
                None => text,
            }
        }
    }
}
