//! A reader of JSON text, token by token.

use super::super::ConvertError;
use crate::json;
use crate::record::{Decimal, Text, Value};

/// Nesting that is read; deeper texts are refused rather than followed down the stack.
const DEPTH: u32 = 128;

/// A place in a JSON text.
#[derive(Debug)]
pub(in crate::convert) struct Cursor<'a> {
    rest: &'a [u8],
    depth: u32,
}

/// The reason for a text that is not JSON.
pub(in crate::convert) fn malformed(what: &str) -> ConvertError {
    ConvertError::new(format!("not the JSON that was expected: {what}"))
}

impl<'a> Cursor<'a> {
    pub(in crate::convert) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, depth: 0 }
    }

    /// The next byte that is not white space, without taking it.
    #[inline]
    pub(in crate::convert) fn peek(&mut self) -> Option<u8> {
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
    pub(in crate::convert) fn take(&mut self, literal: &[u8]) -> bool {
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
    pub(in crate::convert) fn take_byte(&mut self, byte: u8) -> bool {
        if self.peek() == Some(byte) {
            self.rest = self.rest.get(1..).unwrap_or_default();
            return true;
        }
        false
    }

    pub(in crate::convert) fn expect(&mut self, byte: u8) -> Result<(), ConvertError> {
        if self.take_byte(byte) {
            return Ok(());
        }
        Err(malformed(&format!("`{}` is missing", char::from(byte))))
    }

    /// Takes `null`.
    #[inline]
    pub(in crate::convert) fn take_null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.take(b"null")
    }

    pub(in crate::convert) fn end(&mut self) -> Result<(), ConvertError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(malformed("text after its end")),
        }
    }

    /// Enters an array or object; says whether it has a first item.
    pub(in crate::convert) fn open(&mut self, open: u8, close: u8) -> Result<bool, ConvertError> {
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
    pub(in crate::convert) fn more(&mut self, close: u8) -> Result<bool, ConvertError> {
        if self.take_byte(b',') {
            return Ok(true);
        }
        self.expect(close)?;
        self.depth -= 1;
        Ok(false)
    }

    /// A string.
    pub(in crate::convert) fn string(&mut self) -> Result<Text, ConvertError> {
        let (inside, escaped) = self.raw_string()?;
        if !escaped {
            return Ok(text_of(inside));
        }
        unescape(inside)
    }

    /// The inside of a string as it stands, and whether it holds escapes.
    pub(in crate::convert) fn raw_string(&mut self) -> Result<(&'a [u8], bool), ConvertError> {
        if self.peek() != Some(b'"') {
            return Err(malformed("a string is missing"));
        }
        let text = self.rest.get(1..).unwrap_or_default();
        let mut escaped = false;
        let mut from = 0;
        loop {
            let tail = text.get(from..).unwrap_or_default();
            let Some(at) = json::find_string_end(tail) else {
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
    pub(in crate::convert) fn number(&mut self) -> Result<&'a str, ConvertError> {
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
    #[inline]
    pub(in crate::convert) fn integer(&mut self) -> Result<i64, ConvertError> {
        let (negative, digits) = match self.rest {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let (n, len) = leading_digits(digits);
        // Nineteen digits fit into 64 bits without a sign, and nearly all of them with one.
        if (1..=19).contains(&len)
            && matches!(digits.get(len), None | Some(b',' | b'}' | b']'))
            && let Ok(n) = i64::try_from(n)
        {
            self.rest = digits.get(len..).unwrap_or_default();
            return Ok(if negative { -n } else { n });
        }
        self.any_integer()
    }

    /// A whole number in whatever form JSON has for it.
    fn any_integer(&mut self) -> Result<i64, ConvertError> {
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

    pub(in crate::convert) fn float(&mut self) -> Result<f64, ConvertError> {
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

    /// A float of 32 bits, rounded from its text once.
    pub(in crate::convert) fn float32(&mut self) -> Result<f32, ConvertError> {
        if self.peek() == Some(b'"') {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "NaN and the infinities stay what they are"
            )]
            return self.float().map(|v| v as f32);
        }
        self.number()?
            .parse()
            .map_err(|_| malformed("a number is missing"))
    }

    pub(in crate::convert) fn boolean(&mut self) -> Result<bool, ConvertError> {
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
    pub(in crate::convert) fn any(&mut self) -> Result<Value, ConvertError> {
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
    pub(in crate::convert) fn skip(&mut self) -> Result<&'a [u8], ConvertError> {
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

/// The number that the digits at the beginning make, modulo 2⁶⁴, and how many they are.
#[inline]
fn leading_digits(text: &[u8]) -> (u64, usize) {
    let (mut n, mut len) = (0_u64, 0);
    // Eight at a time: each step joins neighbours, digits to pairs, pairs to fours, fours to eight.
    while let Some(word) = text.get(len..).and_then(<[u8]>::first_chunk::<8>) {
        const ONES: u64 = u64::MAX / 255;
        let x = u64::from_le_bytes(*word) ^ (ONES * 0x30);
        if (x | x.wrapping_add(ONES * 0x76)) & (ONES << 7) != 0 {
            break;
        }
        let x = x.wrapping_mul(10).wrapping_add(x >> 8) & 0x00ff_00ff_00ff_00ff;
        let x = x.wrapping_mul(100).wrapping_add(x >> 16) & 0x0000_ffff_0000_ffff;
        let x = x.wrapping_mul(10_000).wrapping_add(x >> 32) & 0xffff_ffff;
        n = n.wrapping_mul(100_000_000).wrapping_add(x);
        len += 8;
    }
    while let Some(digit @ b'0'..=b'9') = text.get(len) {
        n = n.wrapping_mul(10).wrapping_add(u64::from(digit & 15));
        len += 1;
    }
    (n, len)
}

/// Bytes as text; what is no UTF-8 becomes U+FFFD.
fn text_of(bytes: &[u8]) -> Text {
    // Nearly all are UTF-8, and to look for what is not takes ten times as long.
    match std::str::from_utf8(bytes) {
        Ok(text) => Text::new(text),
        Err(_) => Text::from_utf8_lossy(bytes),
    }
}

/// The text of a string's inside.
pub(in crate::convert) fn unescape(inside: &[u8]) -> Result<Text, ConvertError> {
    let mut out = Vec::with_capacity(inside.len());
    unescape_into(inside, &mut out)?;
    Ok(text_of(&out))
}

/// Appends the text of a string's inside.
pub(in crate::convert) fn unescape_into(mut inside: &[u8], out: &mut Vec<u8>) -> Result<(), ConvertError> {
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
    Ok(())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whole_numbers_of_any_length_are_read(n in any::<i64>(), shift in 0_u32..64) {
            for n in [n >> shift, i64::MIN, i64::MAX] {
                let text = format!("{n},");
                let mut cursor = Cursor::new(text.as_bytes());
                prop_assert_eq!(cursor.integer().unwrap(), n);
                prop_assert!(cursor.take(b","));
            }
        }

        #[test]
        fn strings_end_where_they_end(plain in "[a-z é€]{0,90}", tail in "[a-z]{0,9}") {
            let text = format!("\"{plain}\"{tail}");
            let mut cursor = Cursor::new(text.as_bytes());
            prop_assert_eq!(cursor.string().unwrap(), plain.as_str());
            prop_assert!(cursor.take(tail.as_bytes()));
        }
    }
}
