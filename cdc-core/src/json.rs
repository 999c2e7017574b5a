//! JSON text, byte for byte as Jackson's UTF-8 generator writes it.
//!
//! Strings escape `"`, `\`, the control characters below U+0020 and every character outside the basic multilingual
//! plane (as an upper-case surrogate pair); all else is copied. Floating-point numbers read as Java's
//! `Double.toString` and `Float.toString` (19 and later) give them. Nothing here allocates but the output's growth.

use std::io::Write as _;

/// Appends `s` as a JSON string, quotes included.
///
/// `s` is UTF-8 as the server vouches. Bytes that are not are copied, except a broken lead byte of a four-byte
/// sequence, which reads as U+FFFD: the output is then as valid as the input was.
pub fn write_str(out: &mut Vec<u8>, s: &[u8]) {
    out.reserve(s.len().saturating_add(2));
    out.push(b'"');
    if is_plain(s) {
        out.extend_from_slice(s);
    } else {
        write_escaped(out, s);
    }
    out.push(b'"');
}

/// Appends the inside of a JSON string, without quotes: for strings put together from parts.
pub fn write_escaped(out: &mut Vec<u8>, mut s: &[u8]) {
    loop {
        let plain = plain_prefix(s);
        let (head, tail) = s.split_at_checked(plain).unwrap_or((s, &[]));
        out.extend_from_slice(head);
        let Some((&special, rest)) = tail.split_first() else {
            return;
        };
        s = write_special(out, special, rest);
    }
}

/// Number of leading bytes that are copied as they are.
#[inline]
fn plain_prefix(s: &[u8]) -> usize {
    let (words, tail) = s.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return i * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let at = tail.iter().position(|&b| is_special(b)).unwrap_or(tail.len());
    s.len() - tail.len() + at
}

/// Whether all bytes are copied as they are.
#[inline]
fn is_plain(s: &[u8]) -> bool {
    // The last bytes are looked at in a block or word of constant size, with some of the others a second time.
    if let Some(last) = s.last_chunk::<16>() {
        let (blocks, _) = s.as_chunks::<16>();
        return !blocks.iter().any(any_special) && !any_special(last);
    }
    let (first, last) = match (s.first_chunk::<8>(), s.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (s.first_chunk::<4>(), s.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
                let both = u64::from(first) | u64::from(last) << 32;
                (both, both)
            }
            _ => return !s.iter().any(|b| is_special(*b)),
        },
    };
    (special_bytes(first) | special_bytes(last)) == 0
}

/// Whether any byte of a block is not copied as it is. Without branches and with flags of two kinds, so that the compiler
/// makes vector instructions of it.
#[inline]
fn any_special(block: &[u8; 16]) -> bool {
    let (mut most, mut slash) = (0, 0);
    for b in block {
        most |= u8::from((b.wrapping_sub(0x20) >= 0xd0) | (*b == b'"'));
        slash |= u8::from(*b == b'\\');
    }
    (most | slash) != 0
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// Flags the bytes that are not copied as they are; only the lowest flag is sure to be a true one, for borrows run
/// upwards.
#[inline]
fn special_bytes(x: u64) -> u64 {
    let low = x.wrapping_sub(ONES * 0x20) & !x;
    let astral = x & (x << 1) & (x << 2) & (x << 3);
    (low | astral) & HIGH | ends_of_string(x)
}

/// Flags quotes and backslashes; only the lowest flag is sure to be a true one.
#[inline]
fn ends_of_string(x: u64) -> u64 {
    let quote = x ^ (ONES * 0x22);
    let slash = x ^ (ONES * 0x5c);
    ((quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash)) & HIGH
}

/// Index of the first quote or backslash: where a JSON string ends or an escape begins.
#[inline]
pub(crate) fn find_string_end(s: &[u8]) -> Option<usize> {
    /// Longer strings are worth the set-up of the vector code.
    const SHORT: usize = 8;
    let (words, tail) = s.as_chunks::<8>();
    for (i, word) in words.iter().take(SHORT).enumerate() {
        let found = ends_of_string(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(i * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    if words.len() > SHORT {
        let from = SHORT * 8;
        return memchr::memchr2(b'"', b'\\', s.get(from..)?).map(|at| from + at);
    }
    let at = tail.iter().position(|b| matches!(b, b'"' | b'\\'))?;
    Some(words.len() * 8 + at)
}

#[inline]
fn is_special(b: u8) -> bool {
    b < 0x20 || b == b'"' || b == b'\\' || b >= 0xf0
}

/// Writes the escape for `special`; returns what is left to write.
fn write_special<'a>(out: &mut Vec<u8>, special: u8, rest: &'a [u8]) -> &'a [u8] {
    let short = match special {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        0xf0.. => return write_astral(out, special, rest),
        _ => {
            write_unicode_escape(out, u16::from(special));
            return rest;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    rest
}

/// Writes a character above U+FFFF as a surrogate pair.
fn write_astral<'a>(out: &mut Vec<u8>, lead: u8, rest: &'a [u8]) -> &'a [u8] {
    if let Some((&[a, b, c], after)) = rest.split_first_chunk::<3>() {
        let bits = |byte: u8| u32::from(byte & 0x3f);
        let code = u32::from(lead & 0x07) << 18 | bits(a) << 12 | bits(b) << 6 | bits(c);
        if let Some(ch) = char::from_u32(code).filter(|_| [a, b, c].iter().all(|x| x & 0xc0 == 0x80)) {
            for unit in ch.encode_utf16(&mut [0; 2]) {
                write_unicode_escape(out, *unit);
            }
            return after;
        }
    }
    out.extend_from_slice("\u{fffd}".as_bytes());
    rest
}

fn write_unicode_escape(out: &mut Vec<u8>, unit: u16) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |shift: u32| HEX[usize::from(unit >> shift & 0xf)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// Appends an integer.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, v: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
}

/// Appends a double; NaN and the infinities are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`.
pub fn write_f64(out: &mut Vec<u8>, v: f64) {
    if !v.is_finite() {
        return write_non_finite(out, v.is_nan(), v.is_sign_negative());
    }
    write_java_f64(out, v);
}

/// Appends a float; see [`write_f64`].
pub fn write_f32(out: &mut Vec<u8>, v: f32) {
    if !v.is_finite() {
        return write_non_finite(out, v.is_nan(), v.is_sign_negative());
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(v).as_bytes();
    if v != 0.0 && v.abs() < f32::MIN_POSITIVE {
        return write_subnormal(out, shortest, format_args!("{v:.1e}"));
    }
    write_java_digits(out, shortest);
}

/// Appends the text of Java's `Double.toString` for a finite number, without quotes.
pub fn write_java_f64(out: &mut Vec<u8>, v: f64) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(v).as_bytes();
    if v != 0.0 && v.abs() < f64::MIN_POSITIVE {
        return write_subnormal(out, shortest, format_args!("{v:.1e}"));
    }
    write_java_digits(out, shortest);
}

fn write_non_finite(out: &mut Vec<u8>, nan: bool, negative: bool) {
    let text: &[u8] = match (nan, negative) {
        (true, _) => b"\"NaN\"",
        (false, false) => b"\"Infinity\"",
        (false, true) => b"\"-Infinity\"",
    };
    out.extend_from_slice(text);
}

/// Java gives at least two digits, and takes the two nearest the value where one would do. That differs from
/// "digit, point, zero" only where neighbours are more than a twentieth apart: among the subnormal numbers.
fn write_subnormal(out: &mut Vec<u8>, shortest: &[u8], two_digits: std::fmt::Arguments<'_>) {
    let mantissa = shortest.split(|&b| b == b'e').next().unwrap_or_default();
    let one_digit = mantissa
        .iter()
        .filter(|b| b.is_ascii_digit() && **b != b'0')
        .count()
        == 1;
    if !one_digit {
        return write_java_digits(out, shortest);
    }
    let mut text = [0_u8; 32];
    let mut cursor = std::io::Cursor::new(&mut text[..]);
    let written = cursor.write_fmt(two_digits).map_or(0, |()| cursor.position());
    let length = usize::try_from(written).unwrap_or(0);
    write_java_digits(out, text.get(..length).unwrap_or(shortest));
}

/// Rewrites a decimal text (`1.5`, `1e21`, `1.25e-7`) in Java's form: plain from 10⁻³ up to 10⁷, else `d.dddE±x`.
fn write_java_digits(out: &mut Vec<u8>, text: &[u8]) {
    let (text, negative) = text.strip_prefix(b"-").map_or((text, false), |t| (t, true));
    if negative {
        out.push(b'-');
    }
    let mut digits = [0_u8; 40];
    let mut count = 0_usize;
    // Power of ten of the first digit.
    let mut exponent = -1_i32;
    let mut seen_point = false;
    let mut bytes = text.iter();
    for &b in bytes.by_ref() {
        match b {
            b'.' => seen_point = true,
            b'e' | b'E' => break,
            b'0' if count == 0 => exponent -= i32::from(seen_point),
            _ => {
                if let Some(slot) = digits.get_mut(count) {
                    *slot = b;
                    count += 1;
                }
                exponent += i32::from(!seen_point);
            }
        }
    }
    exponent += parse_exponent(bytes.as_slice());
    while count > 0 && digits.get(count - 1) == Some(&b'0') {
        count -= 1;
    }
    let digits = digits.get(..count).unwrap_or_default();
    match digits {
        [] => out.extend_from_slice(b"0.0"),
        _ if (-3..7).contains(&exponent) => write_plain(out, digits, exponent),
        _ => write_scientific(out, digits, exponent),
    }
}

fn parse_exponent(text: &[u8]) -> i32 {
    std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(0)
}

fn write_plain(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let Ok(last_whole) = usize::try_from(exponent) else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(
            b'0',
            usize::try_from(-1 - exponent).unwrap_or(0),
        ));
        return out.extend_from_slice(digits);
    };
    let whole = last_whole + 1;
    let (head, tail) = digits.split_at_checked(whole).unwrap_or((digits, &[]));
    out.extend_from_slice(head);
    out.extend(std::iter::repeat_n(b'0', whole - head.len()));
    out.push(b'.');
    out.extend_from_slice(if tail.is_empty() { b"0" } else { tail });
}

fn write_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let (first, tail) = digits.split_at_checked(1).unwrap_or((digits, &[]));
    out.extend_from_slice(first);
    out.push(b'.');
    out.extend_from_slice(if tail.is_empty() { b"0" } else { tail });
    out.push(b'E');
    write_i64(out, i64::from(exponent));
}

/// Appends a string of standard base64 with padding, quotes included.
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    append_base64(out, bytes);
    out.push(b'"');
}

/// Appends the first one to eight `bytes` of a big-endian word as a string of standard base64, quotes included.
#[inline]
pub(crate) fn write_base64_word(out: &mut Vec<u8>, word: u64, bytes: u32) {
    let mut text = *b"\"============\"";
    let sextets = (bytes * 8).div_ceil(6) as usize;
    let mut rest = word;
    for place in text.iter_mut().skip(1).take(sextets) {
        *place = BASE64[(rest >> 58) as usize];
        rest <<= 6;
    }
    let end = 2 + bytes.div_ceil(3) as usize * 4;
    text[end - 1] = b'"';
    let length = out.len() + end;
    out.extend_from_slice(&text);
    out.truncate(length);
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends standard base64 with padding, without quotes.
pub fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    /// Below this length the set-up of the vector code costs more than it saves.
    const SHORT: usize = 24;
    if bytes.len() > SHORT {
        return base64_simd::STANDARD.encode_append(bytes, out);
    }
    let sextet = |v: u32, shift: u32| BASE64[(v >> shift & 0x3f) as usize];
    let (triples, tail) = bytes.as_chunks::<3>();
    for &[a, b, c] in triples {
        let v = u32::from_be_bytes([0, a, b, c]);
        out.extend_from_slice(&[sextet(v, 18), sextet(v, 12), sextet(v, 6), sextet(v, 0)]);
    }
    match *tail {
        [a] => {
            let v = u32::from_be_bytes([0, a, 0, 0]);
            out.extend_from_slice(&[sextet(v, 18), sextet(v, 12), b'=', b'=']);
        }
        [a, b] => {
            let v = u32::from_be_bytes([0, a, b, 0]);
            out.extend_from_slice(&[sextet(v, 18), sextet(v, 12), sextet(v, 6), b'=']);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_escape_as_jackson_does() {
        let cases = [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{8}\t\n\u{c}\r", r#""\b\t\n\f\r""#),
            ("\u{1}\u{1f}", r#""\u0001\u001F""#),
            ("/\u{7f}\u{a0}\u{2028}<>&'é中", "\"/\u{7f}\u{a0}\u{2028}<>&'é中\""),
            ("😀", r#""\uD83D\uDE00""#),
            ("12345678😀", r#""12345678\uD83D\uDE00""#),
            (
                "\u{ffff}\u{10000}\u{10ffff}",
                "\"\u{ffff}\\uD800\\uDC00\\uDBFF\\uDFFF\"",
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(text(|out| write_str(out, input.as_bytes())), expected);
        }
    }

    #[test]
    fn broken_four_byte_sequences_do_not_break_the_output() {
        for input in [
            &b"\xf0"[..],
            b"\xf0\x9f",
            b"\xff\x80\x80\x80",
            b"\xf4\x90\x80\x80",
            b"\xf0\"\"\"",
        ] {
            let mut out = Vec::new();
            write_str(&mut out, input);
            let _: String = serde_json::from_str(&String::from_utf8_lossy(&out)).unwrap();
        }
    }

    #[test]
    fn doubles_read_as_in_java() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (1e-3, "0.001"),
            (9.999e-4, "9.999E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1e10, "1.0E10"),
            (1e21, "1.0E21"),
            (1e23, "1.0E23"),
            (2e23, "2.0E23"),
            (123_456_789.123_456_79, "1.2345678912345679E8"),
            (3.333_333_333_333_333_5, "3.3333333333333335"),
            (1e-7, "1.0E-7"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (2e-323, "2.0E-323"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (1e300, "1.0E300"),
            (12.34, "12.34"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ];
        for (v, expected) in cases {
            assert_eq!(text(|out| write_f64(out, v)), expected);
        }
    }

    #[test]
    fn floats_read_as_in_java() {
        let cases = [
            (1.1_f32, "1.1"),
            (1e20, "1.0E20"),
            (1_234_567.9, "1234567.9"),
            (12_345_679.0, "1.2345679E7"),
            (16_777_216.0, "1.6777216E7"),
            (1e-45, "1.4E-45"),
            (2e-44, "2.0E-44"),
            (f32::MIN_POSITIVE, "1.1754944E-38"),
            (f32::MAX, "3.4028235E38"),
            (-0.5, "-0.5"),
        ];
        for (v, expected) in cases {
            assert_eq!(text(|out| write_f32(out, v)), expected);
        }
    }

    proptest! {
        #[test]
        fn any_string_reads_back(s in any::<String>()) {
            let json = text(|out| write_str(out, s.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), s);
        }

        #[test]
        fn any_finite_number_reads_back(bits in any::<u64>(), small in any::<u32>(), n in any::<i64>()) {
            let v = f64::from_bits(bits);
            if v.is_finite() {
                let json = text(|out| write_f64(out, v));
                prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), v.to_bits());
                prop_assert!(serde_json::from_str::<f64>(&json).is_ok());
            }
            let v = f32::from_bits(small);
            if v.is_finite() {
                let json = text(|out| write_f32(out, v));
                prop_assert_eq!(json.parse::<f32>().unwrap().to_bits(), v.to_bits());
            }
            prop_assert_eq!(text(|out| write_i64(out, n)), n.to_string());
        }

        #[test]
        fn base64_of_any_length_is_standard(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let expected = format!("\"{}\"", base64_simd::STANDARD.encode_to_string(&bytes));
            prop_assert_eq!(text(|out| write_base64(out, &bytes)), expected);
        }
    }
}
