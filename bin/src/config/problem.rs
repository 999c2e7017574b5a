//! A fault in a configuration: which key, what is wrong, what to do, and where in the file.

use std::fmt;

/// A fault found after parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Key path, for example `source.tables.include[1]`.
    pub path: String,
    /// What is wrong and what to do, lower case, without a full stop. Never a secret.
    pub message: String,
}

impl Problem {
    /// A fault at a key path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// A fault with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Name of the file, or what stands for it.
    pub file: String,
    /// Line and column, both from 1, if known.
    pub at: Option<(usize, usize)>,
    /// The line's text, unless it may hold a secret.
    pub line: Option<String>,
    /// Key path; empty when it is not known.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: ", self.file)?,
            None => write!(f, "{}: ", self.file)?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let (Some((number, column)), Some(line)) = (self.at, &self.line) {
            let margin = number.to_string().len();
            let caret = " ".repeat(column.saturating_sub(1));
            write!(
                f,
                "\n{:margin$} |\n{number} | {line}\n{:margin$} | {caret}^",
                "", ""
            )?;
        }
        Ok(())
    }
}

/// The line to show for a fault, or none when its key is one that holds secrets.
pub(crate) fn quotable(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let secret = [
        "password",
        "secret",
        "url",
        "token",
        "api_key",
        "credential",
        "jaas",
        "private",
    ];
    (!secret.iter().any(|w| lower.contains(w))).then(|| line.trim_end().chars().take(160).collect())
}

/// `: did you mean …?` when one of the known names is close to `name`; else empty.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |n| format!("; did you mean `{n}`?"))
}

/// The known name closest to `name`, if any is close enough to be a slip of the pen.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(score, _)| *score >= 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_none() {
        let known = ["publication", "slot", "snapshot"];
        assert_eq!(nearest("publicaton", known), Some("publication"));
        assert_eq!(nearest("kafka", known), None);
    }

    #[test]
    fn lines_with_secrets_are_not_shown() {
        assert_eq!(quotable("  password: hunter2"), None);
        assert_eq!(quotable("  url: postgres://u:p@h/d"), None);
        assert_eq!(quotable("  port: x").as_deref(), Some("  port: x"));
    }
}
