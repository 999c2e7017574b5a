//! Java regular expressions matched with regard to case, as Kafka Connect's transforms and predicates match them.

use regex::Regex;

use super::pattern::{compile_exact, compile_exact_search, java_replacement};

/// A regular expression for the whole of a text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles the expression of an option.
    ///
    /// # Errors
    /// If it is not valid, or uses what only Java has; begins with the option's name.
    pub fn new(option: &str, pattern: &str) -> Result<Self, String> {
        compile_exact(option, pattern).map(Self).map_err(|e| e.chain())
    }

    /// Whether the expression matches the whole text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A regular expression for the whole of a text, and what takes the text's place.
#[derive(Clone, Debug)]
pub struct Rewrite {
    whole: Pattern,
    first: Regex,
    replacement: String,
}

impl Rewrite {
    /// Compiles the expression of an option and Java's replacement (`$1`, `${name}`).
    ///
    /// # Errors
    /// As [`Pattern::new`], and if the replacement names a group that the expression does not have.
    pub fn new(option: &str, pattern: &str, replacement: &str) -> Result<Self, String> {
        let whole = Pattern::new(option, pattern)?;
        let first = compile_exact_search(option, pattern).map_err(|e| e.chain())?;
        let replacement = java_replacement(replacement);
        if let Some(group) = missing_group(&first, &replacement) {
            return Err(format!(
                "{option}: the replacement names the group {group}, which `{pattern}` does not have"
            ));
        }
        Ok(Self {
            whole,
            first,
            replacement,
        })
    }

    /// The new text, if the expression matches the whole of the old one. As in Java, it is then the first match that is
    /// replaced, which may be a part.
    #[must_use]
    pub fn apply(&self, text: &str) -> Option<String> {
        self.whole
            .is_match(text)
            .then(|| self.first.replace(text, self.replacement.as_str()).into_owned())
    }
}

/// The first group in a replacement, in the crate's syntax, that the expression does not have.
fn missing_group<'r>(regex: &Regex, replacement: &'r str) -> Option<&'r str> {
    let mut rest = replacement;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(tail) = rest.strip_prefix('$') {
            rest = tail;
        } else if let Some((group, tail)) = rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
            let known = match group.parse::<usize>() {
                Ok(index) => index < regex.captures_len(),
                Err(_) => regex.capture_names().flatten().any(|name| name == group),
            };
            if !known {
                return Some(group);
            }
            rest = tail;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_are_rewritten_as_in_java() {
        let route = Rewrite::new("regex", r"srv\.(.*)\.(.*)", "out-$2").unwrap();
        assert_eq!(route.apply("srv.public.t").as_deref(), Some("out-t"));
        assert_eq!(route.apply("xsrv.public.t"), None);
        assert_eq!(route.apply("SRV.public.t"), None, "with regard to case");
        let named = Rewrite::new("regex", "(?<by>.*)", "evt.${by}").unwrap();
        assert_eq!(named.apply("order").as_deref(), Some("evt.order"));
        let part = Rewrite::new("regex", "a|ab", "x").unwrap();
        assert_eq!(part.apply("ab").as_deref(), Some("xb"));
        let literal = Rewrite::new("regex", "a", r"\$1$$").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(literal.apply("a").as_deref(), Some("$1$$"));
        assert!(
            Rewrite::new("regex", "(a)", "$2")
                .unwrap_err()
                .contains("group 2")
        );
        assert!(Pattern::new("pattern", "(").unwrap_err().starts_with("pattern"));
    }
}
