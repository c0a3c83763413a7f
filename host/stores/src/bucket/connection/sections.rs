//! The files of profiles: sections of `name = value`.
//!
//! They are no INI files of any crate's kind. A line that is further in than the one above belongs to the
//! value above; a comment may stand anywhere on a line of its own; only `=` parts a name from a value. A
//! parser that takes these otherwise (rust-ini loses a section behind a comment that is not at the edge)
//! reads another profile's keys, so this is our own.

use std::collections::HashMap;

/// Which names have which values in a section.
pub(crate) type Values = HashMap<String, String>;

/// The sections of a file by their names. Names of values are in small letters; the last one of a name holds.
#[derive(Default)]
pub(crate) struct Sections(HashMap<String, Values>);

impl Sections {
    /// Takes a file apart.
    ///
    /// # Errors
    /// The number of a line that is neither a section, nor a value, nor a comment.
    pub(crate) fn parse(text: &str) -> Result<Self, usize> {
        let mut sections = Self::default();
        let mut current: Option<String> = None;
        // How far in the last value began.
        let mut edge: Option<usize> = None;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1_usize..).zip(text.lines()) {
            let content = line.trim();
            let is_comment = content.starts_with('#') || content.starts_with(';');
            if content.is_empty() || is_comment {
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            if edge.is_some_and(|edge| indent > edge) {
                continue;
            }
            if let Some(rest) = content.strip_prefix('[') {
                let (name, _) = rest.split_once(']').ok_or(number)?;
                let name = words(name);
                sections.0.entry(name.clone()).or_default();
                (current, edge) = (Some(name), None);
                continue;
            }
            let (name, value) = content.split_once('=').ok_or(number)?;
            let name = name.trim().to_ascii_lowercase();
            // A shell knows comments of its own.
            let value = match name.as_str() {
                "credential_process" => value.trim(),
                _ => without_comment(value).trim(),
            };
            let section = current.as_ref().ok_or(number)?;
            if let Some(values) = sections.0.get_mut(section) {
                values.insert(name, value.to_owned());
            }
            edge = Some(indent);
        }
        Ok(sections)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Values> {
        self.0.get(name)
    }
}

/// A section's name with one blank between words and without quotes.
fn words(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    words.join(" ").replace(['"', '\''], "")
}

/// What stands in front of a `#` or `;` that has a blank in front.
fn without_comment(value: &str) -> &str {
    let mut before = ' ';
    for (at, c) in value.char_indices() {
        if (c == '#' || c == ';') && before.is_whitespace() {
            return value.get(..at).unwrap_or_default();
        }
        before = c;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(sections: &'a Sections, section: &str, name: &str) -> Option<&'a str> {
        sections.get(section)?.get(name).map(String::as_str)
    }

    #[test]
    fn sections_have_values_and_comments() {
        let text = "\u{feff}# top\n[default]\r\nAWS_Access_Key_Id = AKIA\r\nsecret=ab/c+d==\n  # further in\n\
                    ; other\n\n[ profile  \"a b\" ] # behind\nregion = eu-west-1 # here\nhash = a#b;c\n\
                    credential_process = \"/opt/a b\" x:y \\z '#q' ; w\n[default]\nregion=last\n";
        let sections = Sections::parse(text).unwrap();
        assert_eq!(
            value(&sections, "default", "aws_access_key_id"),
            Some("AKIA")
        );
        assert_eq!(value(&sections, "default", "secret"), Some("ab/c+d=="));
        assert_eq!(value(&sections, "default", "region"), Some("last"));
        assert_eq!(value(&sections, "profile a b", "region"), Some("eu-west-1"));
        assert_eq!(value(&sections, "profile a b", "hash"), Some("a#b;c"));
        let process = value(&sections, "profile a b", "credential_process");
        assert_eq!(process, Some("\"/opt/a b\" x:y \\z '#q' ; w"));
        assert!(sections.get("a b").is_none());
    }

    #[test]
    fn what_is_further_in_belongs_to_the_value_above() {
        let text = "[a]\ns3 =\n  region = wrong\n  no equals sign\nregion = right\n\
                    [b]\n  region = b\n  x = 1\n    region = wrong\n  y = 2\n";
        let sections = Sections::parse(text).unwrap();
        assert_eq!(value(&sections, "a", "region"), Some("right"));
        assert_eq!(value(&sections, "a", "s3"), Some(""));
        assert_eq!(value(&sections, "b", "region"), Some("b"));
        assert_eq!(value(&sections, "b", "y"), Some("2"));
    }

    #[test]
    fn a_line_that_is_none_of_these_is_numbered() {
        for (text, number) in [("[a]\nx = 1\nhunter2\n", 3), ("x = 1\n", 1), ("\n[a\n", 2)] {
            assert_eq!(Sections::parse(text).err(), Some(number), "{text}");
        }
        assert!(Sections::parse("").is_ok());
    }
}
