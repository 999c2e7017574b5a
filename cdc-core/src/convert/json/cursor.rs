//! A reader of JSON text, token by token.

use super::super::ConvertError;
use crate::record::{Decimal, Text, Value};

/// Nesting that is read; deeper texts are refused rather than followed down the stack.
const DEPTH: u32 = 128;

/// A place in a JSON text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    depth: u32,
}

/// The reason for a text that is not JSON.
pub(super) fn malformed(what: &str) -> ConvertError {
    ConvertError::new(format!("not the JSON that was expected: {what}"))
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, depth: 0 }
    }

    /// The next byte that is not white space, without taking it.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\n' | b'\r', tail @ ..] => self.rest = tail,
                [first, ..] => return Some(*first),
                [] => return None,
            }
        }
    }

    /// Takes `literal` if the text goes on with exactly it.
    #[inline]
    pub(super) fn take(&mut self, literal: &[u8]) -> bool {
        match self.rest.strip_prefix(literal) {
            Some(tail) => {
                self.rest = tail;
                true
            }
            None => false,
        }
    }

    /// Takes one byte of punctuation, white space before it left out.
    #[inline]
    pub(super) fn take_byte(&mut self, byte: u8) -> bool {
        if self.peek() == Some(byte) {
            self.rest = self.rest.get(1..).unwrap_or_default();
            return true;
        }
        false
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), ConvertError> {
        if self.take_byte(byte) {
            return Ok(());
        }
        Err(malformed(&format!("`{}` is missing", char::from(byte))))
    }

    /// Takes `null`.
    #[inline]
    pub(super) fn take_null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.take(b"null")
    }

    pub(super) fn end(&mut self) -> Result<(), ConvertError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(malformed("text after its end")),
        }
    }

    /// Enters an array or object; says whether it has a first item.
    pub(super) fn open(&mut self, open: u8, close: u8) -> Result<bool, ConvertError> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(malformed("nested too deeply"));
        }
        let empty = self.take_byte(close);
        self.depth -= u32::from(empty);
        Ok(!empty)
    }

    /// After an item: says whether another one follows, else leaves the array or object.
    pub(super) fn more(&mut self, close: u8) -> Result<bool, ConvertError> {
        if self.take_byte(b',') {
            return Ok(true);
        }
        self.expect(close)?;
        self.depth -= 1;
        Ok(false)
    }

    /// A string.
    pub(super) fn string(&mut self) -> Result<Text, ConvertError> {
        let (inside, escaped) = self.raw_string()?;
        if !escaped {
            return Ok(Text::from_utf8_lossy(inside));
        }
        unescape(inside)
    }

    /// The inside of a string as it stands, and whether it holds escapes.
    pub(super) fn raw_string(&mut self) -> Result<(&'a [u8], bool), ConvertError> {
        if self.peek() != Some(b'"') {
            return Err(malformed("a string is missing"));
        }
        let text = self.rest.get(1..).unwrap_or_default();
        let mut escaped = false;
        let mut from = 0;
        loop {
            let tail = text.get(from..).unwrap_or_default();
            let Some(at) = memchr::memchr2(b'"', b'\\', tail) else {
                return Err(malformed("a string does not end"));
            };
            if tail.get(at) == Some(&b'"') {
                let (inside, rest) = text.split_at_checked(from + at).unwrap_or((text, &[]));
                self.rest = rest.get(1..).unwrap_or_default();
                return Ok((inside, escaped));
            }
            escaped = true;
            from += at + 2;
        }
    }

    /// A number, as it is written.
    pub(super) fn number(&mut self) -> Result<&'a str, ConvertError> {
        self.peek();
        let is_part = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
        let end = self
            .rest
            .iter()
            .position(|b| !is_part(b))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        if number.is_empty() {
            return Err(malformed("a number is missing"));
        }
        self.rest = rest;
        std::str::from_utf8(number).map_err(|_| malformed("a number is missing"))
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Result<i64, ConvertError> {
        let text = self.number()?;
        match text.parse() {
            Ok(n) => Ok(n),
            // As Jackson cuts it: 1.0 where a whole number is expected.
            Err(_) => match text.parse::<f64>() {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "Java's cast of a double to a long"
                )]
                Ok(n) => Ok(n as i64),
                Err(_) => Err(malformed("a whole number is missing")),
            },
        }
    }

    pub(super) fn float(&mut self) -> Result<f64, ConvertError> {
        if self.peek() == Some(b'"') {
            return match self.raw_string()?.0 {
                b"NaN" => Ok(f64::NAN),
                b"Infinity" => Ok(f64::INFINITY),
                b"-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(malformed("a number is missing")),
            };
        }
        self.number()?
            .parse()
            .map_err(|_| malformed("a number is missing"))
    }

    pub(super) fn boolean(&mut self) -> Result<bool, ConvertError> {
        self.peek();
        if self.take(b"true") {
            return Ok(true);
        }
        if self.take(b"false") {
            return Ok(false);
        }
        Err(malformed("a boolean is missing"))
    }

    /// Any value, as the converter reads one without a schema: whole numbers are `int64`, others `double`, objects maps.
    pub(super) fn any(&mut self) -> Result<Value, ConvertError> {
        Ok(match self.peek() {
            Some(b'{') => {
                let mut entries = Vec::new();
                let mut more = self.open(b'{', b'}')?;
                while more {
                    let key = self.string()?;
                    self.expect(b':')?;
                    entries.push((Value::String(key), self.any()?));
                    more = self.more(b'}')?;
                }
                Value::Map(entries)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                let mut more = self.open(b'[', b']')?;
                while more {
                    items.push(self.any()?);
                    more = self.more(b']')?;
                }
                Value::Array(items)
            }
            Some(b'"') => Value::String(self.string()?),
            Some(b't' | b'f') => Value::Bool(self.boolean()?),
            Some(b'n') if self.take(b"null") => Value::Null,
            _ => {
                let text = self.number()?;
                if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
                    Value::Float64(text.parse().map_err(|_| malformed("a number is missing"))?)
                } else if let Ok(n) = text.parse() {
                    Value::Int64(n)
                } else {
                    // Connect cuts it to 64 bits; here it keeps its digits.
                    Value::Decimal(Decimal::parse(text).ok_or_else(|| malformed("a number is missing"))?)
                }
            }
        })
    }

    /// Passes over any value and gives its text.
    pub(super) fn skip(&mut self) -> Result<&'a [u8], ConvertError> {
        self.peek();
        let start = self.rest;
        self.pass()?;
        Ok(start.get(..start.len() - self.rest.len()).unwrap_or_default())
    }

    fn pass(&mut self) -> Result<(), ConvertError> {
        match self.peek() {
            Some(b'{') => {
                let mut more = self.open(b'{', b'}')?;
                while more {
                    self.raw_string()?;
                    self.expect(b':')?;
                    self.pass()?;
                    more = self.more(b'}')?;
                }
            }
            Some(b'[') => {
                let mut more = self.open(b'[', b']')?;
                while more {
                    self.pass()?;
                    more = self.more(b']')?;
                }
            }
            Some(b'"') => drop(self.raw_string()?),
            Some(b't' | b'f') => drop(self.boolean()?),
            Some(b'n') if self.take(b"null") => {}
            _ => drop(self.number()?),
        }
        Ok(())
    }
}

/// The text of a string's inside.
pub(super) fn unescape(mut inside: &[u8]) -> Result<Text, ConvertError> {
    let mut out: Vec<u8> = Vec::with_capacity(inside.len());
    while let Some(at) = memchr::memchr(b'\\', inside) {
        let (plain, rest) = inside.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain);
        let [_, code, tail @ ..] = rest else {
            return Err(malformed("a string ends in an escape"));
        };
        inside = tail;
        out.push(match code {
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 12,
            b'r' => b'\r',
            b'"' | b'\\' | b'/' => *code,
            b'u' => {
                let (c, tail) = unicode(tail)?;
                inside = tail;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return Err(malformed("a string has an unknown escape")),
        });
    }
    out.extend_from_slice(inside);
    Ok(Text::from_utf8_lossy(&out))
}

/// The character after `\u`, of one or two units, and what follows. Half a pair is U+FFFD.
fn unicode(text: &[u8]) -> Result<(char, &[u8]), ConvertError> {
    let unit = |text: &[u8]| {
        let digits = text.get(..4).filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let first = unit(text).ok_or_else(|| malformed("`\\u` without four digits"))?;
    let rest = text.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = rest.strip_prefix(b"\\u").and_then(unit)
        && (0xdc00..0xe000).contains(&second)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Ok((
            char::from_u32(code).unwrap_or('\u{fffd}'),
            rest.get(6..).unwrap_or_default(),
        ));
    }
    Ok((char::from_u32(first).unwrap_or('\u{fffd}'), rest))
}
