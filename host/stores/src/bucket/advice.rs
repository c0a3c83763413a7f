//! A request that failed, told to people: what was tried, what the service said, and what to do.
//!
//! The error of the library below is not kept as a cause: its text has the body of the answer in it, and
//! that may have a session token.

use crate::bucket::answer::{self, Broken, code, status};
use crate::error::{Error, ErrorKind};

/// The error for a caller who wanted to `action` (such as `read`) `what` (such as a key).
#[must_use]
pub(super) fn told(action: &str, what: &str, error: object_store::Error) -> Error {
    let tried = format!("cannot {action} {what}");
    if let Some(own) = answer::own(&error) {
        return own.clone().at(tried);
    }
    let code = code(&error);
    let reason = code
        .as_deref()
        .and_then(|code| by_code(code, &error))
        .or_else(|| by_status(&error))
        .or_else(|| by_transport(&error))
        .unwrap_or_else(|| by_type(&error));
    let (kind, reason) = reason;
    let said = match (code, answer::message(&error)) {
        (Some(code), Some(message)) => format!(" ({code}: {message})"),
        (Some(code), None) => format!(" ({code})"),
        (None, Some(message)) => format!(" ({message})"),
        (None, None) => String::new(),
    };
    // The advice stands behind what the service said.
    let text = match reason.split_once("; ") {
        Some((reason, advice)) => format!("{tried}: {reason}{said}; {advice}"),
        None => format!("{tried}: {reason}{said}"),
    };
    Error::new(kind, text)
}

/// A kind, and a text of the form `reason; advice`.
type Reason = (ErrorKind, String);

fn io(text: impl Into<String>) -> Option<Reason> {
    Some((ErrorKind::Io, text.into()))
}

fn by_code(code: &str, error: &object_store::Error) -> Option<Reason> {
    match code {
        "NoSuchBucket" | "ContainerNotFound" => {
            let name = answer::name(error, "BucketName", "\0");
            let name = name.map(|name| format!(" {name}")).unwrap_or_default();
            let text = format!("bucket{name} does not exist; create it, or correct the address");
            Some((ErrorKind::NotFound, text))
        }
        "AccessDenied" | "AllAccessDisabled" => Some(denied(error)),
        "InvalidAccessKeyId" => io(
            "the service does not know the access key; check AWS_ACCESS_KEY_ID or the profile, and that the \
             endpoint is that of the service which gave the key",
        ),
        "SignatureDoesNotMatch" | "AuthenticationFailed" => io(
            "the signature is wrong; check the secret key, that no proxy changes the request, and the clock of \
             this machine",
        ),
        "InvalidToken"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        | "InvalidIdentityToken"
        | "RequestExpired" => io(
            "the credentials have expired or are not valid; renew them, and have them renewed by themselves \
             with `credential_process` in the profile",
        ),
        "RequestTimeTooSkewed" => io(
            "the clock of this machine is off from that of the service; set it (NTP), then retry",
        ),
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "IncorrectEndpoint" => Some(elsewhere(error)),
        "SlowDown"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "ServerBusy"
        | "Throttling"
        | "ThrottlingException"
        | "BandwidthLimitExceeded" => Some(throttled()),
        "QuotaExceeded" | "XMinioStorageFull" => Some((
            ErrorKind::ResourceExhausted,
            "the bucket is full; free space or raise its quota, then retry".to_owned(),
        )),
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" => io(
            "what arrived is not what was sent; retry, look for a proxy that changes bodies, and for an old \
             service set the option `checksum` to false",
        ),
        "NotImplemented" => io(
            "the service does not do that; for an old service set the option `checksum` to false",
        ),
        _ if code.starts_with("KMS.") => io(
            "the key that encrypts cannot be used; check `sse-kms-key-id`, that the key is enabled, and that \
             the credentials may use it (kms:GenerateDataKey, kms:Decrypt)",
        ),
        _ => None,
    }
}

fn by_status(error: &object_store::Error) -> Option<Reason> {
    if answer::is_bare_redirect(error) {
        return Some(elsewhere(error));
    }
    let status = status(error)?;
    if answer::is_about_metadata(error) || answer::is_about_token(error) {
        return Some((
            ErrorKind::Io,
            no_credentials(&format!("answered {status}"), error),
        ));
    }
    Some(match status {
        304 => return None,
        300..=399 => elsewhere(error),
        401 | 403 => denied(error),
        // Of a swap: somebody has removed what was to be replaced.
        404 if matches!(error, object_store::Error::Precondition { .. }) => {
            (ErrorKind::Conflict, "it does not exist any more".to_owned())
        }
        404 => (ErrorKind::NotFound, "it does not exist".to_owned()),
        409 => (
            ErrorKind::Conflict,
            "another request changes the same".to_owned(),
        ),
        412 if matches!(error, object_store::Error::AlreadyExists { .. }) => {
            (ErrorKind::Conflict, "it exists".to_owned())
        }
        412 => (ErrorKind::Conflict, "it is not as it was".to_owned()),
        411 => (
            ErrorKind::Io,
            "the service wants a length that the request does not have; use another service"
                .to_owned(),
        ),
        416 => (ErrorKind::Io, "the object has no such bytes".to_owned()),
        429 | 503 => throttled(),
        507 => (
            ErrorKind::Io,
            "the service has no space left; free some, then retry".to_owned(),
        ),
        500..=599 => {
            let text =
                format!("the service failed with status {status}; retry, and look into its log");
            (ErrorKind::Io, text)
        }
        _ => (
            ErrorKind::Io,
            format!("the service refused it with status {status}"),
        ),
    })
}

/// Says which action must be allowed.
fn denied(error: &object_store::Error) -> Reason {
    let action = match answer::method(error) {
        Some((_, true)) => "s3:ListBucket",
        Some((method, false)) => match method.as_str() {
            "GET" | "HEAD" => "s3:GetObject, and s3:ListBucket to tell what does not exist",
            "DELETE" => "s3:DeleteObject",
            "PUT" | "POST" => "s3:PutObject",
            _ => "it",
        },
        None => "it",
    };
    let text = format!(
        "the service does not allow it; check that the credentials are the right ones, and that the policies of \
         the user and the bucket allow {action}"
    );
    (ErrorKind::Io, text)
}

fn elsewhere(error: &object_store::Error) -> Reason {
    let text = match answer::name(error, "Region", "expecting") {
        Some(region) => {
            format!("the bucket is in region {region}; set the option `region` (or AWS_REGION) to {region}")
        }
        None => "the bucket is in another region or behind another endpoint; set the option `region` (or \
                 AWS_REGION) to its region, and check `endpoint`"
            .to_owned(),
    };
    (ErrorKind::Io, text)
}

fn throttled() -> Reason {
    let text = "the service is overloaded and asks for fewer requests; retry later, or set lower limits with the \
                options `requests-per-second` and `requests-in-flight`";
    (ErrorKind::Io, text.to_owned())
}

/// The text where this machine, or a service for tokens, gave no credentials.
fn no_credentials(what: &str, error: &object_store::Error) -> String {
    if answer::is_about_token(error) {
        return format!(
            "the service that gives credentials for a token {what}; check AWS_ROLE_ARN and \
             AWS_WEB_IDENTITY_TOKEN_FILE, and that the role trusts the token"
        );
    }
    format!(
        "no credentials were found: none are set, and this machine has no role that it could be asked for \
         ({what}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or set the option `anonymous` \
         for a public bucket"
    )
}

fn by_transport(error: &object_store::Error) -> Option<Reason> {
    let (broken, all) = answer::broken(error)?;
    if answer::is_about_metadata(error) {
        let what = match broken {
            Broken::Unreadable => "its answer cannot be read",
            _ => "it does not answer",
        };
        return io(no_credentials(what, error));
    }
    let origin = answer::origin(error);
    let service = match &origin {
        _ if answer::is_about_token(error) => "the service that gives credentials for a token",
        Some(origin) => origin.as_str(),
        None => "the service",
    };
    io(unreached(broken, service, &all.to_ascii_lowercase()))
}

/// Why a service did not answer, from how far the request came and from what was said of it in small letters.
fn unreached(broken: Broken, service: &str, said: &str) -> String {
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    match broken {
        _ if has(&["dns error", "failed to lookup"]) => {
            format!(
                "the name of {service} is not known; check the endpoint or region, and the network"
            )
        }
        _ if answer::is_about_certificate(said) => of_certificate(service, said),
        _ if has(&[
            "corrupt message",
            "invalidcontenttype",
            "received fatal alert",
        ]) =>
        {
            format!(
                "{service} does not speak https as this program does; check the port and the scheme of the endpoint"
            )
        }
        Broken::Connect if has(&["proxy", "tunnel"]) => {
            format!(
                "the proxy does not connect to {service}; check the option `proxy` and HTTPS_PROXY"
            )
        }
        Broken::Connect if has(&["connection refused"]) => {
            format!(
                "{service} refuses connections; check that it runs, and the endpoint and its port"
            )
        }
        Broken::Connect => {
            format!("no connection to {service}; check the endpoint and the network")
        }
        Broken::ConnectTimeout => format!(
            "no connection to {service} in time; check the endpoint and the network, or set the option \
             `connect-timeout` higher"
        ),
        Broken::Timeout => {
            format!(
                "no answer of {service} in time; retry, or set the option `request-timeout` higher"
            )
        }
        Broken::Unreadable => {
            format!(
                "the answer of {service} cannot be read; check that the endpoint is that of an object store"
            )
        }
        Broken::Connection => format!("the connection to {service} broke; retry"),
    }
}

fn of_certificate(service: &str, said: &str) -> String {
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if has(&["expired", "not valid yet", "notvalidyet"]) {
        return format!(
            "the certificate of {service} is not valid at this time; check the clock of this machine, or have \
             the certificate renewed"
        );
    }
    if has(&["not valid for name", "notvalidforname"]) {
        return format!(
            "the certificate of {service} is for another name; write the endpoint with a name that is in it"
        );
    }
    format!(
        "the certificate of {service} is not trusted; give that of its authority with the option `ca-file` (or \
         AWS_CA_BUNDLE)"
    )
}

/// What has neither an answer nor a broken connection, such as what a store in memory says.
fn by_type(error: &object_store::Error) -> Reason {
    use object_store::Error as Store;
    let (kind, text) = match error {
        Store::NotFound { .. } => (ErrorKind::NotFound, "it does not exist"),
        Store::AlreadyExists { .. } => (ErrorKind::Conflict, "it exists"),
        Store::Precondition { .. } => (ErrorKind::Conflict, "it is not as it was"),
        Store::NotModified { .. } => (ErrorKind::Conflict, "it is as it was"),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => return denied(error),
        Store::NotSupported { .. } | Store::NotImplemented { .. } => {
            (ErrorKind::Io, "the service does not do that")
        }
        Store::JoinError { .. } => (ErrorKind::Io, "the request was stopped"),
        _ if code(error).is_some() => (ErrorKind::Io, "the service failed"),
        // What stands behind the first words may be of the answer.
        _ => {
            let text = answer::text(error);
            let said = answer::short(text.split(": ").next().unwrap_or_default());
            let text = match said.contains(['<', '{', '"']) {
                true => "the request failed".to_owned(),
                false => format!("the request failed: {said}"),
            };
            return (
                ErrorKind::Io,
                format!("{text}; check that the endpoint is that of an object store"),
            );
        }
    };
    (kind, text.to_owned())
}

#[cfg(test)]
mod tests;
