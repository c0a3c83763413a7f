//! The credentials of a profile, as they are at each request: other programs renew them in the files, or a
//! program of the profile prints new ones before the old expire.

use std::fmt;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::bucket::connection::options::{Keys, ProfileFiles, Secret};
use crate::bucket::connection::profile::{Profile, Source};
use crate::error::{Error, ErrorKind, Result};

/// How long files are taken to be as they were, so that not every request looks at them.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long before they expire credentials are renewed, or when a quarter of their life is left.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// How long after a failure to renew what still holds it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How long a program may take.
const MOST_TIME: Duration = Duration::from_secs(60);

/// Keys, and until when they hold.
struct Found {
    keys: Keys,
    expires: Option<Timestamp>,
}

/// What is known between requests.
struct Known {
    credential: Arc<AwsCredential>,
    files: [Option<Stamp>; 2],
    expires: Option<Timestamp>,
    /// When the files are looked at again.
    look_at: Instant,
    /// When a program is asked again.
    renew_at: Option<Instant>,
}

/// What changes when a file does.
type Stamp = (SystemTime, u64);

/// Gives each request the credentials of a profile.
pub(crate) struct ProfileCredentials {
    files: ProfileFiles,
    name: String,
    known: Mutex<Option<Known>>,
}

impl ProfileCredentials {
    pub(crate) fn new(files: ProfileFiles, name: &str) -> Self {
        Self {
            files,
            name: name.to_owned(),
            known: Mutex::new(None),
        }
    }

    async fn now(&self) -> Result<Arc<AwsCredential>> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        let stamps = || [&self.files.credentials, &self.files.config].map(|file| stamp(file));
        if let Some(known) = known.as_mut() {
            let is_due = known.renew_at.is_some_and(|at| at <= now);
            if !is_due && now < known.look_at {
                return Ok(Arc::clone(&known.credential));
            }
            if !is_due && stamps() == known.files {
                known.look_at = now + LOOK_EVERY;
                return Ok(Arc::clone(&known.credential));
            }
        }
        // Before they are read, so that a change in between is seen next time.
        let files = stamps();
        match self.find().await {
            Ok(found) => {
                let fresh = Known {
                    files,
                    expires: found.expires,
                    look_at: now + LOOK_EVERY,
                    renew_at: found.expires.map(|expires| renewal(now, expires)),
                    credential: Arc::new(credential(&found.keys)),
                };
                let credential = Arc::clone(&fresh.credential);
                *known = Some(fresh);
                Ok(credential)
            }
            Err(error) => match known.as_mut() {
                Some(old) if old.expires.is_none_or(|at| at > Timestamp::now()) => {
                    tracing::warn!(
                        "credentials could not be renewed, the old ones still hold: {error}"
                    );
                    old.look_at = now + RETRY_AFTER;
                    old.renew_at = old.renew_at.map(|_| now + RETRY_AFTER);
                    Ok(Arc::clone(&old.credential))
                }
                _ => Err(error),
            },
        }
    }

    async fn find(&self) -> Result<Found> {
        match Profile::read_named(&self.files, &self.name)?.source()? {
            Source::Keys(keys) => Ok(Found {
                keys,
                expires: None,
            }),
            Source::Process(command) => {
                let run = run(&command, MOST_TIME).await;
                run.map_err(|error| {
                    error.at(format!("credential_process of profile {:?}", self.name))
                })
            }
            Source::None | Source::WebIdentity { .. } => Err(Error::invalid(format!(
                "profile {:?} has no keys any more; give it some, or open the store anew",
                self.name
            ))),
        }
    }
}

impl fmt::Debug for ProfileCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileCredentials")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for ProfileCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.now()
            .await
            .map_err(|error| object_store::Error::Generic {
                store: "credentials",
                source: Box::new(error),
            })
    }
}

/// The form that the library below signs with.
pub(crate) fn credential(keys: &Keys) -> AwsCredential {
    AwsCredential {
        key_id: keys.access_key_id.clone(),
        secret_key: keys.secret_access_key.expose().to_owned(),
        token: keys
            .session_token
            .as_ref()
            .map(|token| token.expose().to_owned()),
    }
}

fn stamp(file: &std::path::Path) -> Option<Stamp> {
    let meta = fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// When credentials that hold until `expires` are renewed.
fn renewal(now: Instant, expires: Timestamp) -> Instant {
    let left = expires.duration_since(Timestamp::now());
    let left = Duration::try_from(left).unwrap_or_default();
    now + left.saturating_sub(RENEW_BEFORE.min(left / 4))
}

/// What a program prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// Runs a program and takes the keys that it prints. Neither its name, which may have a password behind it,
/// nor anything that it says is told.
async fn run(command: &Secret, most: Duration) -> Result<Found> {
    let io = |text: String| Error::new(ErrorKind::Io, text);
    let running = Command::new("sh")
        .arg("-c")
        .arg(command.expose())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(most, running).await {
        Ok(output) => output.map_err(|cause| io(format!("cannot run it: {cause}")))?,
        Err(_) => {
            let seconds = most.as_secs();
            return Err(io(format!(
                "no answer within {seconds} s; run it by hand to see what it waits for"
            )));
        }
    };
    if !output.status.success() {
        let status = output.status;
        return Err(io(format!(
            "it failed with {status}; run it by hand to see why"
        )));
    }
    let unclear = || {
        io("it did not print credentials as JSON (Version, AccessKeyId, SecretAccessKey); run it by hand to \
            see what it prints"
            .to_owned())
    };
    let printed: Printed = serde_json::from_slice(&output.stdout).map_err(|_| unclear())?;
    if printed.version != 1 {
        let version = printed.version;
        return Err(io(format!(
            "it printed credentials of version {version}; only version 1 is known"
        )));
    }
    let expires = printed.expiration.map(|text| text.parse::<Timestamp>());
    let expires = expires.transpose().map_err(|_| unclear())?;
    if expires.is_some_and(|at| at <= Timestamp::now()) {
        return Err(io(
            "it printed credentials that have expired; sign in again".to_owned(),
        ));
    }
    Ok(Found {
        keys: Keys {
            access_key_id: printed.access_key_id,
            secret_access_key: Secret::new(printed.secret_access_key),
            session_token: printed.session_token.map(Secret::new),
        },
        expires,
    })
}

#[cfg(test)]
mod tests;
