//! What parts are called: by number, and in the store by the term of the writer that made them too, so that
//! two writers that give the same number make two parts. The name also tells the form.

use super::layout::{MEMORY_PARTS, PARTS, part_label, part_number};
use crate::host::{Form, Medium};
use sidx_log::Term;
use std::fmt;

/// The name of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartName {
    /// No two parts of a list have the same.
    pub(crate) number: u64,
    /// Of the writer that made it; [`Term::NONE`] of parts that were made before there were terms, and of
    /// parts in memory, which no other writer sees.
    pub(crate) term: Term,
    /// Whether it is a folder or a file.
    pub(crate) form: Form,
}

/// The end of the name of a part that is one file.
const FILE_EXTENSION: &str = ".part";

impl PartName {
    /// That of a part in memory.
    pub(crate) fn in_memory(number: u64) -> Self {
        Self {
            number,
            term: Term::NONE,
            form: Form::File,
        }
    }

    /// What a name says; none for names that no part has.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (name, form) = match name.strip_suffix(FILE_EXTENSION) {
            None => (name, Form::Folder),
            Some(name) => (name, Form::File),
        };
        let (number, term) = match name.split_once('-') {
            None => (name, Term::NONE),
            Some((number, term)) => {
                let term = Term::parse(term).filter(|term| *term != Term::NONE)?;
                (number, term)
            }
        };
        let number = part_number(number)?;
        Some(Self { number, term, form })
    }

    /// Its folder or file.
    pub(crate) fn path(self, medium: Medium) -> String {
        StoredName::Part(self).path(medium)
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&part_label(self.number))?;
        if self.term != Term::NONE {
            write!(f, "-{}", self.term)?;
        }
        match self.form {
            Form::Folder => Ok(()),
            Form::File => f.write_str(FILE_EXTENSION),
        }
    }
}

/// The name of a file with dead rows of a part. It begins as those of parts do, with the number of the part
/// that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadName {
    /// Of the part.
    pub(crate) part: u64,
    /// Of the writer that made the file; [`Term::NONE`] in memory.
    pub(crate) term: Term,
    /// Given as the numbers of parts are, so that no two files of a writer have the same.
    pub(crate) serial: u64,
}

/// What stands between the term and the serial of a file with dead rows.
const DEAD_INFIX: &str = ".dead-";

impl DeadName {
    /// What a name says; none for names that no such file has.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (owner, serial) = name.split_once(DEAD_INFIX)?;
        let PartName { number, term, form } = PartName::parse(owner)?;
        let serial = part_number(serial).filter(|_| form == Form::Folder)?;
        Some(Self {
            part: number,
            term,
            serial,
        })
    }

    /// Its file.
    pub(crate) fn path(self, medium: Medium) -> String {
        StoredName::Dead(self).path(medium)
    }
}

impl fmt::Display for DeadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = PartName {
            number: self.part,
            term: self.term,
            form: Form::Folder,
        };
        write!(f, "{owner}{DEAD_INFIX}{}", part_label(self.serial))
    }
}

/// What lies in the folder of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StoredName {
    Part(PartName),
    Dead(DeadName),
}

impl StoredName {
    /// What a name says; none for names that nothing of ours has.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let part = PartName::parse(name).map(Self::Part);
        part.or_else(|| DeadName::parse(name).map(Self::Dead))
    }

    /// Its folder or file.
    pub(crate) fn path(self, medium: Medium) -> String {
        match medium {
            Medium::Memory => format!("{MEMORY_PARTS}/{self}"),
            Medium::Durable => format!("{PARTS}/{self}"),
        }
    }

    /// Of the writer that made it.
    pub(crate) fn term(self) -> Term {
        match self {
            Self::Part(name) => name.term,
            Self::Dead(name) => name.term,
        }
    }

    /// The number in it that no other has.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Part(name) => name.number,
            Self::Dead(name) => name.serial,
        }
    }
}

impl fmt::Display for StoredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(name) => name.fmt(f),
            Self::Dead(name) => name.fmt(f),
        }
    }
}

/// What reports call the part of a name: its number, without the term. Other names, such as `log`, stay.
pub(crate) fn label_of(name: &str) -> String {
    PartName::parse(name).map_or_else(|| name.to_owned(), |part| part_label(part.number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_format_and_no_others() {
        let term = Term {
            number: 3,
            nonce: 0xab,
        };
        let name = PartName {
            number: 10,
            term,
            form: Form::Folder,
        };
        let text = "000000000000000a-0000000000000003000000000000000000000000000000ab";
        assert_eq!(name.to_string(), text);
        assert_eq!(PartName::parse(text), Some(name));
        assert_eq!(label_of(text), "000000000000000a");
        let form = Form::File;
        let file = PartName { form, ..name };
        assert_eq!(file.to_string(), format!("{text}.part"));
        assert_eq!(PartName::parse(&file.to_string()), Some(file));
        assert_eq!(label_of(&file.to_string()), "000000000000000a");
        let term = Term::NONE;
        let old = PartName { term, ..name };
        assert_eq!(PartName::parse("000000000000000a"), Some(old));
        assert_eq!(old.to_string(), "000000000000000a");
        let memory = PartName::in_memory(10);
        assert_eq!(memory.path(Medium::Memory), "memory/000000000000000a.part");
        assert_eq!(label_of("log"), "log");
        let (part, serial) = (10, 255);
        let dead = DeadName {
            part,
            term: Term {
                number: 3,
                nonce: 0xab,
            },
            serial,
        };
        assert_eq!(dead.to_string(), format!("{text}.dead-00000000000000ff"));
        assert_eq!(
            StoredName::parse(&dead.to_string()),
            Some(StoredName::Dead(dead))
        );
        assert_eq!(StoredName::parse(text), Some(StoredName::Part(name)));
        assert_eq!(PartName::parse(&dead.to_string()), None);
        for junk in [
            format!("{file}.dead-00000000000000ff"),
            format!("{text}.dead-ff"),
        ] {
            assert_eq!(StoredName::parse(&junk), None, "{junk}");
        }
        let none = format!("000000000000000a-{:048x}", 0);
        for junk in [
            "",
            "a",
            "x-y",
            "000000000000000a-",
            &none,
            &text[..64],
            ".part",
            &format!("{file}.part"),
        ] {
            assert_eq!(PartName::parse(junk), None, "{junk}");
        }
        assert_eq!(PartName::parse(&text.to_uppercase()), None);
    }
}
