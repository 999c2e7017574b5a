//! Bytes as standard base64 with padding.

use crate::append::Append;

/// Appends a string of standard base64 with padding, quotes included.
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    append_base64(out, bytes);
    out.push(b'"');
}

/// Appends the first one to eight `bytes` of a big-endian word, all others zero, as a string of standard base64, quotes
/// included.
#[inline(always)]
pub(crate) fn write_base64_word<O: Append>(out: &mut O, word: u64, bytes: u32) {
    let (mut word, mut bytes) = (word, bytes);
    out.head(b"\"", 1);
    while bytes > 3 {
        out.head(&quad(word), 4);
        (word, bytes) = (word << 24, bytes - 3);
    }
    let [a, b, c, d] = quad(word);
    out.head(
        &match bytes {
            1 => [a, b, b'=', b'=', b'"'],
            2 => [a, b, c, b'=', b'"'],
            _ => [a, b, c, d, b'"'],
        },
        5,
    );
}

/// The four characters of the three highest bytes.
#[inline(always)]
fn quad(word: u64) -> [u8; 4] {
    [58, 52, 46, 40].map(|shift| BASE64[(word >> shift & 0x3f) as usize])
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
