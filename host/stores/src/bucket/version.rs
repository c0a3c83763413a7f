//! The version of an object: the tag that services compare, and the generation where they have one.

use object_store::{ObjectMeta, UpdateVersion};

/// The version of an object, as the service tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version(String);

impl Version {
    /// Services write the same tag with quotes in one answer and without in the next.
    pub(super) fn new(tag: Option<&str>, generation: Option<&str>) -> Self {
        let tag = tag.unwrap_or_default();
        let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        match generation {
            Some(generation) => Self(format!("{tag} {generation}")),
            None => Self(tag.to_owned()),
        }
    }

    /// The time of the last change stands for a tag where a service tells none.
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        let changed = || meta.last_modified.timestamp_micros().to_string();
        let tag = meta.e_tag.clone().unwrap_or_else(changed);
        Self::new(Some(&tag), meta.version.as_deref())
    }

    pub(super) fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn condition(&self, is_bare: bool) -> UpdateVersion {
        let (tag, generation) = match self.0.split_once(' ') {
            Some((tag, generation)) => (tag, Some(generation.to_owned())),
            None => (self.0.as_str(), None),
        };
        UpdateVersion {
            e_tag: Some(match is_bare {
                true => tag.to_owned(),
                false => format!("\"{tag}\""),
            }),
            version: generation,
        }
    }
}
