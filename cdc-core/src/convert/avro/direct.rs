//! Values written as Avro one by one, by someone who knows their order: the way of rows that neither transforms touch nor
//! another converter than this one writes.

use std::ops::Range;

use wide::u8x16;

use super::super::json::Cursor;
use super::encode::{short_varint, varint};
use super::schema::{Member, Node, Width};
use super::transcode;
use crate::append::{Append, Few};
use crate::block::{BLOCK, Text, block_at};

/// What stands before each record of a schema in a topic, and how its members are written.
#[derive(Clone, Debug)]
pub struct AvroForm {
    /// The zero byte and the schema's id.
    pub(crate) head: [u8; 5],
    /// Members in order.
    pub(crate) members: Vec<AvroMember>,
}

/// How a member of a record is written.
#[derive(Clone, Debug)]
pub(crate) struct AvroMember {
    /// What stands before its value in the encoder's JSON.
    token: Box<[u8]>,
    node: Node,
    /// Branch of the union that a value other than null takes, if it is a union.
    branch: Option<u8>,
    /// What it is without null.
    shape: Shape,
    /// How null is written, if it may be.
    null: Option<Box<[u8]>>,
    /// Its own members, if it is a record.
    pub(crate) members: Vec<AvroMember>,
}

/// Kinds of values that are written without JSON in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Boolean,
    /// Number between the two, these included.
    Integer(i64, i64),
    String,
    Decimal,
    Other,
}

impl AvroForm {
    /// None if the schema is no record, for which nothing is won.
    pub(super) fn new(head: [u8; 5], node: &Node) -> Option<Self> {
        let Node::Record(members) = node else { return None };
        Some(Self {
            head,
            members: members.iter().map(AvroMember::new).collect(),
        })
    }

    /// Appends the members from `first` on by the encoder's JSON, from the comma before the first one's name to the end
    /// of the record; says where the values of two members of the record `of` among them stand. None if the JSON is not
    /// the encoder's.
    pub(crate) fn rest(
        &self,
        first: usize,
        json: &[u8],
        (of, names): (&str, [&str; 2]),
        out: &mut Vec<u8>,
    ) -> Option<[Range<usize>; 2]> {
        let mut places = [0..0, 0..0];
        let mut json = Cursor::new(json);
        for member in self.members.get(first..)? {
            if !member.is(of) {
                member.take(&mut json, out)?;
                continue;
            }
            json.take(&member.token).then_some(())?;
            member.some(out);
            for inner in &member.members {
                let start = out.len();
                inner.take(&mut json, out)?;
                for (place, name) in places.iter_mut().zip(names) {
                    if inner.is(name) {
                        *place = start..out.len();
                    }
                }
            }
            json.take(b"}").then_some(())?;
        }
        json.take(b"}").then_some(())?;
        json.end().ok()?;
        Some(places)
    }
}

impl AvroMember {
    fn new(member: &Member) -> Self {
        let (branch, inner) = match &member.node {
            Node::Optional { inner, default } => (Some(if default.is_some() { 0 } else { 2 }), &**inner),
            Node::Default(inner, _) => (None, &**inner),
            node => (None, node),
        };
        let shape = match inner {
            Node::Boolean => Shape::Boolean,
            Node::Int(Width::Eight) => Shape::Integer(i8::MIN.into(), i8::MAX.into()),
            Node::Int(Width::Sixteen) => Shape::Integer(i16::MIN.into(), i16::MAX.into()),
            Node::Int(Width::ThirtyTwo) => Shape::Integer(i32::MIN.into(), i32::MAX.into()),
            Node::Long => Shape::Integer(i64::MIN, i64::MAX),
            Node::String => Shape::String,
            Node::Decimal(_) => Shape::Decimal,
            _ => Shape::Other,
        };
        Self {
            token: member.token.clone(),
            node: member.node.clone(),
            branch,
            shape,
            null: null_of(&member.node),
            members: match inner {
                Node::Record(members) => members.iter().map(Self::new).collect(),
                _ => Vec::new(),
            },
        }
    }

    /// Appends null; false if it is not one of its values.
    #[inline]
    pub(crate) fn null<O: Append>(&self, out: &mut O) -> bool {
        let Some(null) = &self.null else { return false };
        out.bytes(null);
        true
    }

    /// Appends what says that a value follows.
    #[inline]
    pub(crate) fn some<O: Append>(&self, out: &mut O) {
        if let Some(branch) = self.branch {
            out.head(&[branch], 1);
        }
    }

    /// Appends a string; false, with something of it appended, if it is another member or the text not UTF-8.
    #[inline(always)]
    pub(crate) fn string<O: Append>(&self, text: Text<'_>, out: &mut O) -> bool {
        self.begin_string(text.len(), out) && copy_utf8(text, out)
    }

    /// Appends what stands before a string of `len` bytes; false, with nothing appended, if it is another member.
    #[inline(always)]
    pub(crate) fn begin_string<O: Append>(&self, len: usize, out: &mut O) -> bool {
        if self.shape != Shape::String {
            return false;
        }
        self.number(i64::try_from(len).unwrap_or(i64::MAX), out);
        true
    }

    /// Appends a number; false, with nothing appended, if it is another member or out of its range.
    #[inline(always)]
    pub(crate) fn integer<O: Append>(&self, n: i64, out: &mut O) -> bool {
        let Shape::Integer(least, most) = self.shape else {
            return false;
        };
        if n < least || n > most {
            return false;
        }
        self.number(n, out);
        true
    }

    /// Appends a number behind what says that a value follows.
    #[inline(always)]
    fn number<O: Append>(&self, n: i64, out: &mut O) {
        if let Some((word, len)) = short_varint(n) {
            return self.word(word, len, out);
        }
        varint(n).behind(self.branch).append(out);
    }

    /// Appends the `len` lowest bytes of a word, at most seven, behind what says that a value follows.
    #[inline(always)]
    fn word<O: Append>(&self, word: u64, len: usize, out: &mut O) {
        let (word, len) = match self.branch {
            Some(branch) => (word << 8 | u64::from(branch), len + 1),
            None => (word, len),
        };
        out.head(&word.to_le_bytes(), len);
    }

    /// Appends a truth value; false, with nothing appended, if it is another member.
    #[inline(always)]
    pub(crate) fn boolean<O: Append>(&self, value: bool, out: &mut O) -> bool {
        if self.shape != Shape::Boolean {
            return false;
        }
        self.word(value.into(), 1, out);
        true
    }

    /// Appends a decimal by its unscaled value; false, with nothing appended, if it is another member.
    #[inline(always)]
    pub(crate) fn decimal<O: Append>(&self, unscaled: i64, out: &mut O) -> bool {
        if self.shape != Shape::Decimal {
            return false;
        }
        let significant = 64 - (unscaled ^ (unscaled >> 63)).leading_zeros();
        let count = significant / 8 + 1;
        let bytes = (unscaled.cast_unsigned() << (64 - 8 * count)).swap_bytes();
        let value = u128::from(bytes) << 8 | u128::from(count << 1);
        let len = 1 + count as usize;
        if len <= 7 {
            #[expect(clippy::cast_possible_truncation, reason = "the rest is zero")]
            self.word(value as u64, len, out);
        } else {
            Few::new(value, len).behind(self.branch).append(out);
        }
        true
    }

    /// Appends a value by its JSON token, as the encoder writes it; false, with nothing appended, if it is not one.
    pub(crate) fn token(&self, token: &[u8], out: &mut Vec<u8>) -> bool {
        transcode::token(&self.node, token, out)
    }

    /// Appends the value that follows the member's name in the encoder's JSON, and goes on behind it.
    fn take(&self, json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Option<()> {
        json.take(&self.token).then_some(())?;
        transcode::value(&self.node, json, out)
    }

    /// Whether it has this name.
    fn is(&self, name: &str) -> bool {
        let (Some(token), quoted) = (self.token.get(2..), name.len()) else {
            return false;
        };
        token.get(..quoted) == Some(name.as_bytes()) && token.get(quoted..) == Some(b"\":")
    }
}

fn null_of(node: &Node) -> Option<Box<[u8]>> {
    let mut out = Vec::new();
    transcode::token(node, b"null", &mut out).then(|| out.into())
}

/// Appends a text; false, with some of it appended, if it is not UTF-8.
#[inline(always)]
fn copy_utf8<O: Append>(text: Text<'_>, out: &mut O) -> bool {
    let len = text.len();
    if len < BLOCK {
        let spare;
        let block = block_at!(text, 0, spare);
        out.head(block, len);
        // Without what follows the text.
        return beyond_ascii(block) & !(u32::MAX << len) == 0 || is_utf8(text.as_bytes());
    }
    let (blocks, rest) = text.as_bytes().as_chunks();
    let mut beyond = 0;
    for block in blocks {
        out.head(block, BLOCK);
        beyond |= beyond_ascii(block);
    }
    // The last bytes are looked at and copied in a whole block, with some of the others a second time.
    if let Some(last) = text.as_bytes().last_chunk() {
        out.last(last, rest.len());
        beyond |= beyond_ascii(last);
    }
    beyond == 0 || is_utf8(text.as_bytes())
}

/// Flags the bytes of a block that are not ASCII: a bit for each, the lowest one for the first.
#[inline(always)]
fn beyond_ascii(block: &[u8; BLOCK]) -> u32 {
    u8x16::new(*block).to_bitmask()
}

/// Whether a text is UTF-8. ASCII before and behind the others, which most of it is, is not looked at byte by byte.
#[inline(never)]
fn is_utf8(text: &[u8]) -> bool {
    let mut others = text.len()..0;
    let mut note = |at: usize, block: &[u8; BLOCK]| {
        let beyond = beyond_ascii(block);
        if beyond != 0 {
            others.start = others.start.min(at + beyond.trailing_zeros() as usize);
            others.end = at + (u32::BITS - beyond.leading_zeros()) as usize;
        }
    };
    let Some(last) = text.last_chunk() else {
        return std::str::from_utf8(text).is_ok();
    };
    for (i, block) in text.as_chunks().0.iter().enumerate() {
        note(i * BLOCK, block);
    }
    note(text.len() - BLOCK, last);
    text.get(others)
        .is_none_or(|others| std::str::from_utf8(others).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn utf8_is_told(text in any::<String>(), cut in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let copied = |text: &[u8]| {
                let mut out = Vec::new();
                copy_utf8(Text::new(text), &mut out).then_some(out)
            };
            let mut broken = text.into_bytes();
            let whole = copied(&broken);
            prop_assert_eq!(whole.as_ref(), Some(&broken));
            broken.insert(cut.index(broken.len() + 1), byte);
            prop_assert_eq!(copied(&broken).is_some(), std::str::from_utf8(&broken).is_ok());
        }
    }
}
