//! The places in which files of a branch lie, and the pins that keep them there; see [`sidx_engine::Branch`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::Mutex;
use sidx_engine::{BRANCH_OBJECT, Branch, BranchPin};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{ReadFile, Storage, Store, check_place};

/// The directory of which files may lie elsewhere.
const PARTS: &str = "parts/";
/// How often what a branch shares is noted again because another one was faster.
const ATTEMPTS: usize = 16;

/// The store around an index, in which other places lie beside it.
#[derive(Clone)]
pub(crate) struct Beside(pub(crate) Arc<dyn Store>);

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Beside").field(&self.0.location()).finish()
    }
}

/// Where the files of an index lie: in its place, or in one of those that it shares parts of.
pub(crate) struct Lenders {
    own: Arc<dyn Storage>,
    /// None where there is nothing beside the place.
    store: Option<Arc<dyn Store>>,
    /// Read when a file is not in the own place, so that it costs nothing where all are.
    branch: OnceLock<Branch>,
    /// Places of lenders that were opened: in a bucket opening one takes requests.
    places: Mutex<BTreeMap<String, Arc<dyn Storage>>>,
}

impl Lenders {
    pub(crate) fn new(own: Arc<dyn Storage>, store: Option<Arc<dyn Store>>) -> Self {
        Self {
            own,
            store,
            branch: OnceLock::new(),
            places: Mutex::default(),
        }
    }

    /// Opens a file wherever it lies.
    pub(crate) fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        let branch = self.branch.get();
        if let Some(place) = branch.and_then(|branch| branch.lender_of(name_of(path)?)) {
            return self.open_there(place, path);
        }
        match self.own.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && branch.is_none() => {
                match self.place_of(path)? {
                    Some(place) => self.open_there(place, path),
                    None => Err(error),
                }
            }
            opened => opened,
        }
    }

    /// Opens a file of a lender. One that is missing because the whole place is, is no damage of a part.
    fn open_there(&self, place: &str, path: &str) -> Result<Arc<dyn ReadFile>> {
        let opened = self.lender(place)?.open(path);
        if let Err(error) = &opened
            && error.kind() == ErrorKind::NotFound
        {
            self.places.lock().remove(place);
            if self.look(place)?.list_objects("")?.is_empty() {
                return Err(self.gone(place));
            }
        }
        opened
    }

    /// The path of a file in a directory of this machine, wherever it lies.
    pub(crate) fn local_path(&self, path: &str) -> Result<Option<PathBuf>> {
        let lender = self.lender_of(path)?;
        Ok(lender.as_ref().unwrap_or(&self.own).local_path(path))
    }

    /// Reads that are best made at the same time; lenders are in the same store.
    pub(crate) fn reads_at_once(&self) -> usize {
        self.own.reads_at_once()
    }

    /// The place of a file that lies in another one.
    pub(crate) fn lender_of(&self, path: &str) -> Result<Option<Arc<dyn Storage>>> {
        let place = self.place_of(path)?;
        place.map(|place| self.lender(place)).transpose()
    }

    fn place_of(&self, path: &str) -> Result<Option<&str>> {
        match name_of(path) {
            Some(name) => Ok(self.branch()?.lender_of(name)),
            None => Ok(None),
        }
    }

    /// The names of its files that lie elsewhere, by place, as far as they are known.
    pub(crate) fn branch(&self) -> Result<&Branch> {
        if let Some(branch) = self.branch.get() {
            return Ok(branch);
        }
        let branch = match self.own.get(BRANCH_OBJECT)? {
            Some((bytes, _)) => Branch::read(&bytes).map_err(|error| self.told(error))?,
            None => Branch::default(),
        };
        Ok(self.branch.get_or_init(|| branch))
    }

    fn told(&self, error: sidx_engine::Error) -> Error {
        Error::from(error).at(self.own.location())
    }

    /// The place of a lender, opened once: for its files, which do not change.
    fn lender(&self, place: &str) -> Result<Arc<dyn Storage>> {
        if let Some(known) = self.places.lock().get(place) {
            return Ok(Arc::clone(known));
        }
        let opened = self.look(place)?;
        let known = Arc::clone(&opened);
        self.places.lock().insert(place.to_owned(), known);
        Ok(opened)
    }

    /// The same, opened anew: what is listed there is what is there now.
    pub(crate) fn look(&self, place: &str) -> Result<Arc<dyn Storage>> {
        let Some(store) = &self.store else {
            let text = format!("it shares parts of {place}, which is not at hand");
            return Err(Error::invalid(text).at(self.own.location()));
        };
        check_place(place)?;
        let opened = store.open_index(place, false);
        opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.gone(place),
            _ => {
                let text =
                    format!("the index shares parts of {place}, which cannot be reached ({error})");
                Error::new(ErrorKind::Io, text).at(self.own.location())
            }
        })
    }

    /// No damage of a part: nothing is set aside for it.
    fn gone(&self, place: &str) -> Error {
        let text = format!(
            "the index shares parts of {place}, and nothing is there any more: put that place back as it was, \
             or drop this index and restore it from a backup"
        );
        Error::new(ErrorKind::Io, text).at(self.own.location())
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
            return self.unpin(place, &branch.place);
        }
        let text = format!("{BRANCH_OBJECT} changes again and again; try again");
        Err(Error::conflict(text).at(self.own.location()))
    }

    /// The same of all places, for an index that was dropped.
    pub(crate) fn release_all(&self) -> Result<()> {
        for place in self.branch()?.lenders.keys() {
            self.release(place)?;
        }
        Ok(())
    }

    fn unpin(&self, place: &str, branch: &str) -> Result<()> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        check_place(place)?;
        match store.open_index(place, false) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            opened => unpin(opened?.as_ref(), branch),
        }
    }
}

/// What the directory of the parts has of a path.
fn name_of(path: &str) -> Option<&str> {
    path.strip_prefix(PARTS)?.split('/').next()
}

/// The pins of branches in a place.
pub(crate) fn pins(place: &dyn Storage) -> Result<Vec<BranchPin>> {
    Ok(BranchPin::among(&place.list_objects("")?))
}

/// Removes the pins that a branch has in a place.
pub(crate) fn unpin(place: &dyn Storage, branch: &str) -> Result<()> {
    for pin in pins(place)? {
        if pin.place == branch {
            place.remove_object(&pin.name())?;
        }
    }
    Ok(())
}

/// The epochs that branches have pinned in a place, ascending and each once.
fn branch_epochs(place: &dyn Storage) -> Result<Vec<u64>> {
    let pins = pins(place)?;
    Ok(sorted(pins.iter().map(|pin| pin.epoch).collect()))
}

/// The same of readers, and those of branches: asked at the same time where each listing takes long.
pub(crate) fn epochs_by_kind(place: &dyn Storage) -> Result<(Vec<u64>, Vec<u64>)> {
    if place.reads_at_once() > 1 {
        let both = thread::scope(|scope| {
            let asked = thread::Builder::new().spawn_scoped(scope, || branch_epochs(place));
            let readers = place.pinned_epochs();
            asked.ok().map(|asked| (readers, asked.join()))
        });
        if let Some((readers, Ok(branches))) = both {
            return Ok((readers?, branches?));
        }
    }
    Ok((place.pinned_epochs()?, branch_epochs(place)?))
}

/// The epochs that readers and branches have pinned in a place, likewise.
pub(crate) fn pinned_epochs(place: &dyn Storage) -> Result<Vec<u64>> {
    let (readers, branches) = epochs_by_kind(place)?;
    Ok(sorted([readers, branches].concat()))
}

fn sorted(mut epochs: Vec<u64>) -> Vec<u64> {
    epochs.sort_unstable();
    epochs.dedup();
    epochs
}
