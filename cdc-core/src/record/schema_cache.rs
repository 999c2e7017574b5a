//! What depends on a schema alone, worked out once a schema.

use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::Arc;

use foldhash::HashMap;

use crate::connect::Schema;

/// Schemas remembered. More than that many at once means that somebody makes a new one for each record; starting
/// over then bounds the memory.
const LIMIT: usize = 4096;

/// Results by schema, found by the schema's address.
#[derive(Debug)]
pub struct SchemaCache<T> {
    /// The schema is kept with its result, so that its address stays its own.
    entries: HashMap<usize, (Arc<Schema>, T)>,
}

impl<T> Default for SchemaCache<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
        }
    }
}

/// A clone starts empty: it fills by itself.
impl<T> Clone for SchemaCache<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> SchemaCache<T> {
    /// The result for `schema`, made by `make` the first time.
    pub fn get(&mut self, schema: &Arc<Schema>, make: impl FnOnce(&Arc<Schema>) -> T) -> &mut T {
        let made = |schema: &_| Ok::<_, Infallible>(make(schema));
        match self.try_get(schema, made) {
            Ok(result) => result,
            Err(never) => match never {},
        }
    }

    /// The result for `schema`, made by `make` the first time.
    ///
    /// # Errors
    /// What `make` reports; it is asked again next time.
    pub fn try_get<E>(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce(&Arc<Schema>) -> Result<T, E>,
    ) -> Result<&mut T, E> {
        if self.entries.len() >= LIMIT {
            self.entries.clear();
        }
        match self.entries.entry(Arc::as_ptr(schema).addr()) {
            Entry::Occupied(found) => Ok(&mut found.into_mut().1),
            Entry::Vacant(place) => {
                let made = make(schema)?;
                Ok(&mut place.insert((Arc::clone(schema), made)).1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Kind;

    #[test]
    fn a_result_is_made_once_a_schema_and_memory_is_bounded() {
        let mut cache = SchemaCache::default();
        let (a, b) = (
            Arc::new(Schema::new(Kind::Int32)),
            Arc::new(Schema::new(Kind::Int32)),
        );
        assert_eq!(*cache.get(&a, |_| 1), 1);
        assert_eq!(*cache.get(&b, |_| 2), 2, "equal schemas are not the same one");
        assert_eq!(*cache.get(&a, |_| 3), 1);
        assert_eq!(
            cache.try_get(&Arc::new(Schema::new(Kind::Int8)), |_| Err("x")),
            Err("x")
        );
        for _ in 0..2 * LIMIT {
            cache.get(&Arc::new(Schema::new(Kind::Int32)), |_| 0);
        }
        assert!(cache.entries.len() <= LIMIT);
    }
}
