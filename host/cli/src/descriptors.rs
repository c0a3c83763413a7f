//! The limit of open files.

use rlimit::Resource;

/// Raises the limit of open files (`ulimit -n`) as far as this process may: a part has three files per tag.
/// Where that fails, the library makes do with fewer.
pub(crate) fn raise_limit() {
    if let Ok((soft, hard)) = Resource::NOFILE.get()
        && soft < hard
    {
        let _ = Resource::NOFILE.set(hard, hard);
    }
}
