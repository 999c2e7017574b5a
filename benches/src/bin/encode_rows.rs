//! Encodes one row many times, for a profiler or an instruction counter.
//!
//! `encode_rows CASE ROWS`; without arguments it prints the cases.

use anyhow::{Context as _, Result};
use pgcdc_benches::rows::{CASES, Case};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(case) = arguments.next() else {
        CASES.iter().for_each(|case| println!("{case}"));
        return Ok(());
    };
    let rows: u64 = arguments
        .next()
        .context("usage: encode_rows CASE ROWS")?
        .parse()?;
    let mut case = Case::new(&case);
    for _ in 0..rows {
        case.encode();
    }
    Ok(())
}
