//! The index that this instance serves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sidx_engine::{Error, Result};
use sidx_session::{FirstNumbers, Session, Settings};

use crate::bindings::exports::sidx::engine::types;
use crate::convert;
use crate::filters::Filters;
use crate::store::Store;

/// A session, and the filters that the engine has compiled.
pub(crate) struct Served {
    pub(crate) session: Session<Store>,
    pub(crate) filters: RefCell<Filters>,
    /// Why the last `top` failed.
    pub(crate) top_failure: RefCell<Option<Error>>,
}

thread_local! {
    static SERVED: RefCell<Option<Rc<Served>>> = const { RefCell::new(None) };
    /// Of the next session.
    static NUMBERS: Cell<(FirstNumbers, u32)> = const { Cell::new((FirstNumbers::NONE, 0)) };
}

/// What is served now, if anything is.
pub(crate) fn now() -> Option<Rc<Served>> {
    SERVED.with_borrow(Option::clone)
}

/// Begins to serve a place.
pub(crate) fn enter(place: &str, to_write: bool, settings: Settings) -> Result<()> {
    if now().is_some() {
        let text = "a place is served already; `session.leave` comes first";
        return Err(Error::invalid(text));
    }
    let (numbers, filters) = NUMBERS.get();
    let session = Session::enter(&Rc::new(Store), place, to_write, settings, numbers)?;
    let served = Served {
        session,
        filters: RefCell::new(Filters::new(filters)),
        top_failure: RefCell::default(),
    };
    SERVED.set(Some(Rc::new(served)));
    Ok(())
}

/// Ends that.
pub(crate) fn leave() {
    if let Some(served) = SERVED.take() {
        let filters = served.filters.borrow().next();
        NUMBERS.set((served.session.next_numbers(), filters));
    }
}

/// Calls something of what is served, and turns its error into one of the boundary.
pub(crate) fn call<T>(call: impl FnOnce(&Served) -> Result<T>) -> Result<T, types::Error> {
    let served =
        now().ok_or_else(|| Error::invalid("no place is served; `session.enter` comes first"));
    served
        .and_then(|served| call(&served))
        .map_err(convert::error)
}
