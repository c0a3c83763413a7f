//! How a bucket is reached, with which credentials, and how hard it is asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use object_store::aws::AmazonS3ConfigKey;

use crate::bucket::connection::endpoint::{Endpoint, Proxy};
use crate::error::{Error, Result};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The keys that requests are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Names the secret one; not a secret itself.
    pub access_key_id: String,
    /// The secret one.
    pub secret_access_key: Secret,
    /// What belongs to keys that expire.
    pub session_token: Option<Secret>,
}

/// The files that profiles are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFiles {
    /// The one with keys, usually `~/.aws/credentials`.
    pub credentials: PathBuf,
    /// The one with settings, usually `~/.aws/config`.
    pub config: PathBuf,
}

/// A key of 32 bytes that the service encrypts with and does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerKey(Secret);

impl CustomerKey {
    /// Takes a key as base64.
    ///
    /// # Errors
    /// `invalid-argument` when it is not 32 bytes in base64, without repeating it.
    pub fn from_base64(text: &str) -> Result<Self> {
        let text = text.trim();
        let size = match BASE64_STANDARD.decode(text) {
            Ok(key) if key.len() == 32 => return Ok(Self(Secret::new(text))),
            Ok(key) => format!("has {} bytes", key.len()),
            Err(_) => "is not base64".to_owned(),
        };
        Err(Error::invalid(format!(
            "the customer key {size}; give 32 bytes in base64, as `openssl rand -base64 32` makes them"
        )))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// How the service encrypts what it stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sse {
    /// As the bucket says.
    #[default]
    None,
    /// With a key of the service for all.
    Aes256,
    /// With a key of the key service.
    Kms {
        /// Which one; without, the one of the account.
        key_id: Option<String>,
    },
    /// With a key that comes with each request. Who loses it loses what is stored.
    CustomerKey(CustomerKey),
}

/// How a bucket is reached.
///
/// The default knows nothing of the environment and of files; [`BucketOptions::from_environment`] takes
/// both as other programs do. Endpoint, region, path style, keys, profile, encryption and checksums are of
/// `s3://` only: for `gs://` and `az://` the variables `GOOGLE_*` and `AZURE_*` say the same. What `Debug`
/// shows has no secrets.
#[derive(Clone)]
pub struct BucketOptions {
    /// Where the service answers; without, Amazon's of the region.
    pub endpoint: Option<Endpoint>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// Whether the bucket is named in the path and not in the host. Without, it is where an endpoint is
    /// given, and where a bucket has a dot in its name, which no certificate covers.
    pub path_style: Option<bool>,
    /// Whether requests may go unencrypted.
    pub allow_http: bool,
    /// The proxy of all requests but those for credentials of this machine. Without, HTTPS_PROXY and
    /// NO_PROXY.
    pub proxy: Option<Proxy>,
    /// The hosts that are not asked through [`proxy`](Self::proxy), as in NO_PROXY.
    pub no_proxy: Option<String>,
    /// Certificates that are trusted besides those of the system, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether requests are not signed, which public buckets allow.
    pub anonymous: bool,
    /// Keys that go before all other credentials.
    pub keys: Option<Keys>,
    /// Which profile is meant; without, the one called `default`, if there is one.
    pub profile: Option<String>,
    /// Where profiles are; without, there are none.
    pub profile_files: Option<ProfileFiles>,
    /// How the service encrypts.
    pub sse: Sse,
    /// Whether each body goes with its SHA-256, so that the service can tell when it was damaged on the way.
    /// Off for old services that refuse it.
    pub checksum: bool,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take with its answer.
    pub request_timeout: Duration,
    /// How long a request that fails is made again.
    pub retry_timeout: Duration,
    /// Most requests at the same time.
    pub requests_in_flight: usize,
    /// Most requests a second; none for no such limit.
    pub requests_per_second: Option<u32>,
    /// How long a lock holds when its owner is not heard of.
    pub lease: Duration,
    /// Whether the keys were found in the environment and not given.
    pub(crate) are_keys_ambient: bool,
    /// Whether this machine is not asked for the credentials of its role.
    pub(crate) is_instance_off: bool,
    /// Settings that the library below knows and this one has no name for.
    pub(crate) passed_on: Vec<(AmazonS3ConfigKey, String)>,
}

impl Default for BucketOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            path_style: None,
            allow_http: false,
            proxy: None,
            no_proxy: None,
            ca_file: None,
            anonymous: false,
            keys: None,
            profile: None,
            profile_files: None,
            sse: Sse::None,
            checksum: true,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            retry_timeout: Duration::from_secs(60),
            requests_in_flight: 64,
            requests_per_second: None,
            lease: Duration::from_secs(10),
            are_keys_ambient: false,
            is_instance_off: false,
            passed_on: Vec::new(),
        }
    }
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nobody looked at the values.
        let passed_on: Vec<&str> = self.passed_on.iter().map(|(key, _)| key.as_ref()).collect();
        f.debug_struct("BucketOptions")
            .field("endpoint", &self.endpoint.as_ref().map(ToString::to_string))
            .field("region", &self.region)
            .field("path_style", &self.path_style)
            .field("allow_http", &self.allow_http)
            .field("proxy", &self.proxy)
            .field("no_proxy", &self.no_proxy)
            .field("ca_file", &self.ca_file)
            .field("anonymous", &self.anonymous)
            .field("keys", &self.keys)
            .field("profile", &self.profile)
            .field("profile_files", &self.profile_files)
            .field("sse", &self.sse)
            .field("checksum", &self.checksum)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("retry_timeout", &self.retry_timeout)
            .field("requests_in_flight", &self.requests_in_flight)
            .field("requests_per_second", &self.requests_per_second)
            .field("lease", &self.lease)
            .field("passed_on", &passed_on)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let options = BucketOptions::default();
        assert!(options.checksum && !options.allow_http && !options.anonymous);
        assert_eq!(options.connect_timeout, Duration::from_secs(5));
        assert_eq!(options.request_timeout, Duration::from_secs(30));
        assert_eq!(options.retry_timeout, Duration::from_secs(60));
        assert_eq!(options.lease, Duration::from_secs(10));
        assert_eq!(
            (options.requests_in_flight, options.requests_per_second),
            (64, None)
        );
    }

    #[test]
    fn a_customer_key_has_32_bytes() {
        let key = BASE64_STANDARD.encode([7; 32]);
        assert_eq!(
            CustomerKey::from_base64(&format!("{key}\n"))
                .unwrap()
                .expose(),
            key
        );
        for (wrong, why) in [
            ("hunter2!", "not base64"),
            ("aHVudGVyMg==", "7 bytes"),
            ("", "0 bytes"),
        ] {
            let error = CustomerKey::from_base64(wrong).expect_err(wrong);
            assert!(error.message().contains(why), "{error}");
            assert!(
                wrong.is_empty() || !error.message().contains(wrong),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = BASE64_STANDARD.encode([7; 32]);
        let options = BucketOptions {
            proxy: Some(Proxy::parse("http://me:hunter1@proxy").unwrap()),
            keys: Some(Keys {
                access_key_id: "AKIA".to_owned(),
                secret_access_key: Secret::new("hunter2"),
                session_token: Some(Secret::new("hunter3")),
            }),
            sse: Sse::CustomerKey(CustomerKey::from_base64(&key).unwrap()),
            passed_on: vec![(
                AmazonS3ConfigKey::ContainerCredentialsFullUri,
                "hunter4".to_owned(),
            )],
            ..BucketOptions::default()
        };
        for shown in [format!("{options:?}"), format!("{options:#?}")] {
            assert!(
                !shown.contains("hunter") && !shown.contains(&key),
                "{shown}"
            );
            assert!(shown.contains("AKIA") && shown.contains("***"), "{shown}");
        }
    }
}
