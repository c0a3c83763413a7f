use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::*;
use crate::bucket::connection::test_service::{TestService, body, create, options};
use crate::bucket::connection::{address::Address, connect};

async fn status_outcome(line: &str, code: &str) -> Outcome {
    let service = TestService::new(line, &body(code, ""));
    let error = service.create().await;
    assert_eq!(status(&error).unwrap().to_string(), line[..3]);
    assert_eq!(self::code(&error).as_deref(), Some(code));
    assert_eq!(
        service.asked().len(),
        1,
        "the client makes no request twice"
    );
    outcome(&error)
}

#[tokio::test]
async fn an_answer_tells_whether_something_happened() {
    for (line, code, expected) in [
        ("400 Bad Request", "InvalidRequest", Outcome::Definite),
        ("400 Bad Request", "ExpiredToken", Outcome::Definite),
        ("403 Forbidden", "AccessDenied", Outcome::Definite),
        ("404 Not Found", "NoSuchBucket", Outcome::Definite),
        ("408 Request Timeout", "RequestTimeout", Outcome::Doubt),
        (
            "409 Conflict",
            "ConditionalRequestConflict",
            Outcome::NotSent,
        ),
        ("409 Conflict", "BlobAlreadyExists", Outcome::Definite),
        (
            "412 Precondition Failed",
            "PreconditionFailed",
            Outcome::Definite,
        ),
        ("425 Too Early", "TooEarly", Outcome::Doubt),
        ("429 Too Many Requests", "TooManyRequests", Outcome::NotSent),
        ("500 Internal Server Error", "InternalError", Outcome::Doubt),
        ("501 Not Implemented", "NotImplemented", Outcome::Definite),
        ("503 Slow Down", "SlowDown", Outcome::Doubt),
    ] {
        assert_eq!(status_outcome(line, code).await, expected, "{line}");
    }
}

#[tokio::test]
async fn a_redirect_to_nowhere_has_no_status() {
    let error = TestService::new("301 Moved Permanently", &body("PermanentRedirect", ""))
        .create()
        .await;
    assert!(is_bare_redirect(&error));
    assert_eq!((status(&error), outcome(&error)), (None, Outcome::Definite));
}

#[tokio::test]
async fn a_service_that_is_not_there_was_not_asked() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = connect(&Address::parse("s3://bucket").unwrap(), &options(&url)).unwrap();
    let error = create(&*client).await.expect_err("nobody there");
    assert_eq!(outcome(&error), Outcome::NotSent);
    assert_eq!(origin(&error), Some(url));
    assert_eq!(broken(&error).unwrap().0, Broken::Connect);
}

#[tokio::test]
async fn a_service_that_hangs_up_leaves_a_doubt() {
    let service = TestService::new("", "");
    let error = service.create().await;
    assert_eq!(outcome(&error), Outcome::Doubt, "{error}");
    assert_eq!(broken(&error).unwrap().0, Broken::Connection);
    assert!(!service.asked().is_empty());
}

#[tokio::test]
async fn a_service_that_says_nothing_leaves_a_doubt_but_not_before_it_was_asked() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (scheme, expected, how) in [
        ("http", Outcome::Doubt, Broken::Timeout),
        ("https", Outcome::NotSent, Broken::ConnectTimeout),
    ] {
        let mut options = options(&format!("{scheme}://{address}"));
        options.set("request-timeout", "600ms").unwrap();
        options.set("connect-timeout", "200ms").unwrap();
        let client = connect(&Address::parse("s3://bucket").unwrap(), &options).unwrap();
        let error = create(&*client).await.expect_err("silence");
        assert_eq!(
            (broken(&error).unwrap().0, outcome(&error)),
            (how, expected),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_listing_tells_the_same_as_other_requests() {
    let error = TestService::new("404 Not Found", &body("NoSuchBucket", ""))
        .list()
        .await;
    assert_eq!(
        (status(&error), code(&error).as_deref()),
        (Some(404), Some("NoSuchBucket"))
    );
    assert_eq!(method(&error), Some(("GET".to_owned(), true)));
}

#[tokio::test]
async fn a_good_status_with_a_bad_body_has_a_code() {
    let service = TestService::new("200 OK", &body("InternalError", ""));
    let client = service.client();
    let id = "x".to_owned();
    let error = client
        .complete_multipart(&Path::from("a"), &id, vec![])
        .await;
    // An upload without parts gets one first, to which this is no answer.
    let error = error.expect_err("no etag");
    assert_eq!(outcome(&error), Outcome::Doubt);
}

#[tokio::test]
async fn a_store_in_memory_leaves_no_doubt() {
    let store = InMemory::new();
    let key = Path::from("a");
    let error = store.get(&key).await.expect_err("absent");
    assert_eq!(
        (status(&error), code(&error), outcome(&error)),
        (None, None, Outcome::Definite)
    );
    store.put(&key, "".into()).await.unwrap();
    let range = Some(GetRange::Bounded(5..6));
    let error = store
        .get_opts(
            &key,
            GetOptions {
                range,
                ..GetOptions::default()
            },
        )
        .await;
    assert_eq!(
        outcome(&error.expect_err("no such bytes")),
        Outcome::Definite
    );
}

#[tokio::test]
async fn keys_with_odd_names_do_not_pass_for_answers() {
    let service = TestService::new("403 Forbidden", &body("AccessDenied", ""));
    let key = Path::from("x - Server returned non-2xx status code: 500 <Code>SlowDown</Code>");
    let error = service.client().get(&key).await.expect_err("refused");
    assert_eq!(
        (status(&error), code(&error).as_deref()),
        (Some(403), Some("AccessDenied"))
    );
}

#[test]
fn texts_of_others_are_cut_and_on_one_line() {
    assert_eq!(short(" a\nb\x1b[1m "), "a b [1m");
    assert_eq!(short(&"ä".repeat(500)).chars().count(), 200);
    assert_eq!(
        element(" - Server returned <Code>a&amp;lt;b</Code>", "Code").as_deref(),
        Some("a&lt;b")
    );
    assert_eq!(element("<Code>a</Code>", "Code"), None);
}
