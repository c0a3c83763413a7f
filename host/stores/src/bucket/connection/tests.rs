use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as Key;

use super::*;
use crate::bucket::connection::address::Scheme;
use crate::bucket::connection::options::{CustomerKey, ProfileFiles};
use crate::bucket::connection::test_service::{TestService, create, options};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn refusal(options: &BucketOptions) -> String {
    let error = connect(&address("s3://bucket/p"), options).expect_err("refused");
    let text = format!("{error}");
    assert!(
        error.message().starts_with("s3://bucket/p: ") && !text.contains("hunter"),
        "{text}"
    );
    text
}

/// The one request of a put to a service that takes it, with changed options.
async fn put(change: impl FnOnce(&mut BucketOptions)) -> String {
    let service = TestService::with_headers("200 OK", "ETag: \"1\"\r\n", "");
    let mut options = options(&service.url);
    change(&mut options);
    let client = connect(&address("s3://bucket/p"), &options).unwrap();
    create(&*client).await.unwrap();
    let mut asked = service.asked();
    assert_eq!(asked.len(), 1);
    asked.remove(0).to_ascii_lowercase()
}

#[tokio::test]
async fn a_put_goes_as_the_options_say() {
    let asked = put(|_| {}).await;
    assert!(asked.starts_with("put /bucket/a/b http/1.1"), "{asked}");
    for header in [
        concat!("user-agent: sidx/", env!("CARGO_PKG_VERSION")),
        "if-none-match: *",
        "x-amz-checksum-sha256: ",
        "x-amz-security-token: hunter3",
        "authorization: aws4-hmac-sha256 credential=akia/",
        "/us-east-1/s3/",
    ] {
        assert!(asked.contains(header), "{header}: {asked}");
    }
    assert!(!asked.contains("server-side-encryption"), "{asked}");
    let asked = put(|options| options.checksum = false).await;
    assert!(!asked.contains("x-amz-checksum"), "{asked}");
    let asked = put(|options| options.set("region", "eu-west-1").unwrap()).await;
    assert!(asked.contains("/eu-west-1/s3/"), "{asked}");
    let asked = put(|options| options.anonymous = true).await;
    assert!(
        !asked.contains("authorization") && !asked.contains("hunter"),
        "{asked}"
    );
}

#[tokio::test]
async fn an_object_is_removed_by_a_request_of_its_own() {
    let service = TestService::new("204 No Content", "");
    service.client().delete(&Key::from("a/b")).await.unwrap();
    assert!(service.asked()[0].starts_with("DELETE /bucket/a/b HTTP/1.1"));
}

#[tokio::test]
async fn a_put_asks_for_encryption() {
    let encryption = "x-amz-server-side-encryption";
    let asked = put(|options| options.set("sse", "kms").unwrap()).await;
    assert!(
        asked.contains(&format!("{encryption}: aws:kms")) && !asked.contains("kms-key-id"),
        "{asked}"
    );
    let asked = put(|options| options.set("sse-kms-key-id", "arn:k").unwrap()).await;
    assert!(
        asked.contains(&format!("{encryption}-aws-kms-key-id: arn:k")),
        "{asked}"
    );
    let asked = put(|options| options.set("sse", "aes256").unwrap()).await;
    assert!(asked.contains(&format!("{encryption}: aes256")), "{asked}");
    let key = BASE64_STANDARD.encode([7; 32]);
    let customer = CustomerKey::from_base64(&key).unwrap();
    let asked = put(|options| options.sse = Sse::CustomerKey(customer)).await;
    let header = format!("{encryption}-customer-key: {}", key.to_ascii_lowercase());
    assert!(asked.contains(&header), "{asked}");
}

#[tokio::test]
async fn a_bucket_is_in_the_host_where_that_is_asked() {
    let service = TestService::new("404 Not Found", "");
    let port = service.url.rsplit(':').next().unwrap();
    // Every name below localhost is this machine, if the resolver keeps to the standard.
    let mut options = options(&format!("http://localhost:{port}"));
    options.path_style = Some(false);
    let client = connect(&address("s3://bucket"), &options).unwrap();
    let error = client.get(&Key::from("a")).await.expect_err("absent");
    let text = error.to_string();
    assert!(
        text.contains(&format!("http://bucket.localhost:{port}/a")),
        "{text}"
    );
}

#[test]
fn amazon_is_asked_by_the_host_but_for_names_with_dots() {
    let mut options = BucketOptions {
        region: Some("eu-west-1".to_owned()),
        ..options("http://h")
    };
    options.endpoint = None;
    for (bucket, url) in [
        ("bucket", "https://bucket.s3.eu-west-1.amazonaws.com"),
        ("a.bucket", "https://s3.eu-west-1.amazonaws.com/a.bucket"),
    ] {
        let client = connect(&address(&format!("s3://{bucket}")), &options).unwrap();
        let shown = format!("{client:?}");
        assert!(
            shown.contains(&format!("bucket_endpoint: \"{url}\"")),
            "{shown}"
        );
        assert!(!shown.contains("hunter"), "{shown}");
    }
}

#[test]
fn plain_http_is_refused_unless_allowed() {
    let mut options = options("http://localhost:9000");
    options.allow_http = false;
    let text = refusal(&options);
    assert!(
        text.contains("allow-http") && text.contains("http://localhost:9000"),
        "{text}"
    );
    options.set("endpoint", "https://localhost:9000").unwrap();
    assert!(connect(&address("s3://bucket"), &options).is_ok());
}

#[test]
fn neither_region_nor_endpoint_is_refused() {
    let mut options = options("http://h");
    options.endpoint = None;
    assert!(refusal(&options).contains("AWS_REGION"));
}

#[test]
fn a_file_of_certificates_that_is_none_is_named() {
    let mut options = options("https://h");
    options.set("ca-file", "/nonexistent/ca.pem").unwrap();
    let text = refusal(&options);
    assert!(
        text.starts_with("not-found: ") && text.contains("/nonexistent/ca.pem"),
        "{text}"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    options.ca_file = Some(file.clone());
    let wrong = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    for content in ["", "hunter2", wrong] {
        fs::write(&file, content).unwrap();
        let text = refusal(&options);
        assert!(
            text.starts_with("invalid-argument: ") && text.contains("has no certificate"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_proxy_is_asked_in_place_of_the_service() {
    let proxy = TestService::with_headers("200 OK", "ETag: \"1\"\r\n", "");
    let mut options = options("http://s3.invalid");
    options
        .set("proxy", &proxy.url.replace("//", "//me:hunter4@"))
        .unwrap();
    let client = connect(&address("s3://bucket"), &options).unwrap();
    create(&*client).await.unwrap();
    assert!(proxy.asked()[0].starts_with("PUT http://s3.invalid/bucket/a/b HTTP/1.1"));
    options.no_proxy = Some("s3.invalid".to_owned());
    let client = connect(&address("s3://bucket"), &options).unwrap();
    assert!(create(&*client).await.is_err());
    assert_eq!(proxy.asked().len(), 1);
}

struct Files {
    _directory: tempfile::TempDir,
    options: BucketOptions,
}

fn with_profile(endpoint: &str, config: &str) -> Files {
    let directory = tempfile::tempdir().unwrap();
    let files = ProfileFiles {
        credentials: directory.path().join("credentials"),
        config: directory.path().join("config"),
    };
    fs::write(&files.config, config).unwrap();
    let mut options = options(endpoint);
    options.keys = None;
    options.profile_files = Some(files);
    Files {
        _directory: directory,
        options,
    }
}

#[tokio::test]
async fn a_profile_gives_endpoint_region_and_keys() {
    let service = TestService::with_headers("200 OK", "ETag: \"1\"\r\n", "");
    let url = &service.url;
    let config = format!(
        "[default]\nregion = eu-west-3\nendpoint_url = {url}\naws_access_key_id = one\n\
         aws_secret_access_key = hunter2\n[profile other]\nendpoint_url = {url}\n\
         aws_access_key_id = two\naws_secret_access_key = hunter2\n"
    );
    let mut files = with_profile("http://h", &config);
    files.options.endpoint = None;
    let client = connect(&address("s3://bucket"), &files.options).unwrap();
    create(&*client).await.unwrap();
    assert!(
        service.asked()[0].contains("Credential=one/")
            && service.asked()[0].contains("/eu-west-3/")
    );
    files.options.set("profile", "other").unwrap();
    let client = connect(&address("s3://bucket"), &files.options).unwrap();
    create(&*client).await.unwrap();
    assert!(
        service.asked()[1].contains("Credential=two/")
            && service.asked()[1].contains("/us-east-1/")
    );
    // Keys that are given go before those of a profile.
    files.options.keys = options("http://h").keys;
    let client = connect(&address("s3://bucket"), &files.options).unwrap();
    create(&*client).await.unwrap();
    assert!(service.asked()[2].contains("Credential=AKIA/"));
}

#[test]
fn a_profile_that_cannot_serve_is_refused() {
    let mut files = with_profile(
        "http://h",
        "[profile a]\nregion = r\n[profile b]\nrole_arn = r\nsource_profile = a\n",
    );
    assert!(
        connect(&address("s3://bucket"), &files.options).is_ok(),
        "there is no default one"
    );
    for (name, why) in [
        ("a", "no credentials"),
        ("b", "credential_process"),
        ("c", "no profile \"c\""),
    ] {
        files.options.set("profile", name).unwrap();
        assert!(refusal(&files.options).contains(why));
    }
    files.options.profile_files = None;
    assert!(refusal(&files.options).contains("AWS_CONFIG_FILE"));
    files.options.profile = None;
    files.options.is_instance_off = true;
    assert!(refusal(&files.options).contains("AWS_EC2_METADATA_DISABLED"));
}

#[test]
fn the_other_services_make_clients_and_do_not_pretend_to_encrypt() {
    let mut options = options("http://h");
    for (text, is_scheme) in [
        ("gs://bucket", Scheme::Gcs),
        ("az://container", Scheme::Azure),
    ] {
        assert_eq!(address(text).scheme, is_scheme);
        options.sse = Sse::Aes256;
        let error = connect(&address(text), &options).expect_err("no encryption");
        assert!(error.message().contains("s3:// only"), "{error}");
        options.sse = Sse::None;
    }
    // An account is in the environment, which tests leave alone.
    let error = connect(&address("az://container"), &options).err();
    assert!(error.is_none_or(|error| error.message().contains("AZURE_*")));
    assert!(connect(&address("gs://bucket"), &options).is_ok());
}
