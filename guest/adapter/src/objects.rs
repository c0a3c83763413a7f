//! `sidx:engine/objects` and `sidx:engine/limits`.

use sidx_engine::Host;

use crate::bindings::exports::sidx::engine::types::Error;
use crate::bindings::exports::sidx::engine::{limits, objects as wit};
use crate::{Component, convert, served};

impl wit::Guest for Component {
    fn get(name: String) -> Result<Option<wit::Object>, Error> {
        let object = served::call(|served| served.session.get_object(&name))?;
        Ok(object.map(|object| wit::Object {
            bytes: object.bytes,
            version: object.version,
        }))
    }

    fn put_if_absent(name: String, bytes: Vec<u8>) -> Result<String, Error> {
        served::call(|served| served.session.put_object_if_absent(&name, &bytes))
    }

    fn compare_and_swap(name: String, version: String, bytes: Vec<u8>) -> Result<String, Error> {
        served::call(|served| served.session.swap_object(&name, &version, &bytes))
    }

    fn list(prefix: String) -> Result<Vec<String>, Error> {
        served::call(|served| served.session.list_objects(&prefix))
    }

    fn remove(name: String) -> Result<(), Error> {
        served::call(|served| served.session.remove_object(&name))
    }
}

impl limits::Guest for Component {
    fn usage() -> limits::Budgets {
        let usage = served::now().map(|served| served.session.usage());
        usage.map_or_else(convert::no_budgets, convert::budgets)
    }

    fn check() -> Result<(), Error> {
        match served::now() {
            Some(served) => served.session.check().map_err(convert::error),
            None => Ok(()),
        }
    }

    fn find_readers() -> Result<limits::Readers, Error> {
        let readers = served::call(|served| served.session.find_readers())?;
        Ok(limits::Readers {
            version: readers.version,
            settled: readers.settled,
            epochs: readers.epochs,
            branches: readers.branches,
        })
    }

    fn pin_epoch(epoch: u64) -> Result<(), Error> {
        served::call(|served| served.session.pin_epoch(epoch))
    }

    fn release_lender(place: String) -> Result<(), Error> {
        served::call(|served| served.session.release_lender(&place))
    }
}
