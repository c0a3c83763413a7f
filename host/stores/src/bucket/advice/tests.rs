use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::*;
use crate::bucket::answer::{Outcome, outcome};
use crate::bucket::connection::options::BucketOptions;
use crate::bucket::connection::test_service::{TestService, body, create, options};
use crate::bucket::connection::{address::Address, connect};
use crate::error::Result;

/// What is told of an error; nothing of it may have a secret.
fn tell(error: object_store::Error) -> (ErrorKind, String) {
    let error = told("write", "a/b", error);
    let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(
        !shown.contains("CanonicalRequest") && !shown.contains('<'),
        "{shown}"
    );
    assert!(error.message().starts_with("cannot write a/b: "), "{error}");
    (error.kind(), error.message().to_owned())
}

async fn answered(line: &str, code: &str, more: &str) -> (ErrorKind, String) {
    tell(TestService::new(line, &body(code, more)).create().await)
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named() {
    let more = "<BucketName>bucket</BucketName>";
    for error in [
        TestService::new("404 Not Found", &body("NoSuchBucket", more))
            .get()
            .await,
        TestService::new("404 Not Found", &body("NoSuchBucket", more))
            .list()
            .await,
    ] {
        let (kind, text) = tell(error);
        assert_eq!(kind, ErrorKind::NotFound);
        assert!(
            text.contains("bucket bucket does not exist (NoSuchBucket); create it"),
            "{text}"
        );
    }
    let (kind, text) = tell(
        TestService::new("404 Not Found", &body("NoSuchKey", ""))
            .get()
            .await,
    );
    assert_eq!(
        (kind, text.as_str()),
        (
            ErrorKind::NotFound,
            "cannot write a/b: it does not exist (NoSuchKey)"
        )
    );
}

#[tokio::test]
async fn a_refusal_names_the_action_that_must_be_allowed() {
    let denied = || {
        TestService::new(
            "403 Forbidden",
            &body("AccessDenied", "<Message>no\nway</Message>"),
        )
    };
    for (error, action) in [
        (denied().create().await, "s3:PutObject"),
        (denied().get().await, "s3:GetObject"),
        (denied().list().await, "s3:ListBucket"),
    ] {
        let (kind, text) = tell(error);
        assert_eq!(kind, ErrorKind::Io);
        assert!(
            text.contains("(AccessDenied: no way); ") && text.contains(action),
            "{text}"
        );
    }
    // Without a body, as a look at an object is answered.
    let (kind, text) = tell(TestService::new("403 Forbidden", "").get().await);
    assert!(
        kind == ErrorKind::Io && text.contains("s3:GetObject"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_credentials_is_told() {
    for (line, code, why) in [
        ("403 Forbidden", "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("403 Forbidden", "SignatureDoesNotMatch", "secret key"),
        ("400 Bad Request", "ExpiredToken", "expired"),
        (
            "403 Forbidden",
            "RequestTimeTooSkewed",
            "clock of this machine is off",
        ),
        ("401 Unauthorized", "Whatever", "credentials"),
    ] {
        let (kind, text) = answered(line, code, "<Token>hunter3</Token>").await;
        assert!(
            kind == ErrorKind::Io && text.contains(why) && text.contains(code),
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_right_region_is_named() {
    let (_, text) = answered(
        "400 Bad Request",
        "AuthorizationHeaderMalformed",
        "<Region>eu-west-1</Region>",
    )
    .await;
    assert!(
        text.contains("is in region eu-west-1") && text.contains("AWS_REGION"),
        "{text}"
    );
    let message = "<Message>the region 'us-east-1' is wrong; expecting 'eu-west-2'</Message>";
    let (_, text) = answered("400 Bad Request", "AuthorizationHeaderMalformed", message).await;
    assert!(text.contains("is in region eu-west-2 ("), "{text}");
    let (kind, text) = answered("301 Moved Permanently", "PermanentRedirect", "").await;
    assert!(
        kind == ErrorKind::Io && text.contains("another region"),
        "{text}"
    );
}

#[tokio::test]
async fn other_answers_are_told_with_what_to_do() {
    for (line, code, kind, why) in [
        (
            "503 Slow Down",
            "SlowDown",
            ErrorKind::Io,
            "requests-per-second",
        ),
        (
            "429 Too Many Requests",
            "X",
            ErrorKind::Io,
            "requests-per-second",
        ),
        (
            "409 Conflict",
            "ConditionalRequestConflict",
            ErrorKind::Conflict,
            "another request",
        ),
        (
            "412 Precondition Failed",
            "PreconditionFailed",
            ErrorKind::Conflict,
            "it exists",
        ),
        ("400 Bad Request", "BadDigest", ErrorKind::Io, "checksum"),
        (
            "501 Not Implemented",
            "NotImplemented",
            ErrorKind::Io,
            "checksum",
        ),
        (
            "400 Bad Request",
            "KMS.DisabledException",
            ErrorKind::Io,
            "sse-kms-key-id",
        ),
        (
            "403 Forbidden",
            "QuotaExceeded",
            ErrorKind::ResourceExhausted,
            "quota",
        ),
        (
            "500 Internal Server Error",
            "InternalError",
            ErrorKind::Io,
            "status 500",
        ),
        ("418 Teapot", "Tea", ErrorKind::Io, "status 418"),
    ] {
        let (told, text) = answered(line, code, "").await;
        assert!(told == kind && text.contains(why), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_body_is_never_repeated() {
    let long = "x".repeat(500);
    for more in [
        format!("<Message>{long}</Message>"),
        "<Message>x-amz-security-token:hunter3</Message>".to_owned(),
        "<Message>Credential=hunter3</Message>".to_owned(),
        "<Message>x-amz-server-side-encryption-customer-key:hunter3</Message>".to_owned(),
        "<Region>hunter3 x</Region><Message>m</Message>".to_owned(),
    ] {
        let (_, text) = answered("400 Bad Request", "Odd", &more).await;
        assert!(text.len() < 300, "{text}");
        let (_, text) = answered("400 Bad Request", "hunter3 <x>", &more).await;
        assert!(text.len() < 300, "{text}");
        answered("400 Bad Request", "AuthorizationHeaderMalformed", &more).await;
    }
    for answer in [
        "hunter3",
        "{\"token\": \"hunter3\"}",
        "<html>hunter3</html>",
        "<Code>hunter3",
    ] {
        for line in [
            "200 OK",
            "206 Partial Content",
            "302 Found",
            "404 Not Found",
            "500 Internal Server Error",
        ] {
            let service = TestService::new(line, answer);
            if let Err(error) = service.client().list_with_delimiter(None).await {
                tell(error);
            }
            let error = service.create().await;
            tell(error);
        }
    }
}

#[tokio::test]
async fn a_broken_connection_names_the_endpoint() {
    let hangs_up = TestService::new("", "");
    let (kind, text) = tell(hangs_up.create().await);
    assert!(
        kind == ErrorKind::Io && text.contains(&format!("connection to {} broke", hangs_up.url)),
        "{text}"
    );
    let speaks_plain = hangs_up.url.replace("http:", "https:");
    let nobody = "http://127.0.0.1:9".to_owned();
    let unknown = "http://no-such-host.invalid".to_owned();
    for (url, why) in [
        (nobody, "http://127.0.0.1:9 refuses connections"),
        (
            unknown,
            "the name of http://no-such-host.invalid is not known",
        ),
        (speaks_plain.clone(), speaks_plain.as_str()),
    ] {
        let client = connect(&Address::parse("s3://bucket").unwrap(), &options(&url)).unwrap();
        let (kind, text) = tell(create(&*client).await.expect_err("no service"));
        assert!(kind == ErrorKind::Io && text.contains(why), "{text}");
    }
    let answers_plain = TestService::new("400 Bad Request", "");
    let url = answers_plain.url.replace("http:", "https:");
    let client = connect(&Address::parse("s3://bucket").unwrap(), &options(&url)).unwrap();
    let (_, text) = tell(create(&*client).await.expect_err("no https"));
    assert!(text.contains("does not speak https"), "{text}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    // As rustls says it.
    for (said, why) in [
        ("invalid peer certificate: UnknownIssuer", "ca-file"),
        (
            "invalid peer certificate: certificate expired: verification time",
            "clock",
        ),
        (
            "invalid peer certificate: certificate not valid for name \"a\"; certificate is only",
            "another name",
        ),
    ] {
        assert!(answer::is_about_certificate(said));
        let text = unreached(Broken::Connect, "https://h", &said.to_ascii_lowercase());
        assert!(
            text.contains("certificate of https://h") && text.contains(why),
            "{text}"
        );
    }
    let text = unreached(
        Broken::Connect,
        "https://h",
        "client error (connect): tunnel error: failed",
    );
    assert!(text.starts_with("the proxy does not connect"), "{text}");
}

#[tokio::test]
async fn a_machine_without_a_role_is_told_as_no_credentials() {
    let mut options = options("http://127.0.0.1:9");
    options.keys = None;
    let client = connect(&Address::parse("s3://bucket").unwrap(), &options).unwrap();
    let error = create(&*client).await.expect_err("no credentials");
    assert_eq!(outcome(&error), Outcome::Definite, "{error:?}");
    let (kind, text) = tell(error);
    assert!(
        kind == ErrorKind::Io && text.contains("no credentials were found"),
        "{text}"
    );
}

#[tokio::test]
async fn credentials_of_a_profile_that_fail_are_told_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::write(
        &config,
        "[default]\ncredential_process = echo hunter2; exit 7\n",
    )
    .unwrap();
    let mut options = BucketOptions {
        keys: None,
        ..options("http://127.0.0.1:9")
    };
    options.profile_files = Some(crate::bucket::connection::options::ProfileFiles {
        credentials: directory.path().join("none"),
        config,
    });
    let client = connect(&Address::parse("s3://bucket").unwrap(), &options).unwrap();
    let error = create(&*client).await.expect_err("no credentials");
    assert_eq!(outcome(&error), Outcome::Definite);
    let (kind, text) = tell(error);
    assert_eq!(kind, ErrorKind::Io);
    assert!(
        text.contains("credential_process of profile \"default\": it failed with exit status: 7"),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "hunter3").unwrap();
    let mut options = options("http://127.0.0.1:9");
    options.keys = None;
    for (name, value) in [
        ("aws_role_arn", "arn:r"),
        ("aws_web_identity_token_file", token.to_str().unwrap()),
        ("aws_endpoint_url_sts", "https://127.0.0.1:9"),
    ] {
        options
            .passed_on
            .push((name.parse().unwrap(), value.to_owned()));
    }
    let client = connect(&Address::parse("s3://bucket").unwrap(), &options).unwrap();
    let (_, text) = tell(create(&*client).await.expect_err("no token service"));
    assert!(
        text.contains("the service that gives credentials for a token"),
        "{text}"
    );
}

#[tokio::test]
async fn a_store_in_memory_is_told_by_the_type_of_its_errors() -> Result<()> {
    let store = InMemory::new();
    let key = Path::from("a");
    let (kind, text) = tell(store.get(&key).await.expect_err("absent"));
    assert_eq!(
        (kind, text.as_str()),
        (ErrorKind::NotFound, "cannot write a/b: it does not exist")
    );
    store.put(&key, "x".into()).await.unwrap();
    let again = store
        .put_opts(&key, "x".into(), PutOptions::from(PutMode::Create))
        .await;
    assert_eq!(tell(again.expect_err("exists")).0, ErrorKind::Conflict);
    Ok(())
}
