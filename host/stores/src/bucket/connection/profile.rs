//! Profiles: settings and credentials by a name, in the files that other programs for Amazon's services read.

use std::fs;
use std::path::Path;

use crate::bucket::connection::endpoint::Endpoint;
use crate::bucket::connection::options::{Keys, ProfileFiles, Secret};
use crate::bucket::connection::sections::{Sections, Values};
use crate::error::{Error, ErrorKind, Result};

/// The profile of those who name none.
pub(crate) const DEFAULT: &str = "default";

/// Where a profile has its credentials from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It has none.
    None,
    /// The files themselves.
    Keys(Keys),
    /// A program that prints them. Its arguments may be secrets.
    Process(Secret),
    /// A role for which a token in a file stands.
    WebIdentity {
        role_arn: String,
        token_file: String,
        session_name: Option<String>,
    },
}

/// A profile as the files have it now.
pub(crate) struct Profile {
    name: String,
    credentials: Values,
    config: Values,
}

impl Profile {
    /// Reads a profile; none if neither file has it. A file that does not exist is empty.
    ///
    /// # Errors
    /// `io` for a file that cannot be read, `invalid-argument` for one that is no file of profiles.
    pub(crate) fn read(files: &ProfileFiles, name: &str) -> Result<Option<Self>> {
        let in_credentials = sections(&files.credentials)?.get(name).cloned();
        let config = sections(&files.config)?;
        let long = config.get(&format!("profile {name}"));
        let short = config.get(name).filter(|_| name == DEFAULT);
        let in_config = long.or(short).cloned();
        if in_credentials.is_none() && in_config.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            name: name.to_owned(),
            credentials: in_credentials.unwrap_or_default(),
            config: in_config.unwrap_or_default(),
        }))
    }

    /// The same, where somebody named the profile.
    ///
    /// # Errors
    /// Also `not-found`.
    pub(crate) fn read_named(files: &ProfileFiles, name: &str) -> Result<Self> {
        Self::read(files, name)?.ok_or_else(|| {
            let (one, two) = (files.credentials.display(), files.config.display());
            Error::not_found(format!(
                "there is no profile {name:?}; add [{name}] to {one} or [profile {name}] to {two}, or name \
                 another one"
            ))
        })
    }

    pub(crate) fn region(&self) -> Option<String> {
        self.value("region").map(str::to_owned)
    }

    pub(crate) fn endpoint(&self) -> Result<Option<Endpoint>> {
        let endpoint = self.value("endpoint_url").map(Endpoint::parse).transpose();
        endpoint.map_err(|error| error.at(self.place("endpoint_url")))
    }

    /// Where the credentials are.
    ///
    /// # Errors
    /// `invalid-argument` for ways to get them that only other programs know, with how to have those do it.
    pub(crate) fn source(&self) -> Result<Source> {
        if let Some(role_arn) = self.value("role_arn") {
            return match self.value("web_identity_token_file") {
                Some(token_file) => Ok(Source::WebIdentity {
                    role_arn: role_arn.to_owned(),
                    token_file: token_file.to_owned(),
                    session_name: self.value("role_session_name").map(str::to_owned),
                }),
                None => {
                    Err(self
                        .refusal("takes a role with the credentials of another (`source_profile`)"))
                }
            };
        }
        // Both halves are of one file, so that no key is paired with another's token.
        for values in [&self.credentials, &self.config] {
            if let Some(keys) = self.keys(values)? {
                return Ok(Source::Keys(keys));
            }
        }
        if let Some(process) = self.value("credential_process") {
            return Ok(Source::Process(Secret::new(process)));
        }
        if self
            .value("sso_session")
            .or_else(|| self.value("sso_start_url"))
            .is_some()
        {
            return Err(self.refusal("signs in at a portal (`sso_session`)"));
        }
        Ok(Source::None)
    }

    fn keys(&self, values: &Values) -> Result<Option<Keys>> {
        let value = |name: &str| values.get(name).filter(|value| !value.is_empty());
        let (id, secret) = (value("aws_access_key_id"), value("aws_secret_access_key"));
        let absent = match (id, secret) {
            (None, None) => return Ok(None),
            (Some(id), Some(secret)) => {
                return Ok(Some(Keys {
                    access_key_id: id.clone(),
                    secret_access_key: Secret::new(secret.as_str()),
                    session_token: value("aws_session_token")
                        .map(|token| Secret::new(token.as_str())),
                }));
            }
            (Some(_), None) => "aws_secret_access_key",
            (None, Some(_)) => "aws_access_key_id",
        };
        let text = format!(
            "profile {:?} has half a pair of keys; add {absent}",
            self.name
        );
        Err(Error::invalid(text))
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self.credentials.get(name).or_else(|| self.config.get(name));
        found.map(String::as_str).filter(|value| !value.is_empty())
    }

    fn place(&self, name: &str) -> String {
        format!("{name} of profile {:?}", self.name)
    }

    fn refusal(&self, does: &str) -> Error {
        let name = &self.name;
        Error::invalid(format!(
            "profile {name:?} {does}, which sidx does not do itself; have the AWS CLI do it: add a profile \
             with `credential_process = aws configure export-credentials --profile {name} --format process` \
             and name that one"
        ))
    }
}

fn sections(path: &Path) -> Result<Sections> {
    let place = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Sections::default());
        }
        Err(cause) => {
            let text = format!("cannot read the profiles in {place}: {cause}");
            return Err(Error::new(ErrorKind::Io, text));
        }
    };
    // What the line says may be a key.
    Sections::parse(&text).map_err(|line| {
        Error::invalid(format!(
            "line {line} of {place} is neither `[section]` nor `name = value`; correct it, or make it a \
             comment with `#`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _directory: tempfile::TempDir,
        files: ProfileFiles,
    }

    fn place(credentials: &str, config: &str) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let files = ProfileFiles {
            credentials: directory.path().join("credentials"),
            config: directory.path().join("config"),
        };
        fs::write(&files.credentials, credentials).unwrap();
        fs::write(&files.config, config).unwrap();
        Place {
            _directory: directory,
            files,
        }
    }

    fn source(credentials: &str, config: &str, name: &str) -> Result<Source> {
        Profile::read_named(&place(credentials, config).files, name)?.source()
    }

    #[test]
    fn a_profile_is_in_both_files() {
        let place = place(
            "[work]\naws_access_key_id = AKIA\naws_secret_access_key = hunter2\n",
            "[profile work]\nregion = eu-west-1\nendpoint_url = https://s3.example.com\n\
             aws_session_token = hunter3\n[work]\nregion = wrong\n",
        );
        let profile = Profile::read(&place.files, "work").unwrap().unwrap();
        assert_eq!(profile.region().as_deref(), Some("eu-west-1"));
        assert_eq!(
            profile.endpoint().unwrap().unwrap().to_string(),
            "https://s3.example.com"
        );
        let Source::Keys(keys) = profile.source().unwrap() else {
            panic!("no keys");
        };
        assert_eq!(
            (keys.access_key_id.as_str(), keys.secret_access_key.expose()),
            ("AKIA", "hunter2")
        );
        assert_eq!(keys.session_token, None, "a token of another file");
        assert!(!format!("{keys:?}").contains("hunter"));
    }

    #[test]
    fn the_default_has_two_names() {
        for name in ["default", "profile default"] {
            let place = place("", &format!("[{name}]\nregion = r\n"));
            let profile = Profile::read(&place.files, DEFAULT).unwrap().unwrap();
            assert_eq!(profile.region().as_deref(), Some("r"));
            assert_eq!(profile.source().unwrap(), Source::None);
        }
    }

    #[test]
    fn a_profile_that_is_nowhere_is_told_with_where_it_was_looked_for() {
        let files = ProfileFiles {
            credentials: "/nonexistent/one".into(),
            config: "/nonexistent/two".into(),
        };
        assert!(Profile::read(&files, DEFAULT).unwrap().is_none());
        let error = Profile::read_named(&files, "work").err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.message().contains("[work] to /nonexistent/one"),
            "{error}"
        );
        assert!(
            error
                .message()
                .contains("[profile work] to /nonexistent/two"),
            "{error}"
        );
    }

    #[test]
    fn programs_and_tokens_are_sources() {
        let process = source(
            "",
            "[profile p]\ncredential_process = /bin/keys --password hunter2\n",
            "p",
        )
        .unwrap();
        assert_eq!(
            process,
            Source::Process(Secret::new("/bin/keys --password hunter2"))
        );
        assert!(!format!("{process:?}").contains("hunter"));
        let web = "[profile p]\nrole_arn = arn:r\nweb_identity_token_file = /token\n";
        let web = source("", web, "p").unwrap();
        assert!(
            matches!(web, Source::WebIdentity { ref token_file, .. } if token_file == "/token")
        );
    }

    #[test]
    fn what_only_other_programs_can_do_is_refused_with_how_to_have_them_do_it() {
        for config in [
            "role_arn = arn:r\nsource_profile = other\n",
            "role_arn = arn:r\ncredential_source = Ec2InstanceMetadata\n",
            "sso_session = s\n",
            "sso_start_url = https://x\n",
        ] {
            let error = source("", &format!("[profile p]\n{config}"), "p").expect_err(config);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let text = "credential_process = aws configure export-credentials --profile p";
            assert!(error.message().contains(text), "{error}");
        }
    }

    #[test]
    fn nothing_of_a_broken_file_is_repeated() {
        for (credentials, why) in [
            ("[p]\naws_secret_access_key hunter2\n", "line 2 of"),
            (
                "[p]\naws_secret_access_key = hunter2\n",
                "aws_access_key_id",
            ),
        ] {
            let error = source(credentials, "", "p").expect_err(why);
            assert!(
                error.message().contains(why) && !error.message().contains("hunter"),
                "{error}"
            );
        }
        let place = place("", "[default]\nendpoint_url = https://a:hunter2@b\n");
        let profile = Profile::read(&place.files, DEFAULT).unwrap().unwrap();
        let error = profile.endpoint().expect_err("credentials");
        assert!(
            error.message().contains("endpoint_url of profile")
                && !error.message().contains("hunter")
        );
    }
}
