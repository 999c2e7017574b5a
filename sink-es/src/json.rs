//! Slices of raw JSON: finds members without decoding them, so that a document's bytes go on as they came.
//!
//! The scanner is lenient: it finds where values end and checks no more. What it lets pass, the server refuses as one bad
//! document; no input can break the framing of a bulk request, since line feeds never reach it (`bulk`).

/// The text is no JSON as far as the scanner looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Members of an object in order: key without quotes, escapes left as they are, and raw value.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Next,
    Done,
}

/// A member: its key, its value, and where the value begins in the object's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) value_at: usize,
}

/// Reads the members of an object.
pub(crate) fn members(object: &[u8]) -> Members<'_> {
    Members {
        bytes: object,
        at: 0,
        state: State::First,
    }
}

/// The single JSON value that the bytes hold, without white space around it.
///
/// # Errors
/// When there is none, it does not end, or something follows it.
pub(crate) fn only_value(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let start = skip_space(bytes, 0);
    let end = value_end(bytes, start)?;
    if skip_space(bytes, end) != bytes.len() {
        return Err(Malformed);
    }
    bytes.get(start..end).ok_or(Malformed)
}

/// The text without white space around it.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let text = bytes.get(skip_space(bytes, 0)..).unwrap_or_default();
    let space = text.iter().rev().take_while(|c| is_space(**c)).count();
    text.get(..text.len().saturating_sub(space)).unwrap_or_default()
}

/// The contents of a raw string value, escapes left as they are; none when the value is no string.
pub(crate) fn string_contents(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

impl<'a> Members<'a> {
    fn step(&mut self) -> Result<Option<Member<'a>>, Malformed> {
        let b = self.bytes;
        let mut at = skip_space(b, self.at);
        if self.state == State::First {
            at = expect(b, at, b'{')?;
            at = skip_space(b, at);
            if b.get(at) == Some(&b'}') {
                return self.end(at);
            }
        } else {
            match b.get(at) {
                Some(b',') => at = skip_space(b, at.saturating_add(1)),
                Some(b'}') => return self.end(at),
                _ => return Err(Malformed),
            }
        }
        let key_end = string_end(b, at)?;
        let key = b.get(at..key_end).and_then(string_contents).ok_or(Malformed)?;
        let colon = expect(b, skip_space(b, key_end), b':')?;
        let value_at = skip_space(b, colon);
        let end = value_end(b, value_at)?;
        self.at = end;
        self.state = State::Next;
        let value = b.get(value_at..end).ok_or(Malformed)?;
        Ok(Some(Member { key, value, value_at }))
    }

    fn end(&mut self, brace: usize) -> Result<Option<Member<'a>>, Malformed> {
        self.state = State::Done;
        let rest = skip_space(self.bytes, brace.saturating_add(1));
        if rest == self.bytes.len() {
            Ok(None)
        } else {
            Err(Malformed)
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.state = State::Done;
        }
        step.transpose()
    }
}

/// The raw elements of a list.
///
/// # Errors
/// When it is no list.
pub(crate) fn elements(list: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut at = skip_space(list, expect(list, 0, b'[')?);
    let mut all = Vec::new();
    if list.get(at) == Some(&b']') {
        return Ok(all);
    }
    loop {
        let end = value_end(list, at)?;
        all.push(list.get(at..end).ok_or(Malformed)?);
        at = skip_space(list, end);
        match list.get(at) {
            Some(b',') => at = skip_space(list, at.saturating_add(1)),
            Some(b']') => return Ok(all),
            _ => return Err(Malformed),
        }
    }
}

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\n' | b'\r' | b'\t')
}

fn skip_space(b: &[u8], mut at: usize) -> usize {
    while b.get(at).is_some_and(|c| is_space(*c)) {
        at = at.saturating_add(1);
    }
    at
}

fn expect(b: &[u8], at: usize, want: u8) -> Result<usize, Malformed> {
    if b.get(at) == Some(&want) {
        Ok(at.saturating_add(1))
    } else {
        Err(Malformed)
    }
}

/// Just past the string that begins at `at`.
fn string_end(b: &[u8], at: usize) -> Result<usize, Malformed> {
    /// Most names and values are shorter than what a search for more bytes at once pays for.
    const SHORT: usize = 16;
    let mut at = expect(b, at, b'"')?;
    for c in b.get(at..).ok_or(Malformed)?.iter().take(SHORT) {
        match c {
            b'"' => return Ok(at.saturating_add(1)),
            b'\\' => break,
            _ => at = at.saturating_add(1),
        }
    }
    loop {
        let rest = b.get(at..).ok_or(Malformed)?;
        let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Malformed)?;
        at = at.saturating_add(found);
        if b.get(at) == Some(&b'"') {
            return Ok(at.saturating_add(1));
        }
        at = at.saturating_add(2);
    }
}

/// Just past the value that begins at `at`.
pub(crate) fn value_end(b: &[u8], at: usize) -> Result<usize, Malformed> {
    match b.get(at) {
        Some(b'"') => string_end(b, at),
        Some(b'{' | b'[') => container_end(b, at),
        Some(_) => {
            let rest = b.get(at..).ok_or(Malformed)?;
            let len = rest
                .iter()
                .position(|c| !matches!(c, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.'))
                .unwrap_or(rest.len());
            if len == 0 {
                Err(Malformed)
            } else {
                Ok(at.saturating_add(len))
            }
        }
        None => Err(Malformed),
    }
}

fn container_end(b: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut depth = 0_usize;
    while let Some(c) = b.get(at) {
        match c {
            b'"' => {
                at = string_end(b, at)?;
                continue;
            }
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(at.saturating_add(1));
                }
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    Err(Malformed)
}

/// Appends `text` escaped for use inside a JSON string.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &c in text.as_bytes() {
        match c {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', c]),
            0..=0x1f => {
                let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(c >> 4), digit(c)]);
            }
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, String)>, Malformed> {
        let s = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        members(text.as_bytes())
            .map(|m| m.map(|m| (s(m.key), s(m.value))))
            .collect()
    }

    #[test]
    fn members_are_raw_slices() {
        let got =
            pairs(" { \"a\" : -1.5e3 ,\"b\":\"x\\\"}\" , \"c\":{\"d\":[1,\"]\"]},\"e\":null} ").unwrap();
        let want = [
            ("a", "-1.5e3"),
            ("b", "\"x\\\"}\""),
            ("c", "{\"d\":[1,\"]\"]}"),
            ("e", "null"),
        ];
        assert_eq!(got, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(pairs("{}"), Ok(vec![]));
    }

    #[test]
    fn strings_of_all_lengths_end_where_they_end() {
        for n in 0..40 {
            for middle in ["", "\\\"", "\\\\"] {
                let text = format!("\"{}{middle}{}\"", "x".repeat(n), "y".repeat(n % 5));
                assert_eq!(value_end(text.as_bytes(), 0), Ok(text.len()), "{text}");
                assert_eq!(value_end(format!("{text}\"").as_bytes(), 0), Ok(text.len()));
                assert_eq!(value_end(&text.as_bytes()[..text.len() - 1], 0), Err(Malformed));
            }
        }
        assert_eq!(trim(b" \n{ }\t\r"), b"{ }");
        assert_eq!((trim(b"  "), trim(b"1")), (&b""[..], &b"1"[..]));
    }

    #[test]
    fn cut_text_is_malformed_at_every_length() {
        let whole = r#"{"a":{"b":["c\"",1]},"d":"e"}"#;
        for n in 0..whole.len() {
            assert_eq!(pairs(&whole[..n]), Err(Malformed), "{n}");
        }
        assert!(pairs(whole).is_ok());
        for bad in [
            "1",
            "[]",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":}",
        ] {
            assert_eq!(pairs(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn elements_are_raw_slices() {
        assert_eq!(
            elements(b"[ 1, \"a,]\" ,[2],{}]").unwrap(),
            [&b"1"[..], b"\"a,]\"", b"[2]", b"{}"]
        );
        assert!(elements(b"[]").unwrap().is_empty());
        for bad in [&b"[1"[..], b"[1 2]", b"{}", b"[,]"] {
            assert_eq!(elements(bad), Err(Malformed));
        }
    }

    #[test]
    fn only_value_takes_exactly_one() {
        assert_eq!(only_value(b" 12 "), Ok(&b"12"[..]));
        assert_eq!(only_value(b"1 2"), Err(Malformed));
        assert_eq!(only_value(b""), Err(Malformed));
    }

    #[test]
    fn escaping_is_what_a_parser_undoes() {
        let text = "a\"b\\c\n\u{1}é\u{7f}";
        let mut out = vec![b'"'];
        escape(text, &mut out);
        out.push(b'"');
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
