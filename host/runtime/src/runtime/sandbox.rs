//! What an instance runs and how much it may take: the choices of the host for a component.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Linear memory and tables of one instance, unless the caller chose otherwise.
const INSTANCE_MEMORY_BYTES: u64 = 1 << 30;

/// The component of an index and its bounds.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    /// None: the component that the library embeds.
    pub(crate) component: Option<GuestComponent>,
    /// Most time of one call; none: calls are not interrupted.
    pub(crate) call_timeout: Option<Duration>,
    /// Most linear memory and tables of one instance.
    pub(crate) memory_bytes: u64,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            component: None,
            call_timeout: None,
            memory_bytes: INSTANCE_MEMORY_BYTES,
        }
    }
}

impl Sandbox {
    /// Whether the component may be wrong on purpose. Then what it returns is also tried out before it is
    /// relied on, where that costs more than comparing numbers.
    pub(crate) fn is_wary(&self) -> bool {
        self.component.is_some() || self.call_timeout.is_some()
    }
}

/// A component that the caller brought.
#[derive(Clone)]
pub(crate) struct GuestComponent {
    pub(crate) bytes: Arc<[u8]>,
    /// SHA-256 of the bytes. It names the machine code in the cache, so nobody may be able to make
    /// another component with the same.
    pub(crate) digest: [u8; 32],
}

impl GuestComponent {
    pub(crate) fn new(bytes: Arc<[u8]>) -> Self {
        let digest = Sha256::digest(&bytes).into();
        Self { bytes, digest }
    }
}

impl fmt::Debug for GuestComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a component of {} bytes", self.bytes.len())
    }
}
