//! One schema for all that are equal.

use std::sync::Arc;

use foldhash::HashMap;

use crate::connect::Schema;

/// Schemas remembered, as for [`SchemaCache`](super::SchemaCache).
const LIMIT: usize = 4096;

/// Gives the same shared schema for equal ones, for transforms that infer a schema from each record: what is worked out once a
/// schema then is not worked out once a record.
#[derive(Clone, Debug, Default)]
pub struct SchemaInterner {
    known: HashMap<Box<[u8]>, Arc<Schema>>,
    text: Vec<u8>,
}

impl SchemaInterner {
    /// The schema that stands for all that are equal to this one.
    pub fn intern(&mut self, schema: Schema) -> Arc<Schema> {
        self.text.clear();
        schema.render(None, &mut self.text);
        if let Some(known) = self.known.get(self.text.as_slice()) {
            return Arc::clone(known);
        }
        if self.known.len() >= LIMIT {
            self.known.clear();
        }
        let schema = Arc::new(schema);
        self.known
            .insert(self.text.as_slice().into(), Arc::clone(&schema));
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Kind;

    #[test]
    fn equal_schemas_become_one() {
        let mut interner = SchemaInterner::default();
        let a = interner.intern(Schema::new(Kind::Int32));
        assert!(Arc::ptr_eq(&a, &interner.intern(Schema::new(Kind::Int32))));
        assert!(!Arc::ptr_eq(
            &a,
            &interner.intern(Schema::new(Kind::Int32).optional())
        ));
    }
}
