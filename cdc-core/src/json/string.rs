//! Strings: `"`, `\`, the control characters below U+0020 and every character outside the basic multilingual plane (as an
//! upper-case surrogate pair) are escaped; all else is copied.

use wide::i8x16;

use crate::append::{Append, Few};
use crate::block::{BLOCK, Text, block_at};

/// Appends `s` as a JSON string, quotes included.
///
/// `s` is UTF-8 as the server vouches. Bytes that are not are copied, except a broken lead byte of a four-byte
/// sequence, which reads as U+FFFD: the output is then as valid as the input was.
pub fn write_str(out: &mut Vec<u8>, s: &[u8]) {
    out.reserve(s.len().saturating_add(2));
    write_text(out, Text::new(s));
}

/// Appends a text as [`write_str`] does.
#[inline(always)]
pub(crate) fn write_text<O: Append>(out: &mut O, text: Text<'_>) {
    if text.len() < BLOCK {
        let spare;
        let block = block_at!(text, 0, spare);
        // Flags of what follows the text do not count.
        if special(block) & !(u32::MAX << text.len()) == 0 {
            return out.quoted(block, text.len());
        }
        out.head(b"\"", 1);
        out.apart(|out| write_inside(out, text.bytes(), text.len()));
    } else {
        out.head(b"\"", 1);
        write_long(out, text);
    }
    out.head(b"\"", 1);
}

/// Appends the inside of the string of a text of at least a block.
#[inline(always)]
fn write_long<O: Append>(out: &mut O, text: Text<'_>) {
    let (blocks, rest) = text.as_bytes().as_chunks();
    let plain = out.blocks(blocks, special);
    // The last bytes are looked at and copied in a whole block, with some of the others a second time.
    if let Some(last) = text.as_bytes().last_chunk()
        && plain == blocks.len()
        && special(last) == 0
    {
        return out.last(last, rest.len());
    }
    let rest = text.from(plain * BLOCK);
    out.apart(|out| write_inside(out, rest.bytes(), rest.len()));
}

/// Appends the inside of a JSON string, without quotes: for strings put together from parts.
pub fn write_escaped(out: &mut Vec<u8>, s: &[u8]) {
    write_inside(out, s, s.len());
}

/// Appends the inside of the string of the first `len` bytes of a text and of what follows it.
#[inline(never)]
fn write_inside<O: Append>(out: &mut O, bytes: &[u8], len: usize) {
    if let Some(text) = Text::first(len, bytes) {
        out.apart(|out| write_escaping(out, text));
    }
}

#[inline(always)]
fn write_escaping<O: Append>(out: &mut O, mut text: Text<'_>) {
    loop {
        let (blocks, rest) = text.as_bytes().as_chunks();
        let mut at = 0;
        for block in blocks {
            let done = out.with_backslashes(block, BLOCK, special(block));
            at += done;
            if done < BLOCK {
                break;
            }
        }
        if at + rest.len() == text.len() {
            let spare;
            let block = block_at!(text, at, spare);
            let flags = special(block) & !(u32::MAX << rest.len());
            at += out.with_backslashes(block, rest.len(), flags);
        }
        if at == text.len() {
            return;
        }
        let (escape, taken) = escape_rarer(text.as_bytes().get(at..).unwrap_or_default());
        escape.append(out);
        text = text.from(at + taken);
    }
}

/// Flags the bytes of a block that are not copied as they are: a bit for each, the lowest one for the first.
#[inline(always)]
fn special(block: &[u8; BLOCK]) -> u32 {
    let block = i8x16::new(block.map(u8::cast_signed));
    // With a bit turned, what is from 0xf0 on, below 0x20 or a quote is what is between -16 and 32: the highest of all once
    // 95 is added.
    let moved = (block ^ i8x16::splat(2)) + i8x16::splat(95);
    let found = moved.simd_gt(i8x16::splat(78)) | block.simd_eq(i8x16::splat(b'\\'.cast_signed()));
    found.to_bitmask()
}

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// Flags quotes and backslashes; only the lowest flag is sure to be a true one.
#[inline(always)]
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

/// The escape for what begins with another special byte than quote and backslash, and the number of bytes it stands for.
#[inline(never)]
fn escape_rarer(s: &[u8]) -> (Few, usize) {
    let short = match s {
        [0x08, ..] => b'b',
        [b'\t', ..] => b't',
        [b'\n', ..] => b'n',
        [0x0c, ..] => b'f',
        [b'\r', ..] => b'r',
        [control @ ..0x20, ..] => return (Few::new(unicode_escape(u16::from(*control)), 6), 1),
        [lead, rest @ ..] => return escape_astral(*lead, rest),
        [] => return (Few::new(0, 0), 0),
    };
    (Few::new(u128::from(b'\\') | u128::from(short) << 8, 2), 1)
}

/// The surrogate pair for a character above U+FFFF.
fn escape_astral(lead: u8, rest: &[u8]) -> (Few, usize) {
    if let Some(&[a, b, c]) = rest.first_chunk() {
        let bits = |byte: u8| u32::from(byte & 0x3f);
        let code = u32::from(lead & 0x07) << 18 | bits(a) << 12 | bits(b) << 6 | bits(c);
        if let Some(ch) = char::from_u32(code).filter(|_| [a, b, c].iter().all(|x| x & 0xc0 == 0x80)) {
            let (mut escapes, mut len) = (0, 0);
            for unit in ch.encode_utf16(&mut [0; 2]) {
                escapes |= unicode_escape(*unit) << (8 * len);
                len += 6;
            }
            return (Few::new(escapes, len), 4);
        }
    }
    let replacement = u32::from_le_bytes([0xef, 0xbf, 0xbd, 0]);
    (Few::new(replacement.into(), 3), 1)
}

/// Six bytes, the first one the lowest.
fn unicode_escape(unit: u16) -> u128 {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |shift: u32| HEX[usize::from(unit >> shift & 0xf)];
    let escape = [b'\\', b'u', digit(12), digit(8), digit(4), digit(0), 0, 0];
    u64::from_le_bytes(escape).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text;
    use super::*;
    use crate::append::Line;

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

    #[test]
    fn special_bytes_are_flagged() {
        for byte in 0..=u8::MAX {
            let is = matches!(byte, ..0x20 | b'"' | b'\\' | 0xf0..);
            assert_eq!(special(&[byte; BLOCK]), if is { 0xffff } else { 0 }, "{byte:#x}");
        }
    }

    /// What the bytes are as a JSON string, one by one.
    fn plainly(s: &[u8]) -> Vec<u8> {
        let (mut out, mut rest) = (vec![b'"'], s);
        while let [first, others @ ..] = rest {
            let taken = match first {
                b'"' | b'\\' => {
                    out.extend([b'\\', *first]);
                    1
                }
                ..0x20 | 0xf0.. => {
                    let (escape, taken) = escape_rarer(rest);
                    escape.append(&mut out);
                    taken
                }
                _ => {
                    out.push(*first);
                    1
                }
            };
            rest = &others[taken - 1..];
        }
        out.push(b'"');
        out
    }

    proptest! {
        #[test]
        fn strings_are_their_bytes_escaped(s in bytes(), behind in bytes()) {
            let data = [s.as_slice(), &behind].concat();
            for text in [Text::new(&s), Text::first(s.len(), &data).unwrap()] {
                let (mut out, mut room) = (Vec::new(), vec![0; 6 * s.len() + 100]);
                let mut line = Line::new(&mut room);
                write_text(&mut out, text);
                write_text(&mut line, text);
                let len = line.len();
                prop_assert_eq!(&room[..len], &out);
                prop_assert_eq!(out, plainly(&s));
            }
        }

        #[test]
        fn any_string_reads_back(s in any::<String>()) {
            let json = text(|out| write_str(out, s.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), s);
        }
    }
}
