//! A row of ten columns to a record: what one event costs to encode, directly, in Avro, and through a transform.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgcdc_benches::rows::{CASES, Case};

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("envelope");
    group.throughput(Throughput::Elements(1));
    for name in CASES {
        let mut case = Case::new(name);
        group.bench_function(name, |b| b.iter(|| case.encode()));
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
