//! The digests that Java's `MessageDigest` offers, over what Debezium hashes.

use digest::Digest;

/// Longest string that Java writes with a two-byte length.
const SHORT: usize = 0xffff;

/// A digest by Java's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512_224,
    Sha512_256,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

/// Java's names.
pub(super) const NAMES: &str = "MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, SHA-512/256, \
     SHA3-224, SHA3-256, SHA3-384, SHA3-512";

impl Algorithm {
    /// The digest of this name, without regard to case.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "MD5" => Self::Md5,
            "SHA" | "SHA1" | "SHA-1" => Self::Sha1,
            "SHA-224" | "SHA224" => Self::Sha224,
            "SHA-256" | "SHA256" => Self::Sha256,
            "SHA-384" | "SHA384" => Self::Sha384,
            "SHA-512" | "SHA512" => Self::Sha512,
            "SHA-512/224" | "SHA512/224" => Self::Sha512_224,
            "SHA-512/256" | "SHA512/256" => Self::Sha512_256,
            "SHA3-224" => Self::Sha3_224,
            "SHA3-256" => Self::Sha3_256,
            "SHA3-384" => Self::Sha3_384,
            "SHA3-512" => Self::Sha3_512,
            _ => return None,
        })
    }
}

/// Appends the first `limit` hexadecimal digits of the digest over salt and text.
///
/// `serialised`: the text is hashed as Java's object stream has it (version 1), else as UTF-8.
pub(super) fn write_hex(
    algorithm: Algorithm,
    salt: &[u8],
    text: &[u8],
    serialised: bool,
    limit: usize,
    out: &mut Vec<u8>,
) {
    let hash = match algorithm {
        Algorithm::Md5 => hash::<md5::Md5>,
        Algorithm::Sha1 => hash::<sha1::Sha1>,
        Algorithm::Sha224 => hash::<sha2::Sha224>,
        Algorithm::Sha256 => hash::<sha2::Sha256>,
        Algorithm::Sha384 => hash::<sha2::Sha384>,
        Algorithm::Sha512 => hash::<sha2::Sha512>,
        Algorithm::Sha512_224 => hash::<sha2::Sha512_224>,
        Algorithm::Sha512_256 => hash::<sha2::Sha512_256>,
        Algorithm::Sha3_224 => hash::<sha3::Sha3_224>,
        Algorithm::Sha3_256 => hash::<sha3::Sha3_256>,
        Algorithm::Sha3_384 => hash::<sha3::Sha3_384>,
        Algorithm::Sha3_512 => hash::<sha3::Sha3_512>,
    };
    hash(salt, text, serialised, limit, out);
}

fn hash<D: Digest>(salt: &[u8], text: &[u8], serialised: bool, limit: usize, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut hasher = D::new();
    hasher.update(salt);
    if serialised {
        java_string(text, &mut |bytes| hasher.update(bytes));
    } else {
        hasher.update(text);
    }
    let sum = hasher.finalize();
    let digits = sum.iter().flat_map(|b| [b >> 4, b & 15]);
    out.extend(digits.take(limit).filter_map(|d| HEX.get(usize::from(d))));
}

/// What `ObjectOutputStream.writeObject(String)` writes: magic, version, tag, length, modified UTF-8.
fn java_string(text: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let length = modified_len(text);
    sink(&[0xac, 0xed, 0x00, 0x05]);
    match u16::try_from(length) {
        Ok(n) if length <= SHORT => {
            sink(&[0x74]);
            sink(&n.to_be_bytes());
        }
        _ => {
            sink(&[0x7c]);
            sink(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    let mut rest = text;
    while !rest.is_empty() {
        // Bytes below 0xf0 stand for themselves but NUL, which a server never sends.
        let plain = rest.iter().position(|b| *b >= 0xf0).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(plain);
        sink(head);
        let Some((four, after)) = tail.split_at_checked(4) else {
            sink(tail);
            return;
        };
        surrogates(four, sink);
        rest = after;
    }
}

fn modified_len(text: &[u8]) -> usize {
    let wide = text.iter().filter(|b| **b >= 0xf0).count();
    text.len().saturating_add(wide.saturating_mul(2))
}

/// A character beyond the basic plane: two surrogates of three bytes each.
fn surrogates(four: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let text = std::str::from_utf8(four).unwrap_or_default();
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        let byte1 = 0xe0 | (high >> 4);
        let byte2 = 0x80 | ((high & 0x0f) << 2) | (low >> 6);
        sink(&[byte1, byte2, 0x80 | (low & 0x3f)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &[u8] = b"CzQMA0cB5K";

    fn hex(name: &str, text: &str, serialised: bool, limit: usize) -> String {
        let mut out = Vec::new();
        let algorithm = Algorithm::from_name(name).unwrap();
        write_hex(algorithm, SALT, text.as_bytes(), serialised, limit, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn version_one_hashes_javas_serialised_string() {
        let sha256 = "b4d39ab0d198fb4cac8b2f023da74f670bcaf192dcc79b5d6361b7ae6b2fafdf";
        assert_eq!(hex("SHA-256", "hello", true, 255), sha256);
        assert_eq!(hex("SHA-256", "test", true, 20), "8e68c68edbbac316dfe2");
        assert_eq!(
            hex("SHA-1", "hello", true, 255),
            "6abcc90a699effb7bbb4df7d260ded7bce06f1ea"
        );
        assert_eq!(
            hex("SHA-1", "", true, 255),
            "2a0fa587cfb47275dcbc4ded2782866c85155069"
        );
        assert_eq!(
            hex("SHA-1", "a\u{1F600}b", true, 255),
            "d998f03134319ebc65bca9eb41d90c306f23f9bc"
        );
        assert_eq!(hex("md5", "hello", true, 255), "555603318934c3e17a4778a3b4a26e59");
    }

    #[test]
    fn version_two_hashes_utf_8() {
        let plain = |name: &str, text: &str| {
            let mut out = Vec::new();
            write_hex(
                Algorithm::from_name(name).unwrap(),
                b"",
                text.as_bytes(),
                false,
                999,
                &mut out,
            );
            String::from_utf8(out).unwrap()
        };
        assert_eq!(plain("MD5", "abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(plain("SHA-1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            plain("SHA3-256", "abc"),
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"
        );
        assert_eq!(
            plain("SHA-512/256", "abc"),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
    }

    #[test]
    fn every_listed_name_is_known() {
        for name in NAMES.split(", ") {
            assert!(Algorithm::from_name(name).is_some(), "{name}");
        }
        assert!(Algorithm::from_name("CRC32").is_none());
    }
}
