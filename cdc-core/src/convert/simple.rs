//! Connect's StringConverter, ByteArrayConverter and SimpleHeaderConverter.

use super::text::{connect_text, java_text};
use super::{Context, ConvertError, Converter};
use crate::connect::{Kind, Schema};
use crate::record::{SchemaAndValue, Text, Value};

/// Values as their text; null stays null.
#[derive(Clone, Copy, Debug, Default)]
pub struct StringConverter;

impl Converter for StringConverter {
    fn write(
        &mut self,
        _: &Context<'_>,
        data: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        let text = match &data.value {
            Value::String(text) => {
                out.extend_from_slice(text.as_bytes());
                return Ok(true);
            }
            other => java_text(data.schema.as_deref(), other),
        };
        out.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
        Ok(text.is_some())
    }

    fn read(&mut self, _: &Context<'_>, bytes: Option<&[u8]>) -> Result<SchemaAndValue, ConvertError> {
        let value = bytes.map_or(Value::Null, |bytes| Value::String(Text::from_utf8_lossy(bytes)));
        Ok(SchemaAndValue::new(Schema::new(Kind::String).optional(), value))
    }

    fn clone_box(&self) -> Box<dyn Converter> {
        Box::new(*self)
    }
}

/// Bytes as they are; nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByteArrayConverter;

impl Converter for ByteArrayConverter {
    fn write(
        &mut self,
        _: &Context<'_>,
        data: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        let kind = data.schema.as_ref().map(|s| &s.kind);
        if let Some(kind) = kind.filter(|kind| **kind != Kind::Bytes) {
            let text = format!("bytes are wanted and the schema's type is {}", kind.name());
            return Err(ConvertError::new(text));
        }
        match &data.value {
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Null => return Ok(false),
            other => {
                let text = format!("bytes are wanted and the value is {}", other.kind_name());
                return Err(ConvertError::new(text));
            }
        }
        Ok(true)
    }

    fn read(&mut self, _: &Context<'_>, bytes: Option<&[u8]>) -> Result<SchemaAndValue, ConvertError> {
        let value = bytes.map_or(Value::Null, |bytes| Value::Bytes(bytes.into()));
        Ok(SchemaAndValue::new(Schema::new(Kind::Bytes).optional(), value))
    }

    fn clone_box(&self) -> Box<dyn Converter> {
        Box::new(*self)
    }
}

/// Headers as text: strings bare, structures in a form like JSON.
///
/// Reading gives a string, or bytes if it is none; Connect guesses numbers, dates and lists from the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimpleHeaderConverter;

impl Converter for SimpleHeaderConverter {
    fn write(
        &mut self,
        _: &Context<'_>,
        data: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        let text = connect_text(data.schema.as_deref(), &data.value);
        out.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
        Ok(text.is_some())
    }

    fn read(&mut self, _: &Context<'_>, bytes: Option<&[u8]>) -> Result<SchemaAndValue, ConvertError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::null());
        };
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => SchemaAndValue::string(text),
            Err(_) => SchemaAndValue::new(Schema::new(Kind::Bytes), Value::Bytes(bytes.into())),
        })
    }

    fn clone_box(&self) -> Box<dyn Converter> {
        Box::new(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: Context<'_> = Context {
        topic: "t",
        headers: &[],
    };

    #[test]
    fn texts_and_bytes_go_through() {
        let mut out = Vec::new();
        assert!(
            StringConverter
                .write(&CONTEXT, &SchemaAndValue::string("é"), &mut out)
                .unwrap()
        );
        assert!(
            StringConverter
                .write(&CONTEXT, &SchemaAndValue::schemaless(Value::Int64(5)), &mut out)
                .unwrap()
        );
        assert!(
            !StringConverter
                .write(&CONTEXT, &SchemaAndValue::null(), &mut out)
                .unwrap()
        );
        let bytes = SchemaAndValue::schemaless(Value::Bytes([0xff].into()));
        assert!(ByteArrayConverter.write(&CONTEXT, &bytes, &mut out).unwrap());
        assert_eq!(out, b"\xc3\xa95\xff");
        let error = ByteArrayConverter
            .write(&CONTEXT, &SchemaAndValue::string("x"), &mut out)
            .unwrap_err();
        assert!(error.to_string().contains("type is string"));
        assert_eq!(
            StringConverter.read(&CONTEXT, Some(b"x")).unwrap().value,
            Value::String("x".into())
        );
        assert_eq!(
            ByteArrayConverter.read(&CONTEXT, Some(b"x")).unwrap().value,
            Value::Bytes((*b"x").into())
        );
        assert_eq!(
            SimpleHeaderConverter.read(&CONTEXT, Some(b"\xff")).unwrap().value,
            Value::Bytes([0xff].into())
        );
    }
}
