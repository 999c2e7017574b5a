//! Bytes as standard base64 with padding.

use crate::append::append_head;

/// Appends a string of standard base64 with padding, quotes included.
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    append_base64(out, bytes);
    out.push(b'"');
}

/// Appends the first one to eight `bytes` of a big-endian word, all others zero, as a string of standard base64, quotes
/// included.
#[inline]
pub(crate) fn write_base64_word(out: &mut Vec<u8>, word: u64, bytes: u32) {
    let quads = bytes.div_ceil(3) as usize;
    let mut text = [b'"'; 16];
    let (places, _) = text[1..].as_chunks_mut::<4>();
    let mut rest = word;
    for place in places.iter_mut().take(quads) {
        *place = [58, 52, 46, 40].map(|shift| BASE64[(rest >> shift & 0x3f) as usize]);
        rest <<= 24;
    }
    let end = 1 + quads * 4;
    // What the last quad has beyond the bytes.
    for place in text[..end].iter_mut().rev().take(quads * 3 - bytes as usize) {
        *place = b'=';
    }
    append_head(out, &text, end + 1);
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
    use proptest::prelude::*;

    use super::super::text;
    use super::*;

    proptest! {
        #[test]
        fn base64_of_any_length_is_standard(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let expected = format!("\"{}\"", base64_simd::STANDARD.encode_to_string(&bytes));
            prop_assert_eq!(text(|out| write_base64(out, &bytes)), expected);
        }

        #[test]
        fn a_word_is_written_as_its_bytes(word in any::<u64>(), bytes in 1_u32..=8) {
            let word = word << (64 - 8 * bytes);
            let expected = text(|out| write_base64(out, &word.to_be_bytes()[..bytes as usize]));
            prop_assert_eq!(text(|out| write_base64_word(out, word, bytes)), expected);
        }
    }
}
