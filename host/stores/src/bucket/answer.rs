//! What is known of a request that failed: what the service answered, or how far the request came.
//!
//! The library below tells most of it in texts only, so these are taken apart here, and nowhere else. The
//! body of an answer may repeat the request with its session token, so no more than a code, a message and a
//! few names come out of it.

use std::error::Error as StdError;

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::Error;

/// Most characters of a text of the service that are repeated.
const MOST_CHARACTERS: usize = 200;

/// What the library below puts in front of an answer.
const ANSWERED: &str = " - Server returned ";

/// What it says of an answer that names another region but not where to.
const BARE_REDIRECT: &str = "Received redirect without LOCATION";

/// Where a machine of Amazon's is asked for credentials.
const METADATA: [&str; 4] = [
    "http://169.254.169.254",
    "http://169.254.170.2",
    "http://169.254.170.23",
    "http://[fd00:ec2::254]",
];

/// What stands beside the secrets of a request.
const ECHOED: [&str; 7] = [
    "aws4-hmac-sha256",
    "authorization:",
    "credential=",
    "customer-key:",
    "security-token",
    "s3session-token",
    "signature=",
];

/// Codes of a name that is taken, from services that answer 409 and not 412.
const TAKEN: [&str; 2] = ["BlobAlreadyExists", "FileAlreadyExists"];

/// What came of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing happened, and nothing will if it is made again as it is.
    Definite,
    /// Nothing happened; it may be made again.
    NotSent,
    /// Nobody knows.
    Doubt,
}

/// How far a request came that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// No connection was made.
    Connect,
    /// The connection took too long.
    ConnectTimeout,
    /// The answer took too long.
    Timeout,
    /// The answer is no answer.
    Unreadable,
    /// The connection broke.
    Connection,
}

/// The status of the answer, if there was one.
#[must_use]
pub(super) fn status(error: &object_store::Error) -> Option<u16> {
    let text = text(error);
    let answer = text.split_once(ANSWERED)?.1;
    let number = answer.strip_prefix("non-2xx status code: ")?;
    number.get(..3)?.parse().ok()
}

/// The code in the answer, such as `NoSuchBucket`.
#[must_use]
pub(super) fn code(error: &object_store::Error) -> Option<String> {
    element(&text(error), "Code").filter(|code| is_name(code))
}

/// The message in the answer.
pub(crate) fn message(error: &object_store::Error) -> Option<String> {
    let message = element(&text(error), "Message")?;
    let lower = message.to_ascii_lowercase();
    // A service that repeats what was signed repeats secrets.
    let is_echo = ECHOED.iter().any(|echoed| lower.contains(echoed));
    (!is_echo && !message.is_empty()).then_some(message)
}

/// A name in the answer, in an element, or in the message behind a few words and within quotes.
pub(crate) fn name(error: &object_store::Error, tag: &str, words: &str) -> Option<String> {
    let quoted = || {
        let message = message(error)?;
        let rest = message.split_once(words)?.1.trim_start();
        let rest = rest.strip_prefix(['\'', '"'])?;
        rest.split(['\'', '"']).next().map(str::to_owned)
    };
    let name = element(&text(error), tag).or_else(quoted)?;
    is_name(&name).then_some(name)
}

/// Whether the service says that the bucket is elsewhere, and no more.
pub(crate) fn is_bare_redirect(error: &object_store::Error) -> bool {
    text(error).contains(BARE_REDIRECT)
}

/// The method of the request, and whether it listed.
pub(crate) fn method(error: &object_store::Error) -> Option<(String, bool)> {
    let (method, uri) = request(error)?;
    let is_list = uri.contains("list-type=") || uri.contains("comp=list");
    Some((method, is_list))
}

/// The scheme, host and port that were asked; none where the request could not be shown.
pub(crate) fn origin(error: &object_store::Error) -> Option<String> {
    let url = url::Url::parse(&request(error)?.1).ok()?;
    Some(url.origin().ascii_serialization())
}

/// Whether it was not the service that was asked, but this machine for its credentials.
pub(crate) fn is_about_metadata(error: &object_store::Error) -> bool {
    origin(error).is_some_and(|origin| METADATA.contains(&origin.as_str()))
}

/// Whether it was not the service that was asked, but one that gives credentials for a token.
pub(crate) fn is_about_token(error: &object_store::Error) -> bool {
    text(error).contains("Error performing POST REDACTED ")
}

/// The error of this library that kept a request from being made.
pub(crate) fn own(error: &object_store::Error) -> Option<&Error> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// How far a request came, and all that was said of that.
pub(crate) fn broken(error: &object_store::Error) -> Option<(Broken, String)> {
    let mut causes = chain(error).skip_while(|cause| !cause.is::<HttpError>());
    let kind = causes.next()?.downcast_ref::<HttpError>()?.kind();
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    let all = texts.join(": ");
    // As hyper says it; a connection that takes too long is a timeout by its kind.
    let is_connect = kind == HttpErrorKind::Connect || all.contains("client error (Connect)");
    let broken = match kind {
        HttpErrorKind::Timeout if is_connect => Broken::ConnectTimeout,
        _ if is_connect => Broken::Connect,
        HttpErrorKind::Timeout => Broken::Timeout,
        HttpErrorKind::Decode => Broken::Unreadable,
        // Also `Request`: a server that took the request and died without an answer is of that kind.
        _ => Broken::Connection,
    };
    Some((broken, all))
}

/// What came of it. All that is not known for sure is in doubt.
#[must_use]
pub(super) fn outcome(error: &object_store::Error) -> Outcome {
    use object_store::Error as Store;
    if own(error).is_some() || is_bare_redirect(error) {
        return Outcome::Definite;
    }
    match status(error) {
        Some(409) => {
            let is_taken = code(error).is_some_and(|code| TAKEN.contains(&code.as_str()));
            return if is_taken {
                Outcome::Definite
            } else {
                Outcome::NotSent
            };
        }
        Some(429) => return Outcome::NotSent,
        Some(408 | 425) => return Outcome::Doubt,
        // 501 is the answer to what a service does not do at all.
        Some(300..=499 | 501) => return Outcome::Definite,
        Some(_) => return Outcome::Doubt,
        None => {}
    }
    match broken(error) {
        // Where there is no such machine, waiting does not make one.
        Some((Broken::Connect | Broken::ConnectTimeout | Broken::Timeout, _))
            if is_about_metadata(error) =>
        {
            return Outcome::Definite;
        }
        Some((Broken::Connect, said)) if is_about_certificate(&said) => return Outcome::Definite,
        Some((Broken::Connect | Broken::ConnectTimeout, _)) => return Outcome::NotSent,
        Some(_) => return Outcome::Doubt,
        None => {}
    }
    match error {
        Store::JoinError { .. } => Outcome::Doubt,
        Store::Generic { .. } if is_about_range(error) => Outcome::Definite,
        Store::Generic { .. } => Outcome::Doubt,
        _ => Outcome::Definite,
    }
}

/// Whether it was the certificate of the service for which no connection was made.
pub(crate) fn is_about_certificate(said: &str) -> bool {
    said.contains("invalid peer certificate")
}

/// Whether bytes were asked for that the object does not have.
fn is_about_range(error: &object_store::Error) -> bool {
    let text = text(error);
    let text = text.strip_prefix("Invalid range: ").unwrap_or(&text);
    text.starts_with("Wanted range starting at ")
        || text.starts_with("Range started at ")
        || is_of_no_range(text)
}

/// Whether an answer tells bytes that no object can have: what some services say of the end of an empty one.
pub(crate) fn is_of_no_range(text: &str) -> bool {
    text.starts_with("Failed to parse value for CONTENT_RANGE header")
}

/// A text of others as it may be repeated: on one line, and not long.
pub(crate) fn short(text: &str) -> String {
    let plain = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MOST_CHARACTERS).collect()
}

/// What the library below says, without the key in front, which anybody may have named.
pub(crate) fn text(error: &object_store::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

fn chain(error: &object_store::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// The method and the address of the request. Neither has a blank in it.
fn request(error: &object_store::Error) -> Option<(String, String)> {
    let text = text(error);
    let rest = text.split_once("Error performing ")?.1;
    // `Error performing list request: Error performing GET https://...`
    let rest = rest
        .split_once(": Error performing ")
        .map_or(rest, |(_, rest)| rest);
    let mut words = rest.split(' ');
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// What stands in the first element of a name in an answer.
fn element(text: &str, tag: &str) -> Option<String> {
    let answer = text.split_once(ANSWERED)?.1;
    let rest = answer.split_once(&format!("<{tag}>"))?.1;
    let (content, _) = rest.split_once(&format!("</{tag}>"))?;
    let plain = content
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    Some(short(&plain))
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && text.len() <= 80 && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
