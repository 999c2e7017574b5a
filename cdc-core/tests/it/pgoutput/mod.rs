//! pgoutput as real servers send it.

mod captures;
mod streaming;
mod transactions;
