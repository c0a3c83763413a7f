//! Where a service and a proxy answer. Both are checked when they are given, so that a wrong one is told at
//! once, and none that has credentials where they would be shown.

use std::fmt;

use url::Url;

use crate::error::{Error, Result};

/// The address of a service: `https://host[:port][/path]`. It has no credentials, so it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Takes the address of a service.
    ///
    /// # Errors
    /// `invalid-argument`, which repeats nothing of it: somebody may have put a key into it.
    pub fn parse(text: &str) -> Result<Self> {
        let url = parse("endpoint", text)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid(
                "the endpoint has credentials in it; leave them out and give them as AWS_ACCESS_KEY_ID \
                 and AWS_SECRET_ACCESS_KEY, or in a profile",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::invalid(
                "the endpoint has a query or a fragment; write `https://HOST[:PORT]`",
            ));
        }
        Ok(Self(url))
    }

    /// Whether what goes there can be read on the way.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The same for one bucket that is named in the host. A host that names it already stays.
    pub(crate) fn of_bucket(&self, bucket: &str) -> String {
        let host = self.0.host_str().unwrap_or_default();
        let mut url = self.0.clone();
        if !host.starts_with(&format!("{bucket}.")) {
            // The host of an http address can always be replaced by a name.
            let _ = url.set_host(Some(&format!("{bucket}.{host}")));
        }
        url.as_str().trim_end_matches('/').to_owned()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// The address of a proxy. It may have a name and a password, which are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

impl Proxy {
    /// Takes the address of a proxy.
    ///
    /// # Errors
    /// `invalid-argument`, which repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self> {
        parse("proxy", text).map(Self)
    }

    /// With its name and password.
    pub(crate) fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.origin().ascii_serialization();
        f.debug_tuple("Proxy").field(&origin).finish()
    }
}

fn parse(what: &str, text: &str) -> Result<Url> {
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    if !is_web {
        return Err(Error::invalid(format!(
            "the {what} has no `https://` or `http://` in front; write `https://HOST[:PORT]`"
        )));
    }
    // What the parser says names a rule, and nothing of the text.
    Url::parse(text).map_err(|cause| {
        Error::invalid(format!(
            "the {what} is no address: {cause}; write `https://HOST[:PORT]`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_as_it_was_given() {
        for text in [
            "https://s3.example.com",
            "http://localhost:9000",
            "https://h/minio",
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Endpoint::parse("http://h:1/").unwrap().to_string(),
            "http://h:1"
        );
        assert!(Endpoint::parse("http://h").unwrap().is_plain());
        assert!(!Endpoint::parse("https://h").unwrap().is_plain());
    }

    #[test]
    fn a_bucket_is_named_in_the_host_once() {
        for (text, of_bucket) in [
            ("https://s3.example.com", "https://b1.s3.example.com"),
            (
                "https://b1.s3.example.com:444/",
                "https://b1.s3.example.com:444",
            ),
            ("http://h:9000/p", "http://b1.h:9000/p"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().of_bucket("b1"), of_bucket);
        }
    }

    #[test]
    fn nothing_of_a_refused_address_is_repeated() {
        for text in [
            "hunter2",
            "localhost:9000/hunter2",
            "https://id:hunter2@host",
            "https://hunter2@host",
            "https://host?hunter2",
            "https://host#hunter2",
            "https://hunter2 x",
            "https://",
            "s3://hunter2",
        ] {
            let error = Endpoint::parse(text).expect_err(text);
            assert!(!error.message().contains("hunter2"), "{error}");
        }
        let error = Proxy::parse("socks5://hunter2").expect_err("no such proxy");
        assert!(!error.message().contains("hunter2"), "{error}");
    }

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let proxy = Proxy::parse("http://me:hunter2@proxy:3128").unwrap();
        let shown = format!("{proxy:?}");
        assert!(shown.contains("proxy:3128"), "{shown}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("me"),
            "{shown}"
        );
        assert!(proxy.expose().contains("hunter2"));
    }
}
