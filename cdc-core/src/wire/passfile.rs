//! `~/.pgpass`: lines `host:port:database:user:password`, where `*` stands for anything and `\` takes the next
//! character as it is.

use std::path::Path;

use secrecy::SecretString;

/// Whose password is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password of the first line that fits; none if there is no such line or no such file.
///
/// As libpq does, a file that others may read is left unused with a warning, so that the mistake is seen.
pub(super) fn look_up(path: &Path, whose: Whose<'_>) -> Option<SecretString> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() {
        tracing::warn!(path = %path.display(), "password file is not a plain file: not used");
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "password file can be read by others: not used (chmod 0600 it)");
            return None;
        }
    }
    match std::fs::read_to_string(path) {
        Ok(text) => find(&text, whose).map(SecretString::from),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "password file cannot be read: not used");
            None
        }
    }
}

fn find(text: &str, whose: Whose<'_>) -> Option<String> {
    let port = whose.port.to_string();
    text.lines().filter(|l| !l.starts_with('#')).find_map(|line| {
        let mut rest = line.strip_suffix('\r').unwrap_or(line);
        for wanted in [whose.host, &port, whose.database, whose.user] {
            let (field, wild, after) = field(rest)?;
            if !wild && field != wanted {
                return None;
            }
            rest = after;
        }
        // A colon would end the password: libpq stops there too.
        let password = unescape(rest, |c| c == ':').0;
        (!password.is_empty()).then_some(password)
    })
}

/// A field that a colon ends, whether it is the wildcard, and what follows the colon.
fn field(text: &str) -> Option<(String, bool, &str)> {
    let (field, rest) = unescape(text, |c| c == ':');
    let rest = rest.strip_prefix(':')?;
    Some((field, text.starts_with("*:"), rest))
}

fn unescape(text: &str, ends: impl Fn(char) -> bool) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c if ends(c) => return (out, text.get(at..).unwrap_or_default()),
            c => out.push(c),
        }
    }
    (out, "")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const ME: Whose<'static> = Whose {
        host: "db.example",
        port: 5432,
        database: "sales",
        user: "a:b",
    };

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# db.example:*:*:*:comment\nother:5432:sales:a\\:b:no\nshort:line\n\
                    db.example:5433:*:*:no\ndb.example:*:sales:a\\:b:pa\\:ss\\\\w\r\n*:*:*:*:late\n";
        assert_eq!(find(text, ME).as_deref(), Some("pa:ss\\w"));
        assert_eq!(find("*:*:*:*:any", ME).as_deref(), Some("any"));
        assert_eq!(find("\\*:*:*:*:any", ME), None);
        assert_eq!(find("*:*:*:*:", ME), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "*:*:*:*:any").unwrap();
        let mode = |m| std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(m)).unwrap();
        mode(0o640);
        assert!(look_up(file.path(), ME).is_none());
        mode(0o600);
        assert_eq!(look_up(file.path(), ME).unwrap().expose_secret(), "any");
        assert!(look_up(Path::new("/nowhere/at/all"), ME).is_none());
    }
}
