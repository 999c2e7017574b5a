//! Secrets that stand in the configuration or in a file beside it.

use std::path::Path;

use secrecy::SecretString;

use super::Problem;

/// The secret given inline or by file, or none if neither is given.
///
/// # Errors
/// When both are given, or the file cannot be read or is empty.
pub(crate) fn resolve(
    path: &str,
    inline: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, Problem> {
    match (inline, file) {
        (Some(_), Some(_)) => Err(Problem::new(
            format!("{path}_file"),
            format!("`{path}` is given too: keep one of the two"),
        )),
        (Some(s), None) => Ok(Some(s.clone())),
        (None, Some(f)) => read(&format!("{path}_file"), f).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &str, file: &Path) -> Result<SecretString, Problem> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        let e = if e.kind() == std::io::ErrorKind::InvalidData {
            "it is not UTF-8 text".into()
        } else {
            e.to_string()
        };
        Problem::new(path, format!("cannot read {}: {e}", file.display()))
    })?;
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() {
        return Err(Problem::new(
            path,
            format!(
                "the first line of {} is empty: put the secret there",
                file.display()
            ),
        ));
    }
    Ok(first.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn the_first_line_of_the_file_is_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pw");
        std::fs::write(&file, "s3cret\nrest\n").unwrap();
        let got = resolve("p", None, Some(&file)).unwrap().unwrap();
        assert_eq!(got.expose_secret(), "s3cret");
        std::fs::write(&file, "\n").unwrap();
        assert!(
            resolve("p", None, Some(&file))
                .unwrap_err()
                .message
                .contains("is empty")
        );
        let both = resolve("p", Some(&"x".to_owned().into()), Some(&file)).unwrap_err();
        assert_eq!(
            (both.path.as_str(), both.message.as_str()),
            ("p_file", "`p` is given too: keep one of the two")
        );
    }
}
