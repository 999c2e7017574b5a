//! Fields that a header names are dropped: part of ExtractNewRecordState.

use super::TransformError;
use super::reshape::{Projection, Side, take_struct};
use crate::connect::Schema;
use crate::record::{Record, SchemaCache, Text, Value};

/// Drops the fields that a header lists.
#[derive(Clone, Debug)]
pub(super) struct DroppedFields {
    header: String,
    from_key: bool,
    compatible: bool,
    /// By schema and list: records of one kind mostly name the same fields.
    projections: SchemaCache<Vec<(Vec<Text>, Option<Projection>)>>,
}

/// Lists remembered a schema.
const LISTS: usize = 64;

impl DroppedFields {
    pub(super) fn new(header: &str, from_key: bool, compatible: bool) -> Self {
        Self {
            header: header.to_owned(),
            from_key,
            compatible,
            projections: SchemaCache::default(),
        }
    }

    pub(super) fn apply(&mut self, record: &mut Record) -> Result<(), TransformError> {
        let names = match record
            .headers
            .iter()
            .find(|h| h.name == self.header)
            .map(|h| &h.data.value)
        {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .map(Text::from)
                .collect::<Vec<_>>(),
            Some(other) => {
                let text = format!(
                    "the header {} is {}, not a list of fields",
                    self.header,
                    other.kind_name()
                );
                return Err(TransformError::new(text));
            }
        };
        if names.is_empty() {
            return Ok(());
        }
        if self.from_key {
            self.drop(Side::Key, &names, record)?;
        }
        self.drop(Side::Value, &names, record)
    }

    fn drop(&mut self, side: Side, names: &[Text], record: &mut Record) -> Result<(), TransformError> {
        let data = side.of_mut(record);
        if data.value.is_null() {
            return Ok(());
        }
        let Some(schema) = data.schema.clone() else {
            if let Value::Map(entries) = &mut data.value {
                entries.retain(|(key, _)| !key.as_str().is_some_and(|key| names.iter().any(|n| n == key)));
            }
            return Ok(());
        };
        let compatible = self.compatible;
        let lists = self.projections.get(&schema, |_| Vec::new());
        let known = lists.iter().position(|(list, _)| list == names);
        let index = match known {
            Some(index) => index,
            None => {
                if lists.len() >= LISTS {
                    lists.clear();
                }
                lists.push((names.to_vec(), projection(&schema, names, compatible)?));
                lists.len() - 1
            }
        };
        if let Some((_, Some(projection))) = lists.get(index) {
            let members = take_struct(data, side.name())?;
            data.value = Value::Struct(projection.apply(members));
            data.schema = Some(std::sync::Arc::clone(&projection.schema));
        }
        Ok(())
    }
}

/// The struct without the fields; none if it stays as it is.
fn projection(
    schema: &Schema,
    names: &[Text],
    compatible: bool,
) -> Result<Option<Projection>, TransformError> {
    let drops = |name: &str| {
        let named = names.iter().any(|n| n == name);
        named && (!compatible || schema.field(name).is_some_and(|(_, f)| f.schema.optional))
    };
    if !compatible || schema.fields().iter().any(|f| drops(&f.name)) {
        return Projection::new(schema, true, |name| (!drops(name)).then(|| name.to_owned())).map(Some);
    }
    Ok(None)
}
