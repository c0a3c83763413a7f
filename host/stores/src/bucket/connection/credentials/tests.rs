use std::path::PathBuf;

use super::*;

struct Place {
    directory: tempfile::TempDir,
    provider: ProfileCredentials,
}

impl Place {
    fn new(credentials: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = ProfileFiles {
            credentials: directory.path().join("credentials"),
            config: directory.path().join("config"),
        };
        fs::write(&files.credentials, credentials).unwrap();
        let provider = ProfileCredentials::new(files, "p");
        Self {
            directory,
            provider,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// A profile with a program that prints a file and counts how often it ran.
    fn with_program() -> Self {
        let place = Self::new("");
        let (runs, answer) = (place.file("runs"), place.file("answer"));
        let program = format!("echo >> {}; cat {}", runs.display(), answer.display());
        place.write(
            "config",
            &format!("[profile p]\ncredential_process = {program}\n"),
        );
        place
    }

    fn answer(&self, id: &str, seconds: i64) {
        let expires = Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap();
        let text = format!(
            r#"{{"Version": 1, "AccessKeyId": "{id}", "SecretAccessKey": "hunter2", "SessionToken": "hunter3",
                "Expiration": "{expires}", "More": 1}}"#
        );
        self.write("answer", &text);
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.file("runs")).unwrap().len()
    }

    async fn id(&self) -> Result<String> {
        self.provider
            .now()
            .await
            .map(|credential| credential.key_id.clone())
    }

    /// As if a while had passed.
    async fn forget_to_wait(&self) {
        let mut known = self.provider.known.lock().await;
        let known = known.as_mut().unwrap();
        known.look_at = Instant::now();
        known.renew_at = known.renew_at.map(|_| Instant::now());
    }
}

fn keys(id: &str) -> String {
    format!(
        "[p]\naws_access_key_id = {id}\naws_secret_access_key = hunter2\naws_session_token = hunter3\n"
    )
}

#[tokio::test]
async fn keys_that_change_in_the_file_are_taken() {
    let place = Place::new(&keys("one"));
    let credential = place.provider.now().await.unwrap();
    assert_eq!(
        (credential.secret_key.as_str(), credential.token.as_deref()),
        ("hunter2", Some("hunter3"))
    );
    place.write("credentials", &keys("second"));
    assert_eq!(place.id().await.unwrap(), "one", "not looked at so soon");
    place.forget_to_wait().await;
    assert_eq!(place.id().await.unwrap(), "second");
}

#[tokio::test]
async fn a_file_that_breaks_leaves_the_keys_it_had() {
    let place = Place::new(&keys("one"));
    place.id().await.unwrap();
    place.write("credentials", "");
    place.forget_to_wait().await;
    assert_eq!(place.id().await.unwrap(), "one");
    place.write("credentials", &keys("second"));
    place.forget_to_wait().await;
    assert_eq!(place.id().await.unwrap(), "second");
}

#[tokio::test]
async fn a_program_is_run_again_before_its_keys_expire() {
    let place = Place::with_program();
    place.answer("one", 3600);
    assert_eq!(place.id().await.unwrap(), "one");
    assert_eq!(place.id().await.unwrap(), "one");
    assert_eq!(place.runs(), 1);
    let due = place
        .provider
        .known
        .lock()
        .await
        .as_ref()
        .unwrap()
        .renew_at
        .unwrap();
    let wait = due.duration_since(Instant::now());
    assert!((3290..=3300).contains(&wait.as_secs()), "{wait:?}");
    place.answer("two", 3600);
    place.forget_to_wait().await;
    assert_eq!(place.id().await.unwrap(), "two");
    assert_eq!(place.runs(), 2);
}

#[tokio::test]
async fn one_run_serves_all_who_wait() {
    let place = Arc::new(Place::with_program());
    place.answer("one", 3600);
    let all: Vec<_> = (0..8)
        .map(|_| {
            let place = Arc::clone(&place);
            tokio::spawn(async move { place.id().await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap(), "one");
    }
    assert_eq!(place.runs(), 1);
}

#[tokio::test]
async fn a_program_that_fails_is_borne_while_the_old_keys_hold() {
    let place = Place::with_program();
    place.answer("one", 3600);
    place.id().await.unwrap();
    place.write("answer", "hunter2");
    place.forget_to_wait().await;
    assert_eq!(place.id().await.unwrap(), "one");
    assert_eq!(place.id().await.unwrap(), "one");
    assert_eq!(place.runs(), 2, "not at each request");
    place.provider.known.lock().await.as_mut().unwrap().expires = Some(Timestamp::UNIX_EPOCH);
    place.forget_to_wait().await;
    let error = place.id().await.expect_err("expired");
    assert!(
        error
            .message()
            .starts_with("credential_process of profile \"p\": "),
        "{error}"
    );
}

#[tokio::test]
async fn keys_of_a_short_life_are_not_renewed_at_each_request() {
    let place = Place::with_program();
    place.answer("one", 60);
    place.id().await.unwrap();
    place.id().await.unwrap();
    assert_eq!(place.runs(), 1);
}

#[tokio::test]
async fn nothing_that_a_program_is_or_says_is_told() {
    let most = Duration::from_millis(300);
    for (command, why) in [
        ("echo hunter2", "JSON"),
        ("echo hunter2 >&2; exit 3", "exit status: 3"),
        (
            "echo '{\"Version\": 1, \"AccessKeyId\": \"hunter2\"}'",
            "JSON",
        ),
        (
            "echo '{\"Version\": 1, \"AccessKeyId\": \"a\", \"SecretAccessKey\": {\"x\": \"hunter2\"}}'",
            "JSON",
        ),
        (
            "echo '{\"Version\": 9, \"AccessKeyId\": \"hunter2\", \"SecretAccessKey\": \"hunter2\"}'",
            "version 9",
        ),
        (
            "echo '{\"Version\": 1, \"AccessKeyId\": \"hunter2\", \"SecretAccessKey\": \"hunter2\", \
             \"Expiration\": \"2020-01-01T00:00:00Z\"}'",
            "expired",
        ),
        ("sleep 5; echo hunter2", "no answer"),
    ] {
        let error = run(&Secret::new(command), most).await.err().expect(command);
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(
            error.message().contains(why) && !format!("{error:?}").contains("hunter"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_provider_shows_no_secret() {
    let place = Place::new(&keys("one"));
    let credential = place.provider.get_credential().await.unwrap();
    assert!(!format!("{:?} {credential:?}", place.provider).contains("hunter"));
    place.write("credentials", "[p]\nhunter2\n");
    *place.provider.known.lock().await = None;
    let error = place.provider.get_credential().await.expect_err("broken");
    assert!(!format!("{error} {error:?}").contains("hunter"), "{error}");
}
