//! The address of a store in a bucket: `s3://bucket/prefix`.
//!
//! People paste addresses with keys in them. So a message repeats nothing of an address that may have a
//! secret, and an address has no place for one.

use std::fmt;

use crate::error::{Error, Result};

/// Most bytes of a prefix. The keys below it may have 1,024 with it.
const MAX_PREFIX_BYTES: usize = 512;

/// Whose protocol a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Amazon S3, or any service that speaks like it.
    S3,
    /// Google Cloud Storage. Untested.
    Gcs,
    /// Azure Blob Storage. Untested.
    Azure,
}

impl Scheme {
    /// What stands in front of `://`.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }

    fn of_scheme(scheme: &str) -> Option<Self> {
        [Self::S3, Self::Gcs, Self::Azure]
            .into_iter()
            .find(|service| service.scheme() == scheme)
    }

    /// What is wrong with the name of a bucket, if anything is.
    fn problem_of_bucket(self, name: &str) -> Option<String> {
        let (most, others) = match self {
            Self::S3 => (63, ".-"),
            Self::Gcs => (222, "._-"),
            Self::Azure => (63, "-"),
        };
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if let Some(wrong) = name.chars().find(|&c| !is_plain(c) && !others.contains(c)) {
            let spaced: Vec<String> = others.chars().map(String::from).collect();
            let allowed = spaced.join(" ");
            return Some(format!(
                "has {wrong:?}; its name has only a-z 0-9 {allowed}"
            ));
        }
        if !(3..=most).contains(&name.len()) {
            return Some(format!(
                "has {} characters; a name has 3 to {most}",
                name.len()
            ));
        }
        if !name.starts_with(is_plain) || !name.ends_with(is_plain) {
            return Some("must begin and end with a letter or digit".to_owned());
        }
        if name.contains("..") {
            return Some("has two dots in a row; a name has one".to_owned());
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            let text = "is the address of a machine; name the bucket, and give the machine as the \
                        option `endpoint`";
            return Some(text.to_owned());
        }
        None
    }
}

/// Where a store is: a bucket, and what the names of all its objects begin with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Whose protocol is spoken.
    pub scheme: Scheme,
    /// The bucket; a container in Azure.
    pub bucket: String,
    /// Without a slash at either end; may be empty.
    pub prefix: String,
}

impl Address {
    /// Takes an address apart: `s3://bucket`, `s3://bucket/prefix/of/names`, and the same with `gs` and `az`.
    ///
    /// # Errors
    /// `invalid-argument` for everything else. What could be a secret is not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Error::invalid(
                "the address of a bucket has no `://`; write `s3://bucket/prefix`",
            ));
        };
        let kind = Scheme::of_scheme(scheme).ok_or_else(|| unknown_scheme(scheme))?;
        let scheme = kind.scheme();
        refuse_secrets(scheme, rest)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(Error::invalid(format!(
                "the address `{scheme}://` names no bucket; write `{scheme}://bucket/prefix`"
            )));
        }
        if let Some(problem) = kind.problem_of_bucket(bucket) {
            let shown: String = bucket.chars().take(80).collect();
            return Err(Error::invalid(format!("bucket {shown:?} {problem}")));
        }
        let prefix = prefix
            .strip_suffix('/')
            .filter(|it| !it.is_empty())
            .unwrap_or(prefix);
        check_prefix(prefix).map_err(|error| error.at(format!("{scheme}://{bucket}")))?;
        Ok(Self {
            scheme: kind,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.scheme(), self.bucket)?;
        match self.prefix.is_empty() {
            true => Ok(()),
            false => write!(f, "/{}", self.prefix),
        }
    }
}

fn unknown_scheme(scheme: &str) -> Error {
    let instead = match scheme.to_ascii_lowercase().as_str() {
        "s3" | "s3a" | "s3n" => "write `s3://bucket/prefix`",
        "gcs" | "gs" => "write `gs://bucket/prefix`",
        "azure" | "abfs" | "abfss" | "az" => "write `az://container/prefix`",
        "http" | "https" => {
            "write `s3://bucket/prefix`, and give the address of the service as the option `endpoint`"
        }
        _ => "write `s3://`, `gs://` or `az://`, the bucket, and a prefix",
    };
    Error::invalid(format!(
        "the address of a bucket has an unknown scheme; {instead}"
    ))
}

/// Refuses what has no place in an address, and says nothing of what it was.
fn refuse_secrets(scheme: &str, rest: &str) -> Result<()> {
    let authority = rest.split('/').next().unwrap_or_default();
    let problem = if rest.contains('@') {
        "has an `@`, as if there were credentials in it; an address has none: give them as \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a profile"
    } else if rest.contains('?') {
        "has a `?`; an address has no query: give options by their names"
    } else if rest.contains('#') {
        "has a `#`; an address has no fragment: leave it out"
    } else if authority.contains(':') {
        "has a `:` in the place of the bucket; an address has neither port nor credentials: give the \
         machine as the option `endpoint`, and keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!(
        "the address of a bucket {problem}; write `{scheme}://bucket/prefix`"
    )))
}

pub(in crate::bucket) fn check_prefix(prefix: &str) -> Result<()> {
    if prefix.is_empty() {
        return Ok(());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!_.*'()/=-".contains(c);
    if let Some(wrong) = prefix.chars().find(|&c| !allowed(c)) {
        return Err(Error::invalid(format!(
            "the prefix has {wrong:?}; use only A-Z a-z 0-9 ! _ . * ' ( ) = - and `/` between names"
        )));
    }
    if prefix.len() > MAX_PREFIX_BYTES {
        let size = prefix.len();
        return Err(Error::invalid(format!(
            "the prefix has {size} bytes; use at most {MAX_PREFIX_BYTES}"
        )));
    }
    for name in prefix.split('/') {
        let problem = match name {
            "" => "has two slashes in a row, or one too many at an end; write one between names",
            "." | ".." => {
                "has a name `.` or `..`, which is no folder in a bucket; write the whole prefix"
            }
            _ => continue,
        };
        return Err(Error::invalid(format!("the prefix {problem}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn refused(text: &str) -> String {
        let error = Address::parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        error.message().to_owned()
    }

    #[test]
    fn an_address_has_a_service_a_bucket_and_a_prefix() {
        let address = Address::parse("s3://my-bucket/a/b=1/c").unwrap();
        assert_eq!(address.scheme, Scheme::S3);
        assert_eq!(
            (address.bucket.as_str(), address.prefix.as_str()),
            ("my-bucket", "a/b=1/c")
        );
        assert_eq!(address.to_string(), "s3://my-bucket/a/b=1/c");
        for (text, shown) in [
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://my.bucket/a/", "s3://my.bucket/a"),
            ("gs://a_b/x", "gs://a_b/x"),
            ("az://container/x!_.*'()-", "az://container/x!_.*'()-"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(Address::parse(shown).unwrap(), address);
        }
    }

    #[test]
    fn every_prefix_is_a_path_of_object_store_as_it_is() {
        let prefix = "AZaz09!_.*'()=-/...x/b";
        let address = Address::parse(&format!("s3://bucket/{prefix}")).unwrap();
        let path = object_store::path::Path::parse(&address.prefix).unwrap();
        assert_eq!(path.as_ref(), prefix);
    }

    #[test]
    fn names_of_buckets_follow_the_rules_of_their_service() {
        for good in ["abc", "a.b-c", "0a9", &"x".repeat(63)] {
            assert!(Address::parse(&format!("s3://{good}/p")).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "names no bucket"),
            ("ab", "3 to 63"),
            (&"x".repeat(64), "3 to 63"),
            ("Bucket", "'B'"),
            ("a_b", "'_'"),
            ("a%20b", "'%'"),
            ("-abc", "begin and end"),
            ("abc.", "begin and end"),
            ("a..b", "two dots"),
            ("127.0.0.1", "endpoint"),
        ] {
            let text = refused(&format!("s3://{bad}/p"));
            assert!(text.contains(why), "{text}");
        }
        assert!(refused("az://a.b").contains("'.'"));
    }

    #[test]
    fn prefixes_are_plain() {
        for (bad, why) in [
            ("/a", "two slashes"),
            ("a//b", "two slashes"),
            ("a//", "two slashes"),
            ("/", "two slashes"),
            ("./a", "`.` or `..`"),
            ("a/../b", "`.` or `..`"),
            ("a b", "' '"),
            ("a%20b", "'%'"),
            ("ä", "'ä'"),
            ("a\nb", r"'\n'"),
            (&"x".repeat(513), "513 bytes"),
        ] {
            let text = refused(&format!("s3://bucket/{bad}"));
            assert!(
                text.contains(why) && text.starts_with("s3://bucket: "),
                "{text}"
            );
        }
    }

    #[test]
    fn a_secret_in_an_address_is_not_repeated() {
        for text in [
            "s3://id:hunter2@bucket/x",
            "s3://id:hunter2/y@bucket/x",
            "s3://id:hunter2/bucket",
            "s3://bucket/x?secret=hunter2",
            "s3://bucket/x#hunter2",
            "hunter2://bucket",
            "hunter2",
            "https://id:hunter2@host/bucket",
            "s3:/hunter2/x",
        ] {
            assert!(!refused(text).contains("hunter2"), "{text}");
        }
        assert!(refused("s3://id:x@bucket").contains("AWS_ACCESS_KEY_ID"));
        assert!(refused("https://host/bucket").contains("endpoint"));
        assert!(refused("S3://bucket").contains("`s3://bucket/prefix`"));
        assert!(refused("s3://host:9000/bucket").contains("endpoint"));
    }
}
