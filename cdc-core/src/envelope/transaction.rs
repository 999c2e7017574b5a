//! Transaction metadata: counters of the running transaction, its block in events, its boundaries.

use std::sync::Arc;

use foldhash::HashMap;

use super::event::EventContext;
use super::source::number;
use crate::json;

/// Buckets of a fresh `java.util.HashMap`.
const JAVA_BUCKETS: usize = 16;

/// Counters of the running transaction.
///
/// Debezium lists the tables of a transaction in the order of a Java `HashMap` that lives as long as the process and
/// never shrinks; the order is the same here.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    total: u64,
    collections: Vec<(Arc<str>, u64)>,
    index: HashMap<Arc<str>, usize>,
    buckets: usize,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            total: 0,
            collections: Vec::new(),
            index: HashMap::default(),
            buckets: JAVA_BUCKETS,
        }
    }
}

impl Transaction {
    /// Starts a transaction.
    pub(super) fn begin(&mut self) {
        self.total = 0;
        self.collections.clear();
        self.index.clear();
    }

    /// Counts an event of `collection`.
    pub(super) fn count(&mut self, collection: &Arc<str>) -> Order {
        self.total = self.total.saturating_add(1);
        let at = match self.index.get(collection) {
            Some(at) => *at,
            None => self.enter(collection),
        };
        let in_collection = self.collections.get_mut(at).map_or(1, |(_, n)| {
            *n = n.saturating_add(1);
            *n
        });
        Order {
            total: self.total,
            in_collection,
        }
    }

    fn enter(&mut self, collection: &Arc<str>) -> usize {
        let at = self.collections.len();
        self.collections.push((Arc::clone(collection), 0));
        self.index.insert(Arc::clone(collection), at);
        // A Java map doubles when it is more than three quarters full.
        if self.collections.len() > self.buckets / 4 * 3 {
            self.buckets = self.buckets.saturating_mul(2);
        }
        at
    }

    /// Appends the value of the END boundary.
    pub(super) fn end(&self, c: &EventContext, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"status\":\"END\",\"id\":");
        id(c, out);
        out.extend_from_slice(b",\"event_count\":");
        number(Some(self.total), out);
        out.extend_from_slice(b",\"data_collections\":[");
        let mut order: Vec<_> = self.collections.iter().collect();
        order.sort_by_key(|(name, _)| bucket(name, self.buckets));
        for (i, (name, count)) in order.into_iter().enumerate() {
            out.extend_from_slice(if i == 0 {
                b"{\"data_collection\":"
            } else {
                b",{\"data_collection\":"
            });
            json::write_str(out, name.as_bytes());
            out.extend_from_slice(b",\"event_count\":");
            number(Some(*count), out);
            out.push(b'}');
        }
        out.extend_from_slice(b"],\"ts_ms\":");
        json::write_i64(out, c.commit_us.div_euclid(1000));
        out.push(b'}');
    }
}

/// Where an event stands in its transaction, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    total: u64,
    in_collection: u64,
}

impl Order {
    /// Appends the `transaction` block.
    pub(super) fn write(self, c: &EventContext, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        id(c, out);
        out.extend_from_slice(b",\"total_order\":");
        number(Some(self.total), out);
        out.extend_from_slice(b",\"data_collection_order\":");
        number(Some(self.in_collection), out);
        out.push(b'}');
    }
}

/// Appends the value of the BEGIN boundary.
pub(super) fn begin(c: &EventContext, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"status\":\"BEGIN\",\"id\":");
    id(c, out);
    out.extend_from_slice(b",\"event_count\":null,\"data_collections\":null,\"ts_ms\":");
    json::write_i64(out, c.commit_us.div_euclid(1000));
    out.push(b'}');
}

/// Appends the key of a boundary.
pub(super) fn key(c: &EventContext, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    id(c, out);
    out.push(b'}');
}

/// `"xid:lsn"`.
fn id(c: &EventContext, out: &mut Vec<u8>) {
    out.push(b'"');
    number(c.xid.map(u64::from), out);
    out.push(b':');
    number(Some(c.lsn.0), out);
    out.push(b'"');
}

/// Bucket of a string in a Java map.
fn bucket(name: &str, buckets: usize) -> usize {
    let hash = name
        .encode_utf16()
        .fold(0_u32, |h, unit| h.wrapping_mul(31).wrapping_add(u32::from(unit)));
    let spread = usize::try_from(hash ^ (hash >> 16)).unwrap_or(usize::MAX);
    spread & buckets.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lsn;

    #[test]
    fn tables_are_listed_in_javas_order() {
        let mut t = Transaction::default();
        t.begin();
        let names: [Arc<str>; 3] = ["public.a".into(), "public.b".into(), "s2.c".into()];
        let [a, b, c] = &names;
        let orders: Vec<_> = [a, b, a, c, b].into_iter().map(|n| t.count(n)).collect();
        assert_eq!(
            orders.last(),
            Some(&Order {
                total: 5,
                in_collection: 2
            })
        );
        let mut out = Vec::new();
        let context = EventContext {
            xid: Some(2146),
            lsn: Lsn(889_872_672),
            commit_us: 1_795_527_897_387_860,
            ..EventContext::default()
        };
        t.end(&context, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"status":"END","id":"2146:889872672","event_count":5,"data_collections":[{"data_collection":"s2.c","event_count":1},{"data_collection":"public.a","event_count":2},{"data_collection":"public.b","event_count":2}],"ts_ms":1795527897387}"#
        );
        t.begin();
        let mut empty = Vec::new();
        t.end(&context, &mut empty);
        assert!(
            String::from_utf8(empty)
                .unwrap()
                .contains(r#""event_count":0,"data_collections":[]"#)
        );
    }

    #[test]
    fn the_map_grows_past_three_quarters() {
        let mut t = Transaction::default();
        for i in 0..12 {
            t.count(&format!("public.t{i}").into());
        }
        assert_eq!(t.buckets, 16);
        t.count(&"public.more".into());
        assert_eq!(t.buckets, 32);
        t.begin();
        assert_eq!(t.buckets, 32, "a cleared Java map keeps its size");
    }
}
