//! The interface `sidx:storage/environment`.

use crate::Component;
use crate::bindings::exports::sidx::storage::environment::Guest;
use crate::file_system;

impl Guest for Component {
    fn random() -> (u64, u64) {
        file_system::random()
    }

    fn now_ms() -> u64 {
        file_system::now_ms()
    }
}
