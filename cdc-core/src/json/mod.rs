//! JSON text, byte for byte as Jackson's UTF-8 generator writes it. Nothing here allocates but the output's growth.

mod base64;
mod number;
mod string;

pub(crate) use base64::write_base64_word;
pub use base64::{append_base64, write_base64};
pub(crate) use number::{append_i64, eight_digits};
pub use number::{write_f32, write_f64, write_i64, write_java_f64};
pub(crate) use string::{find_string_end, write_text};
pub use string::{write_escaped, write_str};

/// What a writer writes.
#[cfg(test)]
fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}
