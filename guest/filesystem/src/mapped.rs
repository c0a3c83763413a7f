//! The directories that the runtime maps, and which of them a path lies in.

use std::io;
use std::path::{Component, Path, PathBuf};

use sidx_stores::{Error, ErrorKind};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::Descriptor;

/// A path taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    is_absolute: bool,
    names: Vec<String>,
}

impl Way {
    /// None of a path with `..`, or with a name that is no text.
    fn of(path: &Path) -> Option<Self> {
        let mut way = Self {
            is_absolute: false,
            names: Vec::new(),
        };
        for component in path.components() {
            match component {
                Component::RootDir => way.is_absolute = true,
                Component::CurDir => {}
                Component::Normal(name) => way.names.push(name.to_str()?.to_owned()),
                Component::ParentDir | Component::Prefix(_) => return None,
            }
        }
        Some(way)
    }

    /// The names behind those of a directory that it lies in.
    fn below(&self, above: &Self) -> Option<&[String]> {
        let is_alike = self.is_absolute == above.is_absolute;
        let rest = self.names.strip_prefix(above.names.as_slice());
        rest.filter(|_| is_alike)
    }
}

/// A directory that the runtime maps.
pub(crate) struct Mapped {
    pub(crate) directory: Descriptor,
    way: Way,
}

impl Mapped {
    /// The nearest of the mapped directories that a path lies in, and that path as it is known there. A
    /// relative path is one below a directory with a relative name, or else one that begins at the root.
    pub(crate) fn find(path: &str) -> Result<(Self, PathBuf), Error> {
        let refused = |problem: &str| {
            let text = format!("{path:?} {problem}");
            Err(Error::new(ErrorKind::InvalidArgument, text))
        };
        if path.is_empty() {
            return refused("is no path; name the directory of the store");
        }
        let Some(mut wanted) = Way::of(Path::new(path)) else {
            return refused("has `..` in it; name the directory without that");
        };
        let directories = get_directories();
        let mut names: Vec<String> = directories.iter().map(|(_, name)| name.clone()).collect();
        let mapped = directories.into_iter().filter_map(|(directory, name)| {
            let way = Way::of(Path::new(&name))?;
            Some(Self { directory, way })
        });
        let mapped: Vec<Self> = mapped.collect();
        let has = |way: &Way| mapped.iter().any(|it| way.below(&it.way).is_some());
        let mut shown = PathBuf::from(path);
        if !wanted.is_absolute && !has(&wanted) {
            wanted.is_absolute = true;
            shown = Path::new("/").join(wanted.names.join("/"));
        }
        let around = mapped
            .into_iter()
            .filter(|it| wanted.below(&it.way).is_some());
        if let Some(nearest) = around.max_by_key(|it| it.way.names.len()) {
            return Ok((nearest, shown));
        }
        names.sort_unstable();
        let known = match names.is_empty() {
            true => "none is mapped".to_owned(),
            false => format!("mapped are {}", names.join(", ")),
        };
        refused(&format!(
            "is in no directory that the runtime maps: {known}; map one, with the wasmtime command by \
             --dir HOST_DIR::{path}"
        ))
    }

    /// A path as the descriptor of the directory takes it.
    pub(crate) fn relative(&self, path: &Path) -> io::Result<String> {
        let way = Way::of(path);
        let below = way.as_ref().and_then(|way| way.below(&self.way));
        match below {
            Some([]) => Ok(".".to_owned()),
            Some(names) => Ok(names.join("/")),
            None => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it lies outside of the mapped directory",
            )),
        }
    }
}
