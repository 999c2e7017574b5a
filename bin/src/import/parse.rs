//! Values of properties, as Kafka's configuration reads them.

/// `true` or `false` without regard to case.
pub(crate) fn flag(value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{value}` is neither true nor false")),
    }
}

/// A whole number.
pub(crate) fn number(value: &str) -> Result<i64, String> {
    value
        .trim()
        .parse()
        .map_err(|_| format!("`{value}` is not a whole number"))
}

/// Milliseconds, as a duration in our notation.
pub(crate) fn millis(value: &str) -> Result<String, String> {
    let n = u64::try_from(number(value)?).map_err(|_| format!("`{value}` is below zero"))?;
    Ok(if n % 1000 == 0 {
        format!("{}s", n / 1000)
    } else {
        format!("{n}ms")
    })
}

/// A comma-separated list: items trimmed, empty ones left out, `\,` is a comma.
pub(crate) fn list(value: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(last) = items.last_mut() else { break };
        match (c, chars.peek()) {
            ('\\', Some(',')) => {
                chars.next();
                last.push(',');
            }
            ('\\', Some(&next)) => {
                chars.next();
                last.extend([c, next]);
            }
            (',', _) => items.push(String::new()),
            _ => last.push(c),
        }
    }
    items
        .iter()
        .map(|i| i.trim().to_owned())
        .filter(|i| !i.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_bare_commas() {
        assert_eq!(list(r" a\,b , c\.d ,,"), ["a,b", r"c\.d"]);
        assert_eq!(list(r"a\\,b"), [r"a\\", "b"]);
    }

    #[test]
    fn durations_take_the_larger_unit_when_it_is_exact() {
        assert_eq!(
            (millis("10000").unwrap(), millis("1500").unwrap()),
            ("10s".into(), "1500ms".into())
        );
        assert!(millis("-1").is_err() && millis("x").is_err());
    }
}
