//! Holding requests back, so that a test decides when each goes on.
//!
//! A hook returns at once. One that wants a request to wait returns a future, which only that request waits
//! for: neither the runtime nor another client is blocked, and a paused clock still advances.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::faults::Fault;
use super::request::Request;

/// Is asked about each request of a client before the service sees it.
pub type Hook = Arc<dyn Fn(&Request) -> Step + Send + Sync>;

/// How a request goes on.
pub enum Step {
    /// As drawn.
    Pass,
    /// With this fault in place of the drawn one, or as if none were drawn if the fault makes no sense for
    /// the kind of request.
    Fault(Fault),
    /// Without any fault.
    Succeed,
    /// As the future says once it is done.
    Wait(BoxFuture<'static, Step>),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("Pass"),
            Self::Fault(fault) => write!(f, "Fault({fault:?})"),
            Self::Succeed => f.write_str("Succeed"),
            Self::Wait(_) => f.write_str("Wait"),
        }
    }
}

/// A hook that holds chosen requests until the test wakes them.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

struct Shared {
    chooses: Box<dyn Fn(&Request) -> bool + Send + Sync>,
    line: Mutex<Line>,
    has_arrived: Notify,
}

#[derive(Default)]
struct Line {
    is_open: bool,
    held: VecDeque<Held>,
}

struct Held {
    request: Request,
    wake: oneshot::Sender<Step>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.shared.line.lock();
        let held: Vec<&Request> = line.held.iter().map(|held| &held.request).collect();
        f.debug_struct("Gate")
            .field("is_open", &line.is_open)
            .field("held", &held)
            .finish()
    }
}

impl Gate {
    /// A gate that holds the requests `chooses` says yes to and lets the others pass.
    pub fn new(chooses: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                chooses: Box::new(chooses),
                line: Mutex::default(),
                has_arrived: Notify::new(),
            }),
        }
    }

    /// A gate that holds every request.
    pub fn closed() -> Self {
        Self::new(|_| true)
    }

    /// What a client is given, see `Service::set_hook`.
    pub fn hook(&self) -> Hook {
        let shared = Arc::clone(&self.shared);
        Arc::new(move |request| shared.meet(request))
    }

    /// Waits until a request is held, and tells which has been held longest.
    pub async fn held(&self) -> Request {
        loop {
            // Made before the line is looked at, so that no arrival is missed.
            let has_arrived = self.shared.has_arrived.notified();
            if let Some(request) = self.shared.line.lock().first() {
                return request;
            }
            has_arrived.await;
        }
    }

    /// Lets the request that has been held longest go on; none if none is held.
    pub fn wake(&self, step: Step) -> Option<Request> {
        let mut line = self.shared.line.lock();
        line.first()?;
        let held = line.held.pop_front()?;
        // Whoever waited may be gone in the meantime.
        let _ = held.wake.send(step);
        Some(held.request)
    }

    /// Lets all go on, and holds none from now on.
    pub fn open(&self) {
        let mut line = self.shared.line.lock();
        line.is_open = true;
        for held in line.held.drain(..) {
            let _ = held.wake.send(Step::Pass);
        }
    }

    /// Holds requests again.
    pub fn close(&self) {
        self.shared.line.lock().is_open = false;
    }
}

impl Shared {
    fn meet(&self, request: &Request) -> Step {
        if !(self.chooses)(request) {
            return Step::Pass;
        }
        let mut line = self.line.lock();
        if line.is_open {
            return Step::Pass;
        }
        let (wake, woken) = oneshot::channel();
        line.held.push_back(Held {
            request: request.clone(),
            wake,
        });
        drop(line);
        self.has_arrived.notify_waiters();
        Step::Wait(woken.map(|step| step.unwrap_or(Step::Pass)).boxed())
    }
}

impl Line {
    /// The request held longest whose client still waits for it.
    fn first(&mut self) -> Option<Request> {
        while self.held.front().is_some_and(|held| held.wake.is_closed()) {
            self.held.pop_front();
        }
        self.held.front().map(|held| held.request.clone())
    }
}
