//! A field of the envelope that is added to rows or headers.

use std::sync::Arc;

use super::TransformError;
use super::envelope::optional_basics;
use crate::connect::Schema;
use crate::record::Value;

/// A reference such as `op`, `source.lsn` or `table:new_name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddedField {
    /// Struct of the envelope that holds the field; none for fields of the envelope itself.
    parent: Option<String>,
    field: String,
    /// Name with which it is added.
    pub(super) name: String,
}

/// Index of a field in the envelope: of its struct, if it is in one, and in that.
pub(super) type Place = (Option<usize>, usize);

impl AddedField {
    /// Reads a reference.
    pub(super) fn parse(prefix: &str, reference: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{reference}` is not of the form field, struct.field or struct.field:new_name");
        let (path, new) = match reference.trim().split_once(':') {
            Some((path, new)) if !new.is_empty() && !new.contains(':') => (path, Some(new)),
            Some(_) => return Err(wrong()),
            None => (reference.trim(), None),
        };
        let (parent, field, full) = match path.split_once('.') {
            Some((parent, field)) if !parent.is_empty() && !field.contains('.') => {
                (Some(parent), field, format!("{parent}_{field}"))
            }
            Some(_) => return Err(wrong()),
            None => (parent_of(path), path, path.to_owned()),
        };
        if field.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            parent: parent.map(str::to_owned),
            field: field.to_owned(),
            name: format!("{prefix}{}", new.unwrap_or(&full)),
        })
    }

    /// Whether it is the operation: the one field that tombstones have too.
    pub(super) fn is_operation(&self) -> bool {
        self.field == "op"
    }

    /// Where the field is in envelopes of a schema, and its schema when it is added; none if they do not have it. A field
    /// that is not in its struct is looked for in the envelope itself, where other transforms may have put it.
    pub(super) fn resolve(&self, envelope: &Schema) -> Result<Option<(Place, Arc<Schema>)>, TransformError> {
        if let Some(parent) = &self.parent {
            let missing = || TransformError::new(format!("the envelope has no field {parent}"));
            let (index, parent) = envelope.field(parent).ok_or_else(missing)?;
            if let Some((at, field)) = parent.schema.field(&self.field) {
                return Ok(Some(((Some(index), at), optional_basics(&field.schema))));
            }
        }
        let own = envelope.field(&self.field);
        Ok(own.map(|(at, field)| ((None, at), optional_basics(&field.schema))))
    }

    /// The field's value in an envelope without a schema; null if it is not there.
    pub(super) fn value(&self, envelope: &Value) -> Value {
        let parent = self.parent.as_ref().map(|parent| envelope.entry(parent));
        let found = match parent {
            Some(parent) => parent
                .and_then(|p| p.entry(&self.field))
                .or_else(|| envelope.entry(&self.field)),
            None => envelope.entry(&self.field),
        };
        found.cloned().unwrap_or_default()
    }
}

/// The struct that a field without one is taken from.
fn parent_of(field: &str) -> Option<&'static str> {
    match field {
        "id" | "data_collection_order" | "total_order" => Some("transaction"),
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        _ => Some("source"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_debeziums() {
        let names = |refs: &[&str]| -> Vec<String> {
            refs.iter()
                .map(|r| AddedField::parse("__", r).unwrap().name)
                .collect()
        };
        assert_eq!(
            names(&[
                "op",
                "table",
                "source.lsn",
                "source.ts_ms:sts",
                "transaction.id",
                "id"
            ]),
            [
                "__op",
                "__table",
                "__source_lsn",
                "__sts",
                "__transaction_id",
                "__id"
            ]
        );
        assert!(
            ["", "a.b.c", "a:", "a:b:c", ".x", "x."]
                .iter()
                .all(|r| AddedField::parse("", r).is_err())
        );
    }
}
