//! What stands in the place of signatures in a build without the feature `aws`: nothing ever has one.

use std::future::Ready;

use bytes::Bytes;
use cdc_core::Error;
use reqwest::Request;

use crate::config::AwsConfig;

/// No value of it exists: the configuration's checks have refused `index.auth.aws`.
#[derive(Debug)]
pub(crate) enum Signer {}

impl Signer {
    pub(crate) fn new(_: &AwsConfig) -> Option<Self> {
        None
    }

    pub(crate) fn sign(&self, _: &mut Request, _: &Bytes) -> Ready<Result<(), Error>> {
        match *self {}
    }
}
