//! A service for tests that gives one answer to every request, and keeps what it was asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::bucket::connection::options::{BucketOptions, Keys, Secret};
use crate::bucket::connection::{address::Address, connect};
use crate::bucket::service::Service;

pub(crate) struct TestService {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TestService {
    /// Answers with a status line and a body. Without a status line it takes the request and hangs up.
    pub(crate) fn new(status: &str, body: &str) -> Self {
        Self::with_headers(status, "", body)
    }

    pub(crate) fn with_headers(status: &str, headers: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let length = body.len();
        let answer = match status {
            "" => String::new(),
            _ => format!(
                "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ),
        };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = vec![0; 65_536];
                let count = stream.read(&mut request).unwrap_or_default();
                kept.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&request[..count]).into_owned());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn client(&self) -> Arc<dyn Service> {
        connect(&Address::parse("s3://bucket").unwrap(), &options(&self.url)).unwrap()
    }

    pub(crate) async fn get(&self) -> object_store::Error {
        self.client()
            .get(&Path::from("a/b"))
            .await
            .expect_err("no answer is good")
    }

    pub(crate) async fn create(&self) -> object_store::Error {
        create(&*self.client())
            .await
            .expect_err("no answer is good")
    }

    pub(crate) async fn list(&self) -> object_store::Error {
        self.client()
            .list_with_delimiter(None)
            .await
            .expect_err("no answer is good")
    }
}

pub(crate) async fn create(client: &dyn Service) -> object_store::Result<object_store::PutResult> {
    let options = PutOptions::from(PutMode::Create);
    client
        .put_opts(
            &Path::from("a/b"),
            PutPayload::from_static(b"text"),
            options,
        )
        .await
}

pub(crate) fn options(endpoint: &str) -> BucketOptions {
    let mut options = BucketOptions::default();
    options.set("endpoint", endpoint).unwrap();
    options.set("request-timeout", "2s").unwrap();
    options.set("connect-timeout", "1s").unwrap();
    options.allow_http = true;
    options.keys = Some(Keys {
        access_key_id: "AKIA".to_owned(),
        secret_access_key: Secret::new("hunter2"),
        session_token: Some(Secret::new("hunter3")),
    });
    options
}

/// An error as S3 writes it, with the request repeated.
pub(crate) fn body(code: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>{more}\
         <CanonicalRequest>x-amz-security-token:hunter3</CanonicalRequest></Error>"
    )
}
