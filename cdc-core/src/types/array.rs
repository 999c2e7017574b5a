//! Arrays: `{1,NULL,"a\"b"}` to JSON arrays.

use super::codec::Codec;
use super::error::{Fault, Written};
use super::scratch;
use super::temporal::ClockForm;

const NANOSECONDS: Codec = Codec::Timestamp(ClockForm::Nanos);
const BAD: Fault = Fault::Malformed("not the text of an array");

/// How an array's elements are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ArrayCodec {
    pub(super) element: Codec,
    /// Byte between elements.
    pub(super) delimiter: u8,
    /// Whether the schema lets elements be null; if not, an array that holds NULL has no form.
    pub(super) nullable: bool,
}

impl ArrayCodec {
    /// Appends an array; one of more than one dimension is an array of arrays.
    pub(super) fn write(&self, text: &[u8], out: &mut Vec<u8>) -> Written {
        let mut rest = without_bounds(text)?;
        let mut depth = 0_usize;
        // Whether a value may come next (after one only a delimiter or the end may), and whether a brace was last.
        let mut open = true;
        let mut empty = false;
        let mut lost = None;
        while let [b, tail @ ..] = rest {
            match *b {
                b'{' if open => {
                    depth += 1;
                    empty = true;
                    out.push(b'[');
                    rest = tail;
                }
                b'}' if depth > 0 && (empty || !open) => {
                    depth -= 1;
                    empty = false;
                    out.push(b']');
                    open = false;
                    rest = tail;
                    if depth == 0 {
                        break;
                    }
                }
                b if b == self.delimiter && !open => {
                    out.push(b',');
                    open = true;
                    empty = false;
                    rest = tail;
                }
                b'"' if open && depth > 0 => {
                    rest = self.write_quoted(tail, out, &mut lost)?;
                    open = false;
                }
                _ if open && depth > 0 => {
                    rest = self.write_bare(rest, out, &mut lost)?;
                    open = false;
                }
                _ => return Err(BAD),
            }
        }
        if depth != 0 || !rest.is_empty() || open {
            return Err(BAD);
        }
        lost.map_or(Ok(()), |reason| Err(Fault::LostElement(reason)))
    }

    /// Appends an element; one that nanoseconds cannot hold is null, and alone so, as in Debezium.
    fn write_element(&self, text: &[u8], out: &mut Vec<u8>, lost: &mut Option<&'static str>) -> Written {
        let start = out.len();
        match self.element.write(text, out) {
            Err(Fault::Lost(reason)) if self.nullable && self.element == NANOSECONDS => {
                out.truncate(start);
                out.extend_from_slice(b"null");
                *lost = Some(reason);
                Ok(())
            }
            written => written,
        }
    }

    fn write_bare<'t>(
        &self,
        text: &'t [u8],
        out: &mut Vec<u8>,
        lost: &mut Option<&'static str>,
    ) -> Result<&'t [u8], Fault> {
        let end = text
            .iter()
            .position(|b| *b == self.delimiter || *b == b'}')
            .ok_or(BAD)?;
        let (element, rest) = text.split_at_checked(end).ok_or(BAD)?;
        match element {
            [] => return Err(BAD),
            b"NULL" if self.nullable => out.extend_from_slice(b"null"),
            b"NULL" => return Err(Fault::Lost("the array's elements cannot be null")),
            _ if element.contains(&b'\\') => self.write_unescaped(element, out)?,
            _ => self.write_element(element, out, lost)?,
        }
        Ok(rest)
    }

    fn write_quoted<'t>(
        &self,
        text: &'t [u8],
        out: &mut Vec<u8>,
        lost: &mut Option<&'static str>,
    ) -> Result<&'t [u8], Fault> {
        let mut end = 0;
        let mut escaped = false;
        loop {
            match text
                .get(end..)
                .and_then(|t| memchr::memchr2(b'"', b'\\', t))
                .map(|i| end + i)
            {
                Some(i) if text.get(i) == Some(&b'\\') => {
                    escaped = true;
                    end = i + 2;
                }
                Some(i) => {
                    end = i;
                    break;
                }
                None => return Err(BAD),
            }
        }
        let (element, rest) = text.split_at_checked(end).ok_or(BAD)?;
        if escaped {
            self.write_unescaped(element, out)?;
        } else {
            self.write_element(element, out, lost)?;
        }
        rest.get(1..).ok_or(BAD)
    }

    fn write_unescaped(&self, element: &[u8], out: &mut Vec<u8>) -> Written {
        scratch::with_bytes(|plain| {
            let mut rest = element;
            while let Some(i) = memchr::memchr(b'\\', rest) {
                let (run, tail) = rest.split_at_checked(i).ok_or(BAD)?;
                plain.extend_from_slice(run);
                plain.push(*tail.get(1).ok_or(BAD)?);
                rest = tail.get(2..).unwrap_or_default();
            }
            plain.extend_from_slice(rest);
            self.element.write(plain, out)
        })
    }
}

/// Skips the bounds that an array with other than the default lower bounds begins with: `[0:1]={…}`.
fn without_bounds(text: &[u8]) -> Result<&[u8], Fault> {
    if text.first() != Some(&b'[') {
        return Ok(text);
    }
    let end = memchr::memchr(b'=', text).ok_or(BAD)?;
    text.get(end + 1..).ok_or(BAD)
}
