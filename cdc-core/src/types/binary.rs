//! Bytes and bits: hexadecimal and bit-string text to base64 or hexadecimal, through a small buffer.

use super::error::{Fault, Written};
use super::options::BinaryHandling;
use crate::json;

/// Bytes encoded at a time: a multiple of three, so that pieces of base64 join without padding.
const CAPACITY: usize = 768;

/// Encodes bytes that come in pieces into one JSON string.
#[derive(Debug)]
pub(super) struct ByteString<'o> {
    form: BinaryHandling,
    buffer: [u8; CAPACITY],
    len: usize,
    out: &'o mut Vec<u8>,
}

impl<'o> ByteString<'o> {
    /// Opens the string.
    pub(super) fn open(form: BinaryHandling, out: &'o mut Vec<u8>) -> Self {
        out.push(b'"');
        Self {
            form,
            buffer: [0; CAPACITY],
            len: 0,
            out,
        }
    }

    /// Adds one byte.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if self.len == CAPACITY {
            self.flush();
        }
        if let Some(slot) = self.buffer.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// Closes the string.
    pub(super) fn close(mut self) {
        self.flush();
        self.out.push(b'"');
    }

    fn flush(&mut self) {
        let bytes = self.buffer.get(..self.len).unwrap_or_default();
        append(self.form, bytes, self.out);
        self.len = 0;
    }
}

/// Appends the inside of the string for `bytes`.
fn append(form: BinaryHandling, bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match form {
        BinaryHandling::Bytes | BinaryHandling::Base64 => json::append_base64(out, bytes),
        BinaryHandling::Base64UrlSafe => base64_simd::URL_SAFE.encode_append(bytes, out),
        BinaryHandling::Hex => {
            let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
            out.extend(bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 0xf)]));
        }
    }
}

/// Appends `bytes` as one string.
pub(super) fn write_bytes(form: BinaryHandling, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    append(form, bytes, out);
    out.push(b'"');
}

const NOT_HEX: Fault = Fault::Malformed("not bytes in hexadecimal (bytea_output = hex)");

/// Appends a `bytea` value given as `\x…`.
pub(super) fn write_bytea(form: BinaryHandling, text: &[u8], out: &mut Vec<u8>) -> Written {
    let digits = text.strip_prefix(b"\\x").ok_or(NOT_HEX)?;
    write_hex(form, digits, out)
}

/// Appends bytes given as hexadecimal digits.
pub(super) fn write_hex(form: BinaryHandling, digits: &[u8], out: &mut Vec<u8>) -> Written {
    let mut string = ByteString::open(form, out);
    for byte in decode_hex(digits)? {
        string.push(byte?);
    }
    string.close();
    Ok(())
}

/// The bytes that pairs of hexadecimal digits mean.
pub(super) fn decode_hex(digits: &[u8]) -> Result<impl Iterator<Item = Result<u8, Fault>>, Fault> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return Err(NOT_HEX);
    };
    Ok(pairs.iter().map(|[high, low]| {
        let (high, low) = (NIBBLES[usize::from(*high)], NIBBLES[usize::from(*low)]);
        if (high | low) & 0xf0 == 0 {
            Ok(high << 4 | low)
        } else {
            Err(NOT_HEX)
        }
    }))
}

/// Value of each hexadecimal digit; 0xff for other bytes.
static NIBBLES: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut n = 0;
    while n < 16 {
        let lower = b"0123456789abcdef"[n as usize];
        table[lower as usize] = n;
        table[lower.to_ascii_uppercase() as usize] = n;
        n += 1;
    }
    table
};

const NOT_BITS: Fault = Fault::Malformed("not a bit string");

/// Appends a bit string as Debezium's Bits: the right-most bit is bit 0 of byte 0; trailing zero bytes are left out.
pub(super) fn write_bits(text: &[u8], out: &mut Vec<u8>) -> Written {
    if text.iter().any(|b| !matches!(b, b'0' | b'1')) {
        return Err(NOT_BITS);
    }
    let significant = text.iter().position(|b| *b == b'1').unwrap_or(text.len());
    let mut string = ByteString::open(BinaryHandling::Bytes, out);
    for eight in text.get(significant..).unwrap_or_default().rchunks(8) {
        string.push(eight.iter().fold(0, |byte, bit| byte << 1 | (bit & 1)));
    }
    string.close();
    Ok(())
}

/// Appends a bit string of length one as a boolean.
pub(super) fn write_bit(text: &[u8], out: &mut Vec<u8>) -> Written {
    let word: &[u8] = match text {
        b"0" => b"false",
        b"1" => b"true",
        b"" => return Err(Fault::Lost("an empty bit string is neither true nor false")),
        _ => return Err(NOT_BITS),
    };
    out.extend_from_slice(word);
    Ok(())
}
