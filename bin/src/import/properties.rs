//! The text form of `java.util.Properties`: comments, continued lines, escapes.

/// Reads all pairs in their order. A key that comes again is returned again.
///
/// # Errors
/// When a `\u` escape is not followed by four hexadecimal digits; says the line.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut line = first.to_owned();
        while continues(&line) {
            line.pop();
            match lines.next() {
                Some((_, next)) => line.push_str(next.trim_start()),
                None => break,
            }
        }
        let (key, value) = split(&line);
        let place = |e: &str| format!("line {}: {e}", number.saturating_add(1));
        pairs.push((
            unescape(key).map_err(|e| place(&e))?,
            unescape(value).map_err(|e| place(&e))?,
        ));
    }
    Ok(pairs)
}

/// Whether the line ends with an odd number of backslashes.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// Splits at the first `=`, `:` or white space that is not escaped; white space around it belongs to neither side.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, c)| {
        let stop = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = c == '\\' && !escaped;
        stop
    });
    let Some((end, _)) = end else {
        return (line, "");
    };
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start();
    (key, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let whole = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| whole);
                    units.push(unit.ok_or("`\\u` must be followed by four hexadecimal digits")?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_java_reads_them() {
        let text = "# note\n! note\n\n a = b \nc:d\ne f\ng\nh=1,\\\n   2,\\\n 3\nk\\=\\:\\ k=v\\\\\nu=\\u00e9\\ud83d\\ude00\\t.\nlast=x\\";
        let want = [
            ("a", "b "),
            ("c", "d"),
            ("e", "f"),
            ("g", ""),
            ("h", "1,2,3"),
            ("k=: k", "v\\"),
            ("u", "é😀\t."),
            ("last", "x"),
        ];
        let got = parse(text).unwrap();
        assert_eq!(got, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_broken_escape_says_its_line() {
        assert!(parse("a=1\nb=\\u12").unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn backslashes_of_regular_expressions_need_doubling() {
        assert_eq!(parse(r"a=inv\\.x,b\.y").unwrap()[0].1, r"inv\.x,b.y");
    }
}
