//! Keys to sign with: found where AWS's own tools find them, and renewed before they expire.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use cdc_core::{Error, ErrorKind};
use tokio::sync::Mutex;

use super::connection;
use crate::config::AwsConfig;

/// Keys are renewed this long before they expire: EC2 has new ones at least five minutes before.
const AHEAD: Duration = Duration::from_secs(240);
/// Keys that do not expire are looked up anew after this, so that a changed profile is noticed.
const LASTING: Duration = Duration::from_secs(600);
/// After a renewal that failed the next waits so long, while the old keys still hold.
const PAUSE: Duration = Duration::from_secs(10);

/// What the environment says of who we are.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) region: Option<String>,
    pub(super) keys: Keys,
}

impl Account {
    /// Looks at environment variables, the files `~/.aws/config` and `credentials`, a web identity token, the container's and
    /// the instance's metadata, in this order. Asks for no credentials yet.
    ///
    /// # Errors
    /// When the client for such requests cannot be set up.
    pub(super) async fn load(config: &AwsConfig) -> Result<Self, Error> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(connection::client()?);
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &config.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let sdk = loader.load().await;
        let provider = sdk.credentials_provider().ok_or_else(none_found)?;
        Ok(Self {
            region: sdk.region().map(|r| r.as_ref().to_owned()),
            keys: Keys::new(provider),
        })
    }
}

/// The keys of the moment.
#[derive(Debug)]
pub(super) struct Keys {
    provider: SharedCredentialsProvider,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    renew_at: SystemTime,
}

impl Keys {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self {
            provider,
            held: Mutex::new(None),
        }
    }

    /// The keys that hold at `now`. Whoever comes while they are renewed waits for the new ones.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] when there are none or what is configured is wrong, [`ErrorKind::SinkUnavailable`] when they cannot be
    /// had for the moment.
    pub(super) async fn current(&self, now: SystemTime) -> Result<Credentials, Error> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|h| now < h.renew_at) {
            return Ok(held.credentials.clone());
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                let renew_at = match credentials.expiry() {
                    Some(expiry) => (expiry - AHEAD).max(now),
                    None => now + LASTING,
                };
                *held = Some(Held {
                    credentials: credentials.clone(),
                    renew_at,
                });
                Ok(credentials)
            }
            Err(error) => {
                let lasts = |h: &&mut Held| h.credentials.expiry().is_none_or(|expiry| now < expiry);
                let Some(old) = held.as_mut().filter(lasts) else {
                    return Err(refused(error));
                };
                tracing::warn!(error = %refused(error).chain(), "AWS credentials are not renewed; the old ones still hold");
                old.renew_at = now + PAUSE;
                Ok(old.credentials.clone())
            }
        }
    }
}

fn none_found() -> Error {
    Error::new(ErrorKind::Auth, "index.auth.aws: no AWS credentials are to be found").with_hint(
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, index.auth.aws.profile, or give the instance or pod a role",
    )
}

fn refused(error: CredentialsError) -> Error {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => none_found().with_source(error),
        CredentialsError::InvalidConfiguration(_) => Error::new(
            ErrorKind::Auth,
            "index.auth.aws: what is configured for AWS credentials is wrong",
        )
        .with_source(error)
        .with_hint("correct the environment variables AWS_… and the profile in ~/.aws/config"),
        _ => Error::new(
            ErrorKind::SinkUnavailable,
            "index.auth.aws: AWS credentials cannot be had for the moment",
        )
        .with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::provider::{self, ProvideCredentials, future};

    use super::*;

    /// Gives keys `1`, `2`, … which hold for an hour after `from`; fails while told so.
    #[derive(Clone, Debug)]
    struct Numbered {
        next: Arc<AtomicU32>,
        fails: Arc<AtomicU32>,
        expires: Option<Duration>,
    }

    impl ProvideCredentials for Numbered {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let result: provider::Result = if self.fails.load(Ordering::Relaxed) > 0 {
                Err(CredentialsError::provider_error("down"))
            } else {
                let n = self.next.fetch_add(1, Ordering::Relaxed);
                let expiry = self.expires.map(|after| SystemTime::UNIX_EPOCH + after * (n + 1));
                Ok(Credentials::new(n.to_string(), "secret", None, expiry, "test"))
            };
            future::ProvideCredentials::ready(result)
        }
    }

    fn keys(expires: Option<Duration>) -> (Keys, Numbered) {
        let provider = Numbered {
            next: Arc::default(),
            fails: Arc::default(),
            expires,
        };
        (
            Keys::new(SharedCredentialsProvider::new(provider.clone())),
            provider,
        )
    }

    async fn at(keys: &Keys, second: u64) -> Result<String, ErrorKind> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let found = keys.current(now).await;
        found.map(|c| c.access_key_id().to_owned()).map_err(|e| e.kind())
    }

    #[tokio::test]
    async fn keys_are_renewed_before_they_expire_and_kept_while_that_fails() {
        let (keys, provider) = keys(Some(Duration::from_secs(3600)));
        assert_eq!(at(&keys, 0).await.as_deref(), Ok("0"));
        assert_eq!(at(&keys, 3359).await.as_deref(), Ok("0"));
        provider.fails.store(1, Ordering::Relaxed);
        assert_eq!(
            at(&keys, 3361).await.as_deref(),
            Ok("0"),
            "they hold for four minutes"
        );
        provider.fails.store(0, Ordering::Relaxed);
        assert_eq!(
            at(&keys, 3362).await.as_deref(),
            Ok("0"),
            "not asked at once again"
        );
        assert_eq!(at(&keys, 3372).await.as_deref(), Ok("1"));
        provider.fails.store(1, Ordering::Relaxed);
        assert_eq!(at(&keys, 7201).await, Err(ErrorKind::SinkUnavailable), "expired");
        provider.fails.store(0, Ordering::Relaxed);
        assert_eq!(at(&keys, 7202).await.as_deref(), Ok("2"));
    }

    #[tokio::test]
    async fn keys_without_an_end_are_looked_up_again_after_a_while() {
        let (keys, _) = keys(None);
        for (second, want) in [(0, "0"), (599, "0"), (600, "1"), (601, "1")] {
            assert_eq!(at(&keys, second).await.as_deref(), Ok(want));
        }
    }
}
