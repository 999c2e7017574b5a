//! Strings: `"`, `\`, the control characters below U+0020 and every character outside the basic multilingual plane (as an
//! upper-case surrogate pair) are escaped; all else is copied.

use crate::append::{Few, append_head};

/// Appends `s` as a JSON string, quotes included.
///
/// `s` is UTF-8 as the server vouches. Bytes that are not are copied, except a broken lead byte of a four-byte
/// sequence, which reads as U+FFFD: the output is then as valid as the input was.
pub fn write_str(out: &mut Vec<u8>, s: &[u8]) {
    if let Some(string) = short(s) {
        return string.append(out);
    }
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
#[inline(never)]
pub fn write_escaped(out: &mut Vec<u8>, mut s: &[u8]) {
    loop {
        let plain = plain_prefix(s);
        let Some((head, [special, rest @ ..])) = s.split_at_checked(plain) else {
            return out.extend_from_slice(s);
        };
        match s.first_chunk::<BLOCK>() {
            Some(block) if plain <= BLOCK => append_head(out, block, plain),
            _ => out.extend_from_slice(head),
        }
        s = match special {
            b'"' | b'\\' => {
                out.extend_from_slice(&[b'\\', *special]);
                rest
            }
            _ => write_rarer(out, *special, rest),
        };
    }
}

/// A string of a few bytes that are copied as they are, with its quotes.
#[inline]
fn short(s: &[u8]) -> Option<Few> {
    /// With two quotes they fit.
    const MOST: usize = 14;
    let bytes = match (s.first_chunk(), s.last_chunk()) {
        (Some(first), Some(last)) if s.len() <= MOST => {
            let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            if (special_bytes(first) | special_bytes(last)) != 0 {
                return None;
            }
            u128::from(first) | u128::from(last) << (8 * (s.len() - 8))
        }
        (None, None) => {
            let (first, last) = (
                u32::from_le_bytes(*s.first_chunk()?),
                u32::from_le_bytes(*s.last_chunk()?),
            );
            let (first, last) = (u64::from(first), u64::from(last));
            if special_bytes(first | last << 32) != 0 {
                return None;
            }
            u128::from(first | last << (8 * (s.len() - 4)))
        }
        _ => return None,
    };
    let quote = u128::from(b'"');
    let quoted = quote | bytes << 8 | quote << (8 * (s.len() + 1));
    Some(Few::new(quoted, s.len() + 2))
}

/// Bytes that are looked at together.
const BLOCK: usize = 16;

/// Whether all bytes are copied as they are.
#[inline]
fn is_plain(s: &[u8]) -> bool {
    // The last bytes are looked at in a whole block, with some of the others a second time.
    let Some(last) = s.last_chunk() else {
        return plain_prefix_of_few(s) == s.len();
    };
    let (blocks, _) = s.as_chunks();
    !blocks.iter().any(any_special) && !any_special(last)
}

/// Number of leading bytes that are copied as they are.
#[inline]
fn plain_prefix(s: &[u8]) -> usize {
    let Some(last) = s.last_chunk() else {
        return plain_prefix_of_few(s);
    };
    let (blocks, _) = s.as_chunks();
    if let Some((i, block)) = blocks.iter().enumerate().find(|(_, block)| any_special(block)) {
        return i * BLOCK + first_special(block);
    }
    if any_special(last) {
        return s.len() - BLOCK + first_special(last);
    }
    s.len()
}

/// The same of less than a block.
#[inline]
fn plain_prefix_of_few(s: &[u8]) -> usize {
    // As above, but with words.
    if let (Some(first), Some(last)) = (s.first_chunk(), s.last_chunk()) {
        let (first, last) = (
            special_bytes(u64::from_le_bytes(*first)),
            special_bytes(u64::from_le_bytes(*last)),
        );
        return match (first, last) {
            (0, 0) => s.len(),
            (0, _) => s.len() + lowest(last) - 8,
            _ => lowest(first),
        };
    }
    if let (Some(first), Some(last)) = (s.first_chunk(), s.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return match special_bytes(u64::from(first) | u64::from(last) << 32) {
            0 => s.len(),
            flags if lowest(flags) < 4 => lowest(flags),
            flags => s.len() + lowest(flags) - 8,
        };
    }
    s.iter().position(|b| is_special(*b)).unwrap_or(s.len())
}

/// Whether any byte of a block is not copied as it is. Without branches and with flags of two kinds, so that the compiler
/// makes vector instructions of it.
#[inline(always)]
fn any_special(block: &[u8; BLOCK]) -> bool {
    let (mut most, mut slash) = (0, 0);
    for b in block {
        most |= u8::from((b.wrapping_sub(0x20) >= 0xd0) | (*b == b'"'));
        slash |= u8::from(*b == b'\\');
    }
    (most | slash) != 0
}

/// Index of the first byte of a block that is not copied as it is; there is one.
#[inline]
fn first_special(block: &[u8; BLOCK]) -> usize {
    let block = u128::from_le_bytes(*block);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is what is asked for"
    )]
    match special_bytes(block as u64) {
        0 => 8 + lowest(special_bytes((block >> 64) as u64)),
        flags => lowest(flags),
    }
}

/// Index of the lowest byte that is flagged.
#[inline]
fn lowest(flags: u64) -> usize {
    (flags.trailing_zeros() / 8) as usize
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// Flags the bytes that are not copied as they are; only the lowest flag is sure to be a true one, for borrows run
/// upwards.
#[inline]
fn special_bytes(x: u64) -> u64 {
    let low = x.wrapping_sub(ONES * 0x20) & !x;
    // The addition reaches the highest bit if the three below it are set.
    let astral = (x & (ONES * 0x70)).wrapping_add(ONES * 0x10) & x;
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
            return Some(i * 8 + lowest(found));
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

/// Writes the escape for another byte than quote and backslash; returns what is left to write.
#[inline(never)]
fn write_rarer<'a>(out: &mut Vec<u8>, special: u8, rest: &'a [u8]) -> &'a [u8] {
    let short = match special {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text;
    use super::*;

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

    /// Bytes among which those that are escaped, and their neighbours, are not rare.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        const EDGES: [u8; 14] = [
            0, 0x1f, 0x20, b'!', b'"', b'#', b'[', b'\\', b']', 0x7f, 0x80, 0xef, 0xf0, 0xff,
        ];
        let byte = || prop_oneof![8 => 0x20_u8..0x7f, 1 => proptest::sample::select(&EDGES[..])];
        let bytes = |len| proptest::collection::vec(byte(), len);
        prop_oneof![bytes(0..12), bytes(0..70)]
    }

    proptest! {
        #[test]
        fn the_plain_prefix_ends_at_the_first_special_byte(s in bytes()) {
            prop_assert_eq!(plain_prefix(&s), s.iter().position(|b| is_special(*b)).unwrap_or(s.len()));
        }

        #[test]
        fn any_string_reads_back(s in any::<String>()) {
            let json = text(|out| write_str(out, s.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), s);
        }
    }
}
