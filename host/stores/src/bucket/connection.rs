//! From an address and options to a client that can be asked.
//!
//! The client makes each request once: whoever asks knows what may be asked twice. It shows no secret but in
//! its `Debug`, which has the proxy as it was given: show the address instead.

pub(super) mod address;
mod credentials;
mod customer_key;
pub(super) mod endpoint;
mod listing;
pub(super) mod options;
mod profile;
mod sections;
mod settings;
#[cfg(test)]
pub(super) mod test_service;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, HeaderValue, RetryConfig, StaticCredentialProvider,
};

use super::service::Service;
use crate::bucket::connection::address::{Address, Scheme, check_prefix};
use crate::bucket::connection::credentials::{ProfileCredentials, credential};
use crate::bucket::connection::customer_key::KeyedS3;
use crate::bucket::connection::endpoint::Endpoint;
use crate::bucket::connection::listing::Connector;
use crate::bucket::connection::options::{BucketOptions, Sse};
use crate::bucket::connection::profile::{DEFAULT, Profile, Source};
use crate::error::{Error, ErrorKind, Result};

/// What requests say they are from.
const USER_AGENT: &str = concat!("sidx/", env!("CARGO_PKG_VERSION"));

/// Where a machine of Amazon's is asked for the credentials of its role; no proxy knows that.
const NEVER_BY_PROXY: &str = "169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254";

/// The client of the bucket of an address. Nothing is asked of the service yet; files of profiles and
/// certificates are read. `gs://` and `az://` are untested, which is warned of.
///
/// # Errors
/// `invalid-argument` for options that do not fit together, `not-found` and `io` for files that cannot be
/// read.
pub(super) fn connect(address: &Address, options: &BucketOptions) -> Result<Arc<dyn Service>> {
    // Who has the address from elsewhere than a text may have put anything into it.
    check_prefix(&address.prefix).map_err(|error| error.at(address))?;
    let connected = match address.scheme {
        Scheme::S3 => s3(&address.bucket, options),
        Scheme::Gcs => gcs(&address.bucket, options),
        Scheme::Azure => azure(&address.bucket, options),
    };
    connected.map_err(|error| error.at(address))
}

fn s3(bucket: &str, options: &BucketOptions) -> Result<Arc<dyn Service>> {
    let profile = profile(options)?;
    let profile = profile.as_ref();
    let endpoint = match &options.endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => profile.map(Profile::endpoint).transpose()?.flatten(),
    };
    let region = options
        .region
        .clone()
        .or_else(|| profile.and_then(Profile::region));
    let requests = client(options)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_client_options(requests.clone())
        .with_retry(once(options))
        .with_http_connector(Connector::default())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // The library below panics at an answer to many that names a key which was not asked for.
        .with_disable_bulk_delete(true);
    for (key, value) in &options.passed_on {
        builder = builder.with_config(*key, value);
    }
    builder = located(builder, bucket, endpoint.as_ref(), region, options)?;
    builder = authenticated(builder, profile, options)?;
    if options.checksum {
        builder = builder.with_checksum_algorithm(Checksum::SHA256);
    }
    builder = encrypted(builder, &options.sse).map_err(|cause| refused(&cause, options))?;
    let made = match &options.sse {
        Sse::CustomerKey(key) => {
            KeyedS3::build(builder, requests, key).map(|made| Arc::new(made) as _)
        }
        _ => builder.build().map(|made| Arc::new(made) as _),
    };
    made.map_err(|cause| refused(&cause, options))
}

/// The profile that is meant; none if none is named and there is no default one.
fn profile(options: &BucketOptions) -> Result<Option<Profile>> {
    match (&options.profile_files, &options.profile) {
        (Some(files), Some(name)) => Profile::read_named(files, name).map(Some),
        (Some(files), None) => Profile::read(files, DEFAULT),
        (None, Some(name)) => Err(Error::invalid(format!(
            "profile {name:?} cannot be read, as it is not known where profiles are; set HOME, or \
             AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE"
        ))),
        (None, None) => Ok(None),
    }
}

/// Says where the bucket is.
fn located(
    builder: AmazonS3Builder,
    bucket: &str,
    endpoint: Option<&Endpoint>,
    region: Option<String>,
    options: &BucketOptions,
) -> Result<AmazonS3Builder> {
    // Where there are no regions any name does.
    let region = match (region, endpoint) {
        (Some(region), _) => region,
        (None, Some(_)) => "us-east-1".to_owned(),
        (None, None) => {
            return Err(Error::invalid(
                "neither a region nor an endpoint is given; set the option `region` (or AWS_REGION, or \
                 `region` in the profile) to that of the bucket, or `endpoint` for another service than \
                 Amazon's",
            ));
        }
    };
    let usual = endpoint.is_some() || bucket.contains('.');
    let in_path = options.path_style.unwrap_or(usual);
    let builder = builder
        .with_region(region)
        .with_virtual_hosted_style_request(!in_path);
    let Some(endpoint) = endpoint else {
        return Ok(builder);
    };
    if endpoint.is_plain() && !options.allow_http {
        return Err(Error::invalid(format!(
            "the endpoint {endpoint} is plain http, which anyone on the way can read and change; use https, or \
             allow it with the option `allow-http` (or AWS_ALLOW_HTTP=true)"
        )));
    }
    Ok(match in_path {
        true => builder.with_endpoint(endpoint.to_string()),
        // The library below takes the host as it is then.
        false => builder.with_endpoint(endpoint.of_bucket(bucket)),
    })
}

/// Says whom requests are from: the keys of the options, those of the profile, or what the library below
/// finds.
fn authenticated(
    builder: AmazonS3Builder,
    profile: Option<&Profile>,
    options: &BucketOptions,
) -> Result<AmazonS3Builder> {
    if options.anonymous {
        return Ok(builder.with_skip_signature(true));
    }
    if let Some(keys) = &options.keys {
        let provider = StaticCredentialProvider::new(credential(keys));
        return Ok(builder.with_credentials(Arc::new(provider)));
    }
    match profile.map(Profile::source).transpose()? {
        Some(Source::Keys(_) | Source::Process(_)) => {
            let Some(files) = options.profile_files.clone() else {
                return Ok(builder);
            };
            let name = options.profile.as_deref().unwrap_or(DEFAULT);
            Ok(builder.with_credentials(Arc::new(ProfileCredentials::new(files, name))))
        }
        Some(Source::WebIdentity {
            role_arn,
            token_file,
            session_name,
        }) => {
            let mut builder = builder
                .with_config(AmazonS3ConfigKey::RoleArn, role_arn)
                .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, token_file);
            if let Some(name) = session_name {
                builder = builder.with_config(AmazonS3ConfigKey::RoleSessionName, name);
            }
            Ok(builder)
        }
        Some(Source::None) if options.profile.is_some() => {
            let name = options.profile.as_deref().unwrap_or(DEFAULT);
            Err(Error::invalid(format!(
                "profile {name:?} has no credentials; give it aws_access_key_id and aws_secret_access_key, or \
                 credential_process, or name another one"
            )))
        }
        Some(Source::None) | None if options.is_instance_off && !has_role(options) => {
            Err(Error::invalid(
                "no credentials are given, and AWS_EC2_METADATA_DISABLED forbids asking this machine for \
                 some; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or set the option \
                 `anonymous` for a public bucket",
            ))
        }
        Some(Source::None) | None => Ok(builder),
    }
}

/// Whether there is a role that the library below can take without asking this machine.
fn has_role(options: &BucketOptions) -> bool {
    use AmazonS3ConfigKey as Key;
    let has = |wanted: Key| options.passed_on.iter().any(|(key, _)| *key == wanted);
    (has(Key::RoleArn) && has(Key::WebIdentityTokenFile))
        || has(Key::ContainerCredentialsRelativeUri)
        || (has(Key::ContainerCredentialsFullUri) && has(Key::ContainerAuthorizationTokenFile))
}

fn encrypted(builder: AmazonS3Builder, sse: &Sse) -> object_store::Result<AmazonS3Builder> {
    // The type of these keys has no public name.
    let kind = || "aws_server_side_encryption".parse::<AmazonS3ConfigKey>();
    Ok(match sse {
        Sse::None => builder,
        Sse::Aes256 => builder.with_config(kind()?, "AES256"),
        Sse::Kms { key_id: None } => builder.with_config(kind()?, "aws:kms"),
        Sse::Kms { key_id: Some(id) } => builder.with_sse_kms_encryption(id),
        Sse::CustomerKey(key) => builder.with_ssec_encryption(key.expose()),
    })
}

fn gcs(bucket: &str, options: &BucketOptions) -> Result<Arc<dyn Service>> {
    fit_others(Scheme::Gcs, options)?;
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client(options)?)
        .with_retry(once(options))
        .with_skip_signature(options.anonymous);
    Ok(Arc::new(builder.build().map_err(|_| unclear("GOOGLE"))?))
}

fn azure(container: &str, options: &BucketOptions) -> Result<Arc<dyn Service>> {
    fit_others(Scheme::Azure, options)?;
    let builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(client(options)?)
        .with_retry(once(options))
        .with_skip_signature(options.anonymous);
    Ok(Arc::new(builder.build().map_err(|_| unclear("AZURE"))?))
}

/// What the cause says may have a piece of a key in it.
fn unclear(variables: &str) -> Error {
    Error::invalid(format!(
        "the variables {variables}_* make no client; check the account, the key or the file with credentials, \
         and `ca-file` and `proxy`"
    ))
}

/// Nobody may think that a store is encrypted that is not.
fn fit_others(service: Scheme, options: &BucketOptions) -> Result<()> {
    let scheme = service.scheme();
    if options.sse != Sse::None {
        return Err(Error::invalid(format!(
            "encryption by the service can be chosen for s3:// only, not for {scheme}://; leave out `sse` and \
             AWS_SERVER_SIDE_ENCRYPTION, and set it up for the bucket"
        )));
    }
    tracing::warn!("{scheme}:// stores are untested; use s3:// where what is stored matters");
    Ok(())
}

fn client(options: &BucketOptions) -> Result<ClientOptions> {
    let mut client = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(USER_AGENT))
        .with_allow_http(options.allow_http)
        .with_connect_timeout(options.connect_timeout)
        .with_timeout(options.request_timeout);
    if let Some(proxy) = &options.proxy {
        let others = options.no_proxy.as_ref();
        let excluded = others.map_or(NEVER_BY_PROXY.to_owned(), |others| {
            format!("{others},{NEVER_BY_PROXY}")
        });
        client = client
            .with_proxy_url(proxy.expose())
            .with_proxy_excludes(excluded);
    }
    if let Some(file) = &options.ca_file {
        for certificate in certificates(file)? {
            client = client.with_root_certificate(certificate);
        }
    }
    Ok(client)
}

fn certificates(file: &Path) -> Result<Vec<Certificate>> {
    let place = file.display();
    let bytes = fs::read(file).map_err(|cause| {
        let kind = match cause.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(
            kind,
            format!("cannot read the certificates (`ca-file`) in {place}: {cause}"),
        )
    })?;
    match Certificate::from_pem_bundle(&bytes) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(no_certificate(file)),
    }
}

fn no_certificate(file: &Path) -> Error {
    let place = file.display();
    Error::invalid(format!(
        "{place} (`ca-file`) has no certificate that can be used; give a file in PEM (BEGIN CERTIFICATE) with \
         that of the authority"
    ))
}

/// Each request is made once.
fn once(options: &BucketOptions) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: options.retry_timeout.max(Duration::from_secs(1)),
    }
}

/// A client that could not be made. Of the causes the innermost names the option.
fn refused(cause: &object_store::Error, options: &BucketOptions) -> Error {
    use std::error::Error as _;
    let mut text = String::new();
    let mut next = cause.source();
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    if let (Some(file), true) = (
        &options.ca_file,
        text.contains("certificate") || text.contains("Certificate"),
    ) {
        return no_certificate(file);
    }
    Error::invalid(format!("the options make no client: {text}"))
}

#[cfg(test)]
mod tests;
