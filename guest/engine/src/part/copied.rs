//! A part as a copy has it, in either form: which bytes of which files make each of its files, and what they
//! must be. Sections keep their bytes; only the manifest says where they lie. Nothing is read or written
//! here.

use super::footer;
use super::manifest::{FileEntry, Manifest};
use super::name::PartName;
use crate::error::{Error, Result};
use crate::host::{Chunk, Form, Medium};

/// What a copy is made of: files, and the sections that their pieces belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopiedPart {
    /// The whole name of the part in the copy.
    pub name: String,
    /// What the bytes are compared with.
    pub sections: Vec<CopiedSection>,
    /// Paths of the files that are read.
    pub sources: Vec<String>,
    /// Those that are made.
    pub files: Vec<CopiedFile>,
}

/// A section of a part, or another file that is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedSection {
    /// For messages: the path of the file that is read, and of a section of one file its name behind it.
    pub name: String,
    /// Bytes in all its pieces.
    pub size_bytes: u64,
    /// CRC32C of its pieces, one behind the other as they come in the file that is made.
    pub checksum: u32,
}

/// A file of the copy: its pieces one behind the other, and what is at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFile {
    /// Where it lies.
    pub path: String,
    /// What is read for it.
    pub pieces: Vec<CopiedPiece>,
    /// What it ends with.
    pub end: Vec<u8>,
}

/// Bytes of a file that is read, which are of one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedPiece {
    /// Which of the files that are read.
    pub source: usize,
    /// Which section.
    pub section: usize,
    /// Where it begins in the file that is read.
    pub offset: u64,
    /// Its length.
    pub size_bytes: u64,
}

impl CopiedFile {
    /// Its bytes in all.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let pieces = self.pieces.iter().map(|piece| piece.size_bytes);
        pieces.fold(self.end.len() as u64, u64::saturating_add)
    }
}

/// A part that is to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartToCopy(PartName);

impl PartToCopy {
    /// The part with this whole name. `corrupt` when none has it.
    ///
    /// # Errors
    /// `corrupt`.
    pub fn named(name: &str) -> Result<Self> {
        let parsed = PartName::parse(name).map(Self);
        parsed.ok_or_else(|| Error::corrupt(format!("{name:?} is not a part name")))
    }

    /// Its whole name.
    #[must_use]
    pub fn name(self) -> String {
        self.0.to_string()
    }

    /// How it is stored.
    #[must_use]
    pub fn form(self) -> Form {
        self.0.form
    }

    /// Its folder or file.
    #[must_use]
    pub fn path(self) -> String {
        self.0.path(Medium::Durable)
    }

    /// The file whose bytes are the manifest, or at whose end that stands.
    #[must_use]
    pub fn manifest_path(self) -> String {
        match self.0.form {
            Form::Folder => Manifest::path(self.0),
            Form::File => self.path(),
        }
    }

    /// Where the manifest stands in that file: its offset and length. `last` are the last 12 bytes of the
    /// file, or fewer of a shorter one.
    ///
    /// # Errors
    /// `corrupt` when it cannot be there.
    pub fn manifest_extent(self, file_bytes: u64, last: &[u8]) -> Result<(u64, u32)> {
        let corrupt = |text: String| Error::corrupt(text).at(self.manifest_path());
        let (footer_bytes, length) = match self.0.form {
            Form::Folder => (0, u32::try_from(file_bytes).unwrap_or(u32::MAX)),
            Form::File => {
                let length = footer::metadata_length(last, footer::Kind::Part);
                let length = length.map_err(|error| error.at(self.manifest_path()))?;
                (u64::from(footer::FOOTER_BYTES), length)
            }
        };
        if length > footer::METADATA_BYTES_MAX {
            return Err(corrupt(format!("a manifest of {length} bytes")));
        }
        let offset = file_bytes.checked_sub(u64::from(length) + footer_bytes);
        let offset = offset.ok_or_else(|| {
            corrupt(format!(
                "it has {file_bytes} bytes, its footer says that {length} of them are metadata"
            ))
        })?;
        Ok((offset, length))
    }

    /// What its copy in this form is made of. `manifest` are the bytes of the manifest, `file_bytes` is the
    /// size of the file that they stand in.
    ///
    /// A part that keeps its form keeps all bytes. Made one file, sections lie one behind the other in the
    /// order of the manifest: as they would where they were written so, if none has more than 256 KiB.
    ///
    /// # Errors
    /// `corrupt`, `unsupported-version`.
    pub fn copied(self, form: Form, manifest: &[u8], file_bytes: u64) -> Result<CopiedPart> {
        let file_bytes = Some(file_bytes).filter(|_| self.0.form == Form::File);
        let told = Manifest::parse(self.0, manifest, file_bytes)?;
        let name = PartName { form, ..self.0 };
        let mut part = CopiedPart {
            name: name.to_string(),
            sections: told.files.iter().map(|file| self.section(file)).collect(),
            ..CopiedPart::default()
        };
        match self.0.form {
            Form::Folder => part.sources = part.sections.iter().map(|it| it.name.clone()).collect(),
            Form::File => part.sources = vec![self.path()],
        }
        let pieces = self.pieces(&told)?;
        match form {
            Form::Folder => {
                for (section, entry) in told.files.iter().enumerate() {
                    let own = pieces.iter().filter(|piece| piece.section == section);
                    part.files.push(CopiedFile {
                        path: format!("{}/{}", name.path(Medium::Durable), entry.name),
                        pieces: own.copied().collect(),
                        end: Vec::new(),
                    });
                }
                part.files.push(CopiedFile {
                    path: Manifest::path(name),
                    pieces: Vec::new(),
                    end: match self.0.form {
                        Form::Folder => manifest.to_vec(),
                        Form::File => moved(told, name, Vec::new()).sealed()?,
                    },
                });
            }
            Form::File => {
                let bytes = match self.0.form {
                    Form::File => manifest.to_vec(),
                    Form::Folder => {
                        let places = places(&pieces, told.files.len());
                        moved(told, name, places).sealed()?
                    }
                };
                part.files.push(CopiedFile {
                    path: name.path(Medium::Durable),
                    pieces,
                    end: footer::end(footer::Kind::Part, bytes)?,
                });
            }
        }
        Ok(part)
    }

    fn section(self, file: &FileEntry) -> CopiedSection {
        CopiedSection {
            name: format!("{}/{}", self.path(), file.name),
            size_bytes: file.size_bytes,
            checksum: file.checksum(),
        }
    }

    /// All pieces of all sections: of a folder each file, of one file its chunks in the order in which they
    /// lie.
    fn pieces(self, manifest: &Manifest) -> Result<Vec<CopiedPiece>> {
        let mut pieces = Vec::new();
        for (section, file) in manifest.files.iter().enumerate() {
            let (source, chunks) = match self.0.form {
                Form::Folder => {
                    let (offset, size_bytes) = (0, file.size_bytes);
                    (section, vec![Chunk { offset, size_bytes }])
                }
                Form::File => (0, file.chunks()),
            };
            let chunks = chunks.into_iter().filter(|chunk| chunk.size_bytes > 0);
            pieces.extend(chunks.map(|Chunk { offset, size_bytes }| CopiedPiece {
                source,
                section,
                offset,
                size_bytes,
            }));
        }
        if self.0.form == Form::File {
            // That of chunks in order is their order in the file, as no section is written backwards.
            let is_forward = |pair: &[CopiedPiece]| match pair {
                [one, two] => one.section != two.section || one.offset < two.offset,
                _ => true,
            };
            let is_forward = pieces.windows(2).all(is_forward);
            pieces.sort_by_key(|piece| piece.offset);
            let end = pieces.iter().try_fold(0, |at, piece| {
                let begins = piece.offset == at;
                begins.then_some(at.checked_add(piece.size_bytes)?)
            });
            if !is_forward || end != Some(manifest.size_bytes()) {
                let text = "its sections do not lie one behind the other";
                return Err(Error::corrupt(text).at(Manifest::path(self.0)));
            }
        }
        Ok(pieces)
    }
}

/// Where each section lies in a file that is made of these pieces.
fn places(pieces: &[CopiedPiece], sections: usize) -> Vec<Vec<Chunk>> {
    let mut places = vec![Vec::new(); sections];
    let mut offset = 0;
    for piece in pieces {
        let size_bytes = piece.size_bytes;
        if let Some(chunks) = places.get_mut(piece.section) {
            chunks.push(Chunk { offset, size_bytes });
        }
        offset += size_bytes;
    }
    places
}

/// The manifest of the same part under another name, with sections at other places.
fn moved(mut manifest: Manifest, name: PartName, places: Vec<Vec<Chunk>>) -> Manifest {
    manifest.part = name.to_string();
    let mut places = places.into_iter();
    for file in &mut manifest.files {
        let chunks = places.next().unwrap_or_default();
        file.chunks = chunks.iter().map(Into::into).collect();
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use sidx_log::Term;

    /// Name and size of a section, and offset and size of its chunks.
    type Lies<'a> = (&'a str, u64, &'a [(u64, u64)]);

    /// A part of one row, whose sections have these names, sizes and chunks.
    fn manifest(name: PartName, sections: &[Lies<'_>]) -> Manifest {
        let chunk = |(offset, size_bytes): &(u64, u64)| Chunk {
            offset: *offset,
            size_bytes: *size_bytes,
        };
        let extent = crate::host::Extent::default();
        Manifest {
            part: name.to_string(),
            rows: 1,
            blocks: 1,
            series: 1,
            min_key: 0,
            max_key: 0,
            first_id: 0,
            last_id: 0,
            longest_payload_bytes: 0,
            longest_tag_bytes: 0,
            raw_bytes: 0,
            meta: extent.into(),
            facets: Default::default(),
            labels: Vec::new(),
            tags: Vec::new(),
            files: { sections.iter() }
                .map(|(name, size_bytes, chunks)| FileEntry {
                    name: (*name).to_owned(),
                    size_bytes: *size_bytes,
                    crc32c: "0000002a".to_owned(),
                    chunks: chunks.iter().map(|it| (&chunk(it)).into()).collect(),
                })
                .collect(),
        }
    }

    fn name(form: Form) -> PartName {
        let term = Term {
            number: 1,
            nonce: 2,
        };
        PartName {
            number: 3,
            term,
            form,
        }
    }

    fn copied(from: &Manifest, form: Form, to: Form) -> Result<CopiedPart> {
        let bytes = from.sealed().unwrap();
        let size = from.size_bytes() + bytes.len() as u64 + 12;
        PartToCopy(name(form)).copied(to, &bytes, size)
    }

    #[test]
    fn a_part_that_becomes_one_file_and_a_folder_again_is_what_it_was() {
        let folder = manifest(
            name(Form::Folder),
            &[("data.bin", 70, &[]), ("meta.bin", 30, &[])],
        );
        let one = copied(&folder, Form::Folder, Form::File).unwrap();
        assert_eq!(one.name, name(Form::File).to_string());
        let [file] = one.files.as_slice() else {
            panic!("{one:?}")
        };
        let sources: Vec<_> = file
            .pieces
            .iter()
            .map(|it| (it.source, it.offset))
            .collect();
        assert_eq!(sources, [(0, 0), (1, 0)]);
        let expected: &[Lies<'_>] = &[("data.bin", 70, &[(0, 70)]), ("meta.bin", 30, &[(70, 30)])];
        let expected = manifest(name(Form::File), expected);
        let end = footer::end(footer::Kind::Part, expected.sealed().unwrap()).unwrap();
        assert_eq!(file.end, end);
        assert_eq!(file.size_bytes(), 100 + end.len() as u64);

        let again = copied(&expected, Form::File, Form::Folder).unwrap();
        let sizes: Vec<u64> = again.files.iter().map(CopiedFile::size_bytes).collect();
        let bytes = folder.sealed().unwrap();
        assert_eq!(sizes, [70, 30, bytes.len() as u64]);
        assert_eq!(again.files[2].end, bytes);
        assert_eq!(again.files[1].pieces[0].offset, 70);
    }

    #[test]
    fn chunks_are_copied_in_the_order_in_which_they_lie_and_nowhere_else() {
        let lies: &[Lies<'_>] = &[
            ("data.bin", 60, &[(0, 40), (70, 20)]),
            ("meta.bin", 30, &[(40, 30)]),
        ];
        let part = manifest(name(Form::File), lies);
        let same = copied(&part, Form::File, Form::File).unwrap();
        let places =
            { same.files[0].pieces.iter() }.map(|it| (it.section, it.offset, it.size_bytes));
        assert_eq!(
            places.collect::<Vec<_>>(),
            [(0, 0, 40), (1, 40, 30), (0, 70, 20)]
        );
        let folder = copied(&part, Form::File, Form::Folder).unwrap();
        assert_eq!(folder.files[0].pieces.len(), 2);
        for wrong in [
            [(0, 40), (60, 20)],
            [(0, 40), (80, 20)],
            [(70, 20), (0, 40)],
            [(0, 40), (u64::MAX, 20)],
        ] {
            let lies: &[Lies<'_>] = &[("data.bin", 60, &wrong), ("meta.bin", 30, &[(40, 30)])];
            let part = manifest(name(Form::File), lies);
            for form in [Form::File, Form::Folder] {
                let error = copied(&part, Form::File, form).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{wrong:?}");
            }
        }
    }

    #[test]
    fn a_manifest_is_looked_for_where_it_can_be() {
        let (folder, file) = (PartToCopy(name(Form::Folder)), PartToCopy(name(Form::File)));
        assert_eq!(folder.manifest_extent(9, b"").unwrap(), (0, 9));
        assert!(folder.manifest_extent(u64::MAX, b"").is_err());
        let end = [&7u32.to_le_bytes()[..], b"partSIDX"].concat();
        assert_eq!(file.manifest_extent(30, &end).unwrap(), (11, 7));
        assert!(file.manifest_extent(18, &end).is_err());
        assert!(file.manifest_extent(30, &end[1..]).is_err());
        assert!(PartToCopy::named("x").is_err());
    }
}
