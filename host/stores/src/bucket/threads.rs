//! The threads that requests run on: a few for the whole process, started with the first request. Callers
//! wait for them, so that whoever calls, asynchronous itself or not, needs to know nothing of them.

use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, ErrorKind, Result};

/// Requests wait, they do not compute: a few threads carry hundreds of them.
const THREADS: usize = 2;

static RUNTIME: OnceLock<Result<Runtime>> = OnceLock::new();

/// Where tasks are started.
pub(super) fn handle() -> Result<&'static Handle> {
    let start = || {
        let started = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("sidx-bucket")
            .enable_all()
            .build();
        started.map_err(|cause| {
            let text = format!("no threads can be started for requests: {cause}");
            Error::new(ErrorKind::ResourceExhausted, text).with_source(cause)
        })
    };
    match RUNTIME.get_or_init(start) {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(error.clone()),
    }
}

/// Carries out a call on those threads and waits for what comes of it.
pub(super) fn wait<T, E>(call: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (sender, receiver) = sync_channel(1);
    handle()?.spawn(async move {
        // Whoever waits does so until the answer is there.
        let _ = sender.send(call.await);
    });
    match receiver.recv() {
        Ok(answer) => answer,
        Err(_) => Err(abandoned().into()),
    }
}

/// The same for at most so long; the call goes on all the same.
pub(super) fn wait_at_most(call: impl Future<Output = ()> + Send + 'static, most: Duration) {
    let Ok(handle) = handle() else {
        return;
    };
    let (sender, receiver) = sync_channel(1);
    handle.spawn(async move {
        call.await;
        let _ = sender.send(());
    });
    if let Err(RecvTimeoutError::Timeout) = receiver.recv_timeout(most) {
        tracing::debug!("a request at the end of something takes long and goes on by itself");
    }
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Io, "a request was abandoned without an answer")
}
