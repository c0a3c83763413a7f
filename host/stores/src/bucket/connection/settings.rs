//! Options by their names, as a command line and the environment give them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use object_store::aws::AmazonS3ConfigKey;

use crate::bucket::connection::endpoint::{Endpoint, Proxy};
use crate::bucket::connection::options::{
    BucketOptions, CustomerKey, Keys, ProfileFiles, Secret, Sse,
};
use crate::error::{Error, ErrorKind, Result};

/// The names of options, each with the variables of others that say the same, the strongest first. The
/// variable `SIDX_S3_` with the name in capitals goes before them.
const NAMES: [(&str, &[&str]); 18] = [
    ("endpoint", &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
    ("region", &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    ("path-style", &["AWS_S3_FORCE_PATH_STYLE"]),
    ("allow-http", &["AWS_ALLOW_HTTP"]),
    ("proxy", &[]),
    ("ca-file", &["AWS_CA_BUNDLE"]),
    ("anonymous", &["AWS_SKIP_SIGNATURE"]),
    ("profile", &["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]),
    ("sse", &["AWS_SERVER_SIDE_ENCRYPTION"]),
    ("sse-kms-key-id", &["AWS_SSE_KMS_KEY_ID"]),
    ("sse-customer-key-file", &[]),
    ("checksum", &[]),
    ("connect-timeout", &[]),
    ("request-timeout", &[]),
    ("retry-timeout", &[]),
    ("requests-in-flight", &[]),
    ("requests-per-second", &[]),
    ("lease", &[]),
];

/// Variables that the library below takes as they are.
const PASSED_ON: [&str; 12] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_IMDSV1_FALLBACK",
    "AWS_REQUEST_PAYER",
    "AWS_S3_EXPRESS",
    "AWS_SSE_BUCKET_KEY_ENABLED",
];

/// Shorter ones would be lost to a pause of the machine.
const LEAST_LEASE: Duration = Duration::from_secs(1);

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl BucketOptions {
    /// The options that the environment of this process gives: the `AWS_*` variables of other programs, and
    /// `SIDX_S3_*` with the names of [`set`](Self::set).
    ///
    /// # Errors
    /// Those of [`set`](Self::set), and `invalid-argument` for one half of a pair of keys.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// The same for any environment. An empty variable is one that is not there.
    ///
    /// # Errors
    /// Those of [`from_environment`](Self::from_environment).
    pub fn from_variables(variables: Variables<'_>) -> Result<Self> {
        let variables = &|name: &str| variables(name).filter(|value| !value.is_empty());
        let mut options = Self {
            no_proxy: variables("NO_PROXY").or_else(|| variables("no_proxy")),
            profile_files: profile_files(variables),
            ..Self::default()
        };
        if let Some(value) = variables("AWS_VIRTUAL_HOSTED_STYLE_REQUEST") {
            let is_virtual = truth("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", &value)?;
            options.path_style = Some(!is_virtual);
        }
        if let Some(value) = variables("AWS_EC2_METADATA_DISABLED") {
            options.is_instance_off = truth("AWS_EC2_METADATA_DISABLED", &value)?;
        }
        for (name, others) in NAMES {
            let own = format!("SIDX_S3_{}", name.to_uppercase().replace('-', "_"));
            let mut all = std::iter::once(own.as_str()).chain(others.iter().copied());
            let Some((variable, value)) = all.find_map(|it| Some((it, variables(it)?))) else {
                continue;
            };
            // What a customer's key is for is said by the key.
            if name == "sse" && value == "sse-c" {
                continue;
            }
            options
                .set(name, &value)
                .map_err(|error| error.at(variable))?;
        }
        if let Some(key) = variables("AWS_SSE_CUSTOMER_KEY_BASE64") {
            let key = CustomerKey::from_base64(&key);
            options.sse =
                Sse::CustomerKey(key.map_err(|error| error.at("AWS_SSE_CUSTOMER_KEY_BASE64"))?);
        }
        options.keys = keys(variables)?;
        options.are_keys_ambient = options.keys.is_some();
        for name in PASSED_ON {
            let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
            if let (Ok(key), Some(value)) = (key, variables(name)) {
                options.passed_on.push((key, value));
            }
        }
        Ok(options)
    }

    /// Sets an option by its name. Times are a number with `ms`, `s` or `m`, or of seconds without. `none`
    /// is no encryption and no limit. A profile goes before keys that were found in the environment. Of two
    /// ways to encrypt the last one holds.
    ///
    /// # Errors
    /// `invalid-argument` for an unknown name and for a value that does not fit; `not-found` and `io` for a
    /// file with a key that cannot be read.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let value = value.trim();
        if value.is_empty() {
            return Err(Error::invalid(format!(
                "option `{name}` has no value; give one or leave it out"
            )));
        }
        match name {
            "endpoint" => self.endpoint = Some(Endpoint::parse(value)?),
            "region" => self.region = Some(region(value)?),
            "path-style" => self.path_style = Some(truth(name, value)?),
            "allow-http" => self.allow_http = truth(name, value)?,
            "proxy" => self.proxy = Some(Proxy::parse(value)?),
            "ca-file" => self.ca_file = Some(PathBuf::from(value)),
            "anonymous" => self.anonymous = truth(name, value)?,
            "profile" => self.choose_profile(value),
            "sse" => self.sse = self.encryption(value)?,
            "sse-kms-key-id" => {
                let key_id = Some(value.to_owned());
                self.sse = Sse::Kms { key_id };
            }
            "sse-customer-key-file" => self.sse = Sse::CustomerKey(read_key(Path::new(value))?),
            "checksum" => self.checksum = truth(name, value)?,
            "connect-timeout" => self.connect_timeout = some_time(name, value)?,
            "request-timeout" => self.request_timeout = some_time(name, value)?,
            "retry-timeout" => self.retry_timeout = time(name, value)?,
            "requests-in-flight" => {
                self.requests_in_flight =
                    usize::try_from(count(name, value)?).unwrap_or(usize::MAX);
            }
            "requests-per-second" => {
                self.requests_per_second = match value {
                    "none" => None,
                    _ => Some(count(name, value)?),
                };
            }
            "lease" => self.lease = lease(value)?,
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn choose_profile(&mut self, name: &str) {
        self.profile = Some(name.to_owned());
        if self.are_keys_ambient {
            self.keys = None;
            self.are_keys_ambient = false;
        }
    }

    /// The encryption of a name; a key that was chosen before stays.
    fn encryption(&self, name: &str) -> Result<Sse> {
        match (name, &self.sse) {
            ("none", _) => Ok(Sse::None),
            ("aes256" | "AES256", _) => Ok(Sse::Aes256),
            ("kms" | "aws:kms", Sse::Kms { .. }) => Ok(self.sse.clone()),
            ("kms" | "aws:kms", _) => Ok(Sse::Kms { key_id: None }),
            _ => Err(Error::invalid(
                "option `sse` takes none, aes256 or kms; for a key of your own give `sse-customer-key-file`",
            )),
        }
    }
}

fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(40).collect();
    let all: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    Error::invalid(format!(
        "{shown:?} is no option of a bucket; there are {}",
        all.join(", ")
    ))
}

fn profile_files(variables: Variables<'_>) -> Option<ProfileFiles> {
    let home = variables("HOME").map(PathBuf::from);
    let file = |name: &str, usual: &str| {
        let given = variables(name).map(PathBuf::from);
        given.or_else(|| Some(home.as_ref()?.join(".aws").join(usual)))
    };
    Some(ProfileFiles {
        credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
        config: file("AWS_CONFIG_FILE", "config")?,
    })
}

fn keys(variables: Variables<'_>) -> Result<Option<Keys>> {
    let (id, secret) = (
        variables("AWS_ACCESS_KEY_ID"),
        variables("AWS_SECRET_ACCESS_KEY"),
    );
    let (given, absent) = match (id, secret) {
        (None, None) => return Ok(None),
        (Some(access_key_id), Some(secret)) => {
            return Ok(Some(Keys {
                access_key_id,
                secret_access_key: Secret::new(secret),
                session_token: variables("AWS_SESSION_TOKEN").map(Secret::new),
            }));
        }
        (Some(_), None) => ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (None, Some(_)) => ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    };
    Err(Error::invalid(format!(
        "{given} is set and {absent} is not; set both or none"
    )))
}

fn region(value: &str) -> Result<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if value.len() <= 64 && value.bytes().all(is_name) {
        return Ok(value.to_owned());
    }
    Err(Error::invalid(
        "option `region` takes the name of a region, such as eu-central-1",
    ))
}

fn truth(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(Error::invalid(format!(
            "option `{name}` takes true or false"
        ))),
    }
}

fn count(name: &str, value: &str) -> Result<u32> {
    match value.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(Error::invalid(format!(
            "option `{name}` takes a whole number from 1 on"
        ))),
    }
}

fn time(name: &str, value: &str) -> Result<Duration> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let wrong = || {
        Error::invalid(format!(
            "option `{name}` takes a time such as 500ms, 30s or 2m, of at most a day"
        ))
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit.trim() {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    let time = millis.map(Duration::from_millis).ok_or_else(wrong)?;
    match time <= Duration::from_secs(86_400) {
        true => Ok(time),
        false => Err(wrong()),
    }
}

fn some_time(name: &str, value: &str) -> Result<Duration> {
    match time(name, value)? {
        Duration::ZERO => Err(Error::invalid(format!(
            "option `{name}` takes a time of more than nothing"
        ))),
        time => Ok(time),
    }
}

fn lease(value: &str) -> Result<Duration> {
    let lease = time("lease", value)?;
    match lease >= LEAST_LEASE {
        true => Ok(lease),
        false => Err(Error::invalid("option `lease` takes a time of 1s or more")),
    }
}

fn read_key(path: &Path) -> Result<CustomerKey> {
    let place = path.display();
    let text = fs::read_to_string(path).map_err(|cause| {
        let kind = match cause.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::InvalidData => ErrorKind::InvalidArgument,
            _ => ErrorKind::Io,
        };
        Error::new(
            kind,
            format!("cannot read the customer key in {place}: {cause}"),
        )
    })?;
    CustomerKey::from_base64(&text).map_err(|error| error.at(place))
}

#[cfg(test)]
mod tests;
