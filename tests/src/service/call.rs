//! The course of one request: it is announced, may be held, travels, is carried out or not, and is answered.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::Result;
use tokio::time::{Instant, sleep_until};

use super::effect::{Applied, Effect};
use super::failure::Failure;
use super::faults::{Draw, Fault};
use super::gate::{Hook, Step};
use super::journal::{Outcome, Place};
use super::latency::{Latency, Times};
use super::request::{Kind, Request};
use super::shared::{Direction, Shared};
use super::state::State;

/// A request under way. The journal is told of its end when this is dropped, however that comes.
#[derive(Debug)]
pub(super) struct Call {
    shared: Arc<Shared>,
    request: Request,
    draw: Draw,
    latency: Latency,
    times: Option<Times>,
    place: Place,
    outcome: Outcome,
    bytes_out: u64,
}

impl Call {
    /// Announces a request and sends it with its bytes.
    pub(super) async fn begin(
        shared: &Arc<Shared>,
        client: &str,
        kind: Kind,
        key: &str,
        bytes_in: usize,
    ) -> Self {
        let start = shared.start(client, kind, key, bytes_in);
        let mut call = Self {
            shared: Arc::clone(shared),
            request: start.request,
            draw: start.draw,
            latency: start.latency,
            times: None,
            place: start.place,
            outcome: Outcome::Dropped,
            bytes_out: 0,
        };
        if let Some(hook) = start.hook {
            call.pass(&hook).await;
        }
        if !call.latency.is_zero() {
            call.travel(bytes_in).await;
        }
        call
    }

    async fn pass(&mut self, hook: &Hook) {
        let mut step = hook(&self.request);
        while let Step::Wait(next) = step {
            step = next.await;
        }
        match step {
            Step::Fault(fault) => {
                self.draw.fault = Some(fault).filter(|fault| fault.applies_to(self.request.kind));
            }
            Step::Succeed => self.draw.fault = None,
            Step::Pass | Step::Wait(_) => {}
        }
    }

    /// Sends the request, until the service acts.
    async fn travel(&mut self, bytes_in: usize) {
        let sent = self.transfer(Direction::In, Instant::now(), bytes_in).await;
        let times = Times::new(sent);
        times.act(&self.latency).await;
        self.times = Some(times);
    }

    /// Sends bytes over the client's link, and tells when they are through.
    async fn transfer(&self, direction: Direction, begun: Instant, bytes: usize) -> Instant {
        let mut through = begun;
        let mut left = bytes;
        while left > 0 {
            let chunk = left.min(self.latency.chunk_bytes());
            left -= chunk;
            through =
                self.shared
                    .reserve(&self.request.client, direction, &self.latency, begun, chunk);
            sleep_until(through).await;
        }
        through
    }

    /// What goes wrong with this request.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.draw.fault
    }

    /// Carries a change out as the fault of the request has it.
    pub(super) async fn write(mut self, effect: Effect) -> Result<Applied> {
        let answer = self.carry_out(effect);
        self.answer(answer).await
    }

    fn carry_out(&mut self, effect: Effect) -> Result<Applied, Failure> {
        let mut state = self.shared.state.lock();
        state.arrive();
        let Some(fault) = self.draw.fault else {
            return Ok(state.apply(&effect)?);
        };
        match fault {
            Fault::Denied
            | Fault::NoBucket
            | Fault::TooMany
            | Fault::UnavailableBefore
            | Fault::LostBefore
            | Fault::Conflict
            | Fault::ErrorInBody => Err(Failure::Fault(fault)),
            Fault::UnavailableAfter | Fault::LostAfter => {
                // Nobody hears what came of it.
                let _ = state.apply(&effect);
                Err(Failure::Fault(fault))
            }
            Fault::Late => {
                state.delay(&self.request, effect, self.draw.late_after);
                Err(Failure::Fault(fault))
            }
            Fault::Duplicated => {
                let first = state.apply(&effect);
                let _ = state.apply(&effect);
                Ok(first?)
            }
            Fault::DuplicatedLate => {
                let first = state.apply(&effect);
                state.delay(&self.request, effect, self.draw.late_after);
                Ok(first?)
            }
            Fault::Resent => {
                let _ = state.apply(&effect);
                Ok(state.apply(&effect)?)
            }
            // Which keys that concerns was decided before.
            Fault::HalfAnswer => Ok(state.apply(&effect)?),
        }
    }

    /// Looks something up and answers it, unless the fault of the request is that it fails. A cut answer is
    /// whole here.
    pub(super) async fn read<T>(
        &mut self,
        look: impl FnOnce(&State) -> Result<T, Failure>,
    ) -> Result<T> {
        let answer = {
            let mut state = self.shared.state.lock();
            state.arrive();
            match self.draw.fault.filter(|fault| *fault != Fault::HalfAnswer) {
                Some(fault) => Err(Failure::Fault(fault)),
                None => look(&state),
            }
        };
        self.answer(answer).await
    }

    /// Brings an answer to the client.
    pub(super) async fn answer<T>(&mut self, answer: Result<T, Failure>) -> Result<T> {
        if let Some(times) = self.times {
            let is_timeout = self.draw.fault == Some(Fault::Late);
            times.answer(&self.latency, is_timeout).await;
        }
        match answer {
            Ok(answer) => {
                self.outcome = Outcome::Done;
                Ok(answer)
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    /// Ends the request with a failure.
    pub(super) fn fail(&mut self, failure: Failure) -> object_store::Error {
        self.outcome = failure.outcome();
        failure.into_error(self.request.kind, &self.request.key)
    }

    /// The body of an answer, piece by piece. It ends early if that is the fault of the request.
    pub(super) fn body(self, bytes: Bytes) -> BoxStream<'static, Result<Bytes>> {
        let mut bytes = bytes;
        let is_cut = self.draw.fault == Some(Fault::HalfAnswer);
        if is_cut {
            // Truncates towards zero, and a part of less than all is never all.
            let kept = (bytes.len() as f64 * self.draw.cut) as usize;
            bytes.truncate(kept);
        }
        let begun = (!self.latency.is_zero()).then(Instant::now);
        stream::try_unfold((self, bytes), move |(mut call, mut rest)| async move {
            if rest.is_empty() {
                return match is_cut {
                    true => Err(call.fail(Failure::Fault(Fault::HalfAnswer))),
                    false => Ok(None),
                };
            }
            let piece = rest.split_to(rest.len().min(call.latency.chunk_bytes()));
            if let Some(begun) = begun {
                call.transfer(Direction::Out, begun, piece.len()).await;
            }
            call.bytes_out += piece.len() as u64;
            Ok(Some((piece, (call, rest))))
        })
        .boxed()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        let recorder = &mut state.recorder;
        recorder.end(&self.place, self.draw.fault, self.outcome, self.bytes_out);
    }
}
