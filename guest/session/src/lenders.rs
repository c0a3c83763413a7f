//! The places in which files of a branch lie, and the pins that keep them there; see [`sidx_engine::Branch`].

use std::cell::OnceCell;

use sidx_engine::{BRANCH_OBJECT, Branch, BranchPin, Error, ErrorKind, Result};

use crate::place::{OpenFile, Place};
use crate::storage::Storage;

/// The directory of which files may lie elsewhere.
const PARTS: &str = "parts/";
/// How often what a branch shares is noted again because another one was faster.
const ATTEMPTS: usize = 16;

/// Where the files of an index lie: in its place, or in one of those that it shares parts of.
pub(crate) struct Lenders<S> {
    own: Place<S>,
    /// Read when a file is not in the own place, so that it costs nothing where all are.
    branch: OnceCell<Branch>,
}

impl<S: Storage> Lenders<S> {
    pub(crate) fn new(own: Place<S>) -> Self {
        Self {
            own,
            branch: OnceCell::new(),
        }
    }

    /// Opens a file wherever it lies.
    pub(crate) fn open(&self, path: &str) -> Result<OpenFile<S>> {
        let branch = self.branch.get();
        if let Some(place) = branch.and_then(|branch| branch.lender_of(name_of(path)?)) {
            return self.open_there(place, path);
        }
        match self.own.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && branch.is_none() => {
                let lender = match name_of(path) {
                    Some(name) => self.branch()?.lender_of(name),
                    None => None,
                };
                match lender {
                    Some(place) => self.open_there(place, path),
                    None => Err(error),
                }
            }
            opened => opened,
        }
    }

    /// Opens a file of a lender. One that is missing because the whole place is, is no damage of a part.
    fn open_there(&self, name: &str, path: &str) -> Result<OpenFile<S>> {
        let place = self.own.beside(name);
        let opened = place.open(path);
        match &opened {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match place.list_objects("")?.is_empty() {
                    true => Err(self.gone(name)),
                    false => opened,
                }
            }
            _ => opened,
        }
    }

    /// The names of its files that lie elsewhere, by place, as far as they are known.
    fn branch(&self) -> Result<&Branch> {
        if let Some(branch) = self.branch.get() {
            return Ok(branch);
        }
        let branch = match self.own.get(BRANCH_OBJECT)? {
            Some((bytes, _)) => Branch::read(&bytes).map_err(|error| self.told(error))?,
            None => Branch::default(),
        };
        Ok(self.branch.get_or_init(|| branch))
    }

    fn told(&self, error: Error) -> Error {
        error.at(self.own.location())
    }

    /// No damage of a part: nothing is set aside for it.
    fn gone(&self, place: &str) -> Error {
        let text = format!(
            "the index shares parts of {place}, and nothing is there any more: put that place back as it was, \
             or drop this index and restore it from a backup"
        );
        self.told(Error::new(ErrorKind::Io, text))
    }

    /// Notes that nothing is needed any more of a place, and lets it go.
    pub(crate) fn release(&self, place: &str) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some((bytes, version)) = self.own.get(BRANCH_OBJECT)? else {
                return Ok(());
            };
            let mut branch = Branch::read(&bytes).map_err(|error| self.told(error))?;
            if branch.lenders.remove(place).is_some() {
                // First: whatever it names is kept.
                let bytes = branch.document()?;
                match self.own.compare_and_swap(BRANCH_OBJECT, &version, &bytes) {
                    Err(error) if error.kind() == ErrorKind::Conflict => continue,
                    swapped => swapped?,
                };
            }
            return unpin(&self.own.beside(place), &branch.place);
        }
        let text = format!("{BRANCH_OBJECT} changes again and again; try again");
        Err(self.told(Error::new(ErrorKind::Conflict, text)))
    }
}

/// What the directory of the parts has of a path.
fn name_of(path: &str) -> Option<&str> {
    path.strip_prefix(PARTS)?.split('/').next()
}

/// Removes the pins that a branch has in a place.
fn unpin<S: Storage>(place: &Place<S>, branch: &str) -> Result<()> {
    let pins = BranchPin::among(&place.list_objects("")?);
    pins.into_iter()
        .filter(|pin| pin.place == branch)
        .try_for_each(|pin| place.remove_object(&pin.name()))
}

/// The epochs that branches have pinned, among the objects of a place, ascending and each once.
pub(crate) fn branch_epochs(objects: &[String]) -> Vec<u64> {
    let pins = BranchPin::among(objects);
    let mut epochs: Vec<u64> = pins.iter().map(|pin| pin.epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    epochs
}
