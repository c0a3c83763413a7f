//! Listings without keys that the library below cannot take: with two slashes in a row, a slash at an end, a
//! control character, `.` or `..` as a name. One of them, and it refuses a whole listing, though no key of an
//! index is such a one. Answers are looked through before it sees them.

use std::borrow::Cow;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::path::Path;

/// Makes clients that look through listings of S3.
#[derive(Debug, Default)]
pub(super) struct Connector(ReqwestConnector);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.0.connect(options)?;
        Ok(HttpClient::new(Listings(client)))
    }
}

#[derive(Debug)]
struct Listings(HttpClient);

#[async_trait]
impl HttpService for Listings {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let is_listing = request.method() == "GET" && query.contains("list-type=2");
        let answer = self.0.execute(request).await?;
        if !is_listing || !answer.status().is_success() {
            return Ok(answer);
        }
        let (mut head, body) = answer.into_parts();
        let bytes = body.bytes().await?;
        let changed = std::str::from_utf8(&bytes).ok().and_then(without_odd_keys);
        let Some(text) = changed else {
            return Ok(HttpResponse::from_parts(head, bytes.into()));
        };
        head.headers.remove("content-length");
        Ok(HttpResponse::from_parts(head, text.into()))
    }
}

/// A listing without the objects and prefixes that no path can name; none when there are no such.
fn without_odd_keys(text: &str) -> Option<String> {
    const BEGIN: &str = "<Co";
    let mut kept = String::new();
    let mut is_changed = false;
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(BEGIN) {
        kept.push_str(before);
        let (name, end) = match behind {
            _ if behind.starts_with("ntents>") => ("Key", "</Contents>"),
            _ if behind.starts_with("mmonPrefixes>") => ("Prefix", "</CommonPrefixes>"),
            _ => ("", ""),
        };
        rest = match behind.split_once(end).filter(|_| !end.is_empty()) {
            Some((element, after)) => {
                match is_odd(element, name) {
                    true => is_changed = true,
                    false => kept.extend([BEGIN, element, end]),
                }
                after
            }
            None => {
                kept.push_str(BEGIN);
                behind
            }
        };
    }
    kept.push_str(rest);
    is_changed.then_some(kept)
}

/// Whether an element has a key that is no path as it is.
fn is_odd(element: &str, name: &str) -> bool {
    let value = element.split_once(&format!("<{name}>"));
    let value = value.and_then(|(_, value)| value.split_once(&format!("</{name}>")));
    let Some(key) = value.and_then(|(key, _)| plain(key)) else {
        // The library tells what is wrong with it.
        return false;
    };
    let key = match name {
        "Prefix" => key.strip_suffix('/').unwrap_or(&key),
        _ => &key,
    };
    key.is_empty() || Path::parse(key).map_or(true, |path| path.as_ref() != key)
}

/// The text that an element has; none where something in it is unknown.
fn plain(escaped: &str) -> Option<Cow<'_, str>> {
    if !escaped.contains('&') {
        return Some(Cow::Borrowed(escaped));
    }
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, behind)) = rest.split_once('&') {
        let (name, after) = behind.split_once(';')?;
        text.push_str(before);
        text.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => character(name.strip_prefix('#')?)?,
        });
        rest = after;
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

fn character(number: &str) -> Option<char> {
    let number = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(number.ok()?)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::bucket::connection::test_service::TestService;

    fn object(key: &str) -> String {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>\
             <ETag>&quot;1&quot;</ETag><Size>1</Size></Contents>"
        )
    }

    fn prefix(key: &str) -> String {
        format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>")
    }

    fn listing(content: &str) -> String {
        format!("<ListBucketResult><Name>b</Name><Contained/>{content}</ListBucketResult>")
    }

    #[tokio::test]
    async fn keys_that_no_path_can_name_are_left_out_of_listings() {
        let odd = [
            "/", "a/", "//", "a//b", "/a", "a/../b", "./a", "a&#x1;b", "a&#10;b",
        ];
        let good = [
            "a",
            "a/b c",
            "ü",
            "a&amp;b",
            "&lt;a&gt;",
            "a%2Fb",
            ".a/b..",
            "&#x5b;",
        ];
        let all = odd.iter().chain(&good).map(|key| object(key));
        let prefixes = ["a//", "/", "b/", "./", "a/b/"].map(prefix);
        let content: String = all.chain(prefixes).collect();
        let service = TestService::new("200 OK", &listing(&content));
        let client = service.client();
        let found = client.list_with_delimiter(None).await.unwrap();
        let keys: Vec<&str> = found
            .objects
            .iter()
            .map(|it| it.location.as_ref())
            .collect();
        let wanted = ["a", "a/b c", "ü", "a&b", "<a>", "a%2Fb", ".a/b..", "["];
        assert_eq!(keys, wanted);
        let below: Vec<&str> = found.common_prefixes.iter().map(AsRef::as_ref).collect();
        assert_eq!(below, ["a/b", "b"]);
        let flat: Vec<_> = client.list(None).try_collect().await.unwrap();
        assert_eq!(flat.len(), wanted.len());
    }

    #[test]
    fn a_listing_of_other_keys_stays_as_it_is() {
        for text in [
            listing(&(object("a/b") + &prefix("a/"))),
            listing("<Contents><Key>a//b</Key>"),
            listing("<Contents><Key>a&b//c</Key></Contents>"),
            "<ListBucketResult><Co".to_owned(),
            String::new(),
        ] {
            assert_eq!(without_odd_keys(&text), None, "{text}");
        }
        let both = listing(&(object("a//b") + &object("c")));
        assert_eq!(without_odd_keys(&both), Some(listing(&object("c"))));
    }
}
