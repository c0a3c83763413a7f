use std::collections::HashMap;

use super::*;

fn from(pairs: &[(&str, &str)]) -> Result<BucketOptions> {
    let map: HashMap<String, String> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    BucketOptions::from_variables(&|name| map.get(name).cloned())
}

fn set(name: &str, value: &str) -> Result<BucketOptions> {
    let mut options = BucketOptions::default();
    options.set(name, value).map(|()| options)
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    for pairs in [&[][..], &[("AWS_REGION", ""), ("AWS_ACCESS_KEY_ID", "")]] {
        let options = from(pairs).unwrap();
        assert_eq!(
            format!("{options:?}"),
            format!("{:?}", BucketOptions::default())
        );
    }
}

#[test]
fn the_variables_of_others_are_taken() {
    let options = from(&[
        ("AWS_ENDPOINT_URL", "https://all"),
        ("AWS_ENDPOINT_URL_S3", "https://s3"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter3"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_CA_BUNDLE", "/ca.pem"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
        ("AWS_SERVER_SIDE_ENCRYPTION", "aws:kms"),
        ("AWS_SSE_KMS_KEY_ID", "arn:key"),
        ("AWS_ROLE_ARN", "arn:role"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_PROFILE", "work"),
        ("HOME", "/home/me"),
        ("AWS_CONFIG_FILE", "/config"),
        ("NO_PROXY", "local"),
    ])
    .unwrap();
    assert_eq!(options.endpoint.as_ref().unwrap().to_string(), "https://s3");
    assert_eq!(options.region.as_deref(), Some("eu-west-1"));
    assert_eq!(
        options.keys.as_ref().unwrap().secret_access_key.expose(),
        "hunter2"
    );
    assert_eq!(options.path_style, Some(false));
    assert!(options.allow_http);
    assert_eq!(
        options.sse,
        Sse::Kms {
            key_id: Some("arn:key".to_owned())
        }
    );
    assert_eq!(options.passed_on.len(), 2);
    let files = options.profile_files.as_ref().unwrap();
    assert_eq!(files.credentials, Path::new("/home/me/.aws/credentials"));
    assert_eq!(files.config, Path::new("/config"));
    assert!(!format!("{options:?}").contains("hunter"));
}

#[test]
fn every_variable_that_is_passed_on_has_a_name_below() {
    for name in PASSED_ON {
        assert!(
            name.to_ascii_lowercase()
                .parse::<AmazonS3ConfigKey>()
                .is_ok(),
            "{name}"
        );
    }
}

#[test]
fn our_own_variables_go_before_those_of_others() {
    let options = from(&[
        ("AWS_REGION", "eu-west-1"),
        ("SIDX_S3_REGION", "eu-west-2"),
        ("SIDX_S3_REQUESTS_PER_SECOND", "100"),
        ("SIDX_S3_LEASE", "30s"),
        ("SIDX_S3_PATH_STYLE", "true"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
    ])
    .unwrap();
    assert_eq!(options.region.as_deref(), Some("eu-west-2"));
    assert_eq!(options.requests_per_second, Some(100));
    assert_eq!(options.lease, Duration::from_secs(30));
    assert_eq!(options.path_style, Some(true));
}

#[test]
fn a_wrong_variable_is_named_and_its_value_is_not() {
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "https://id:hunter2@host"),
        ("AWS_ALLOW_HTTP", "hunter2"),
        ("AWS_SSE_CUSTOMER_KEY_BASE64", "hunter2"),
        ("AWS_REGION", "hunter2/"),
        ("SIDX_S3_PROXY", "hunter2"),
        ("SIDX_S3_LEASE", "hunter2"),
        ("SIDX_S3_SSE", "hunter2"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ] {
        let error = from(&[(name, value)]).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(
            error.message().contains(name) && !error.message().contains("hunter"),
            "{error}"
        );
    }
}

#[test]
fn a_profile_that_is_asked_for_goes_before_keys_of_the_environment() {
    let pairs = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_PROFILE", "a"),
    ];
    let mut options = from(&pairs).unwrap();
    assert!(options.keys.is_some());
    options.set("profile", "b").unwrap();
    assert_eq!(
        (options.keys, options.profile.as_deref()),
        (None, Some("b"))
    );
    // Keys that were given stay.
    let mut options = BucketOptions::default();
    let secret_access_key = Secret::new("x");
    options.keys = Some(Keys {
        access_key_id: "id".to_owned(),
        secret_access_key,
        session_token: None,
    });
    options.set("profile", "b").unwrap();
    assert!(options.keys.is_some());
}

#[test]
fn every_name_can_be_set() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    fs::write(&file, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").unwrap();
    for (name, _) in NAMES {
        let value = match name {
            "endpoint" | "proxy" => "https://host",
            "path-style" | "allow-http" | "anonymous" | "checksum" => "no",
            "sse" => "kms",
            "sse-customer-key-file" => file.to_str().unwrap(),
            _ => "7",
        };
        assert!(set(name, value).is_ok(), "{name}");
        assert!(set(name, " ").is_err(), "{name}");
    }
}

#[test]
fn an_unknown_name_is_told_with_all_there_are() {
    let error = set("regoin", "x").expect_err("unknown");
    for (name, _) in NAMES {
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn times_have_units_and_bounds() {
    for (value, millis) in [
        ("5", 5_000),
        ("5s", 5_000),
        ("250ms", 250),
        ("2m", 120_000),
        ("1 s", 1_000),
    ] {
        let options = set("connect-timeout", value).unwrap();
        assert_eq!(
            options.connect_timeout,
            Duration::from_millis(millis),
            "{value}"
        );
    }
    for value in [
        "-1",
        "1.5s",
        "s",
        "0",
        "2d",
        "99999999999999999999",
        "86401s",
        "18446744073709551615m",
        "1é",
    ] {
        assert!(set("connect-timeout", value).is_err(), "{value}");
    }
    assert_eq!(
        set("retry-timeout", "0").unwrap().retry_timeout,
        Duration::ZERO
    );
    assert!(set("lease", "900ms").is_err());
    assert!(set("requests-in-flight", "0").is_err());
    assert_eq!(
        set("requests-per-second", "none")
            .unwrap()
            .requests_per_second,
        None
    );
}

#[test]
fn encryption_keeps_the_key_that_was_chosen() {
    let mut options = set("sse-kms-key-id", "k").unwrap();
    options.set("sse", "kms").unwrap();
    assert_eq!(
        options.sse,
        Sse::Kms {
            key_id: Some("k".to_owned())
        }
    );
    options.set("sse", "none").unwrap();
    assert_eq!(options.sse, Sse::None);
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let pairs = [
        ("AWS_SERVER_SIDE_ENCRYPTION", "sse-c"),
        ("AWS_SSE_CUSTOMER_KEY_BASE64", key),
    ];
    assert!(matches!(from(&pairs).unwrap().sse, Sse::CustomerKey(_)));
}

#[test]
fn a_key_file_that_is_none_is_named() {
    let error = set("sse-customer-key-file", "/nonexistent/key").expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("/nonexistent/key"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    fs::write(&file, "hunter2").unwrap();
    let error = set("sse-customer-key-file", file.to_str().unwrap()).expect_err("no key");
    assert!(
        error.message().contains("key: the customer key") && !error.message().contains("hunter"),
        "{error}"
    );
}
