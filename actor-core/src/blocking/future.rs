//! A closure on the blocking pool, as who waits for it sees it.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::blocking::Pool;
use crate::reply::{self, Answer, Outcome, Reply};
use crate::scheduler::soft;
use crate::system::SystemHandle;

/// What a closure panicked with.
type Payload = Box<dyn Any + Send>;

/// A closure that is to run on the blocking pool: a future of what it returns, for any executor; made by
/// [`SystemHandle::blocking`] and [`Context::blocking`](crate::Context::blocking).
///
/// The closure is given to the pool when this is first polled. Dropped before the closure has begun, it does
/// not run; dropped later, it runs on, and what it returns is dropped.
#[must_use = "the closure does not run until this is awaited"]
pub struct Blocking<F, T> {
    state: State<F, T>,
}

enum State<F, T> {
    New(SystemHandle, F),
    Running(Answer<T, Payload>),
    Done,
}

// Nothing in it is pinned: the closure is moved out of it.
impl<F, T> Unpin for Blocking<F, T> {}

impl<F, T> Blocking<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    pub(crate) fn new(system: SystemHandle, closure: F) -> Self {
        Blocking { state: State::New(system, closure) }
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, BlockingError>> {
        if let State::New(..) = self.state
            && let State::New(system, closure) = std::mem::replace(&mut self.state, State::Done)
        {
            let (reply, answer) = reply::pair();
            Pool::run(&system, Box::new(move || run(closure, reply)))?;
            self.state = State::Running(answer);
        }
        let State::Running(answer) = &self.state else {
            panic!("a closure on the blocking pool was polled after it had ended");
        };
        let Poll::Ready(outcome) = answer.poll(cx) else {
            return Poll::Pending;
        };
        self.state = State::Done;
        match outcome {
            Outcome::Replied(Ok(value)) => Poll::Ready(Ok(value)),
            Outcome::Replied(Err(payload)) => resume_unwind(payload),
            // Only a closure that has not begun is dropped.
            Outcome::Lost | Outcome::Undelivered | Outcome::Stalled => {
                Poll::Ready(Err(BlockingError::Closed))
            }
        }
    }
}

/// Runs the closure unless nobody waits for it any more.
fn run<T>(closure: impl FnOnce() -> T, reply: Reply<T, Payload>) {
    if reply.is_wanted() {
        reply.complete(catch_unwind(AssertUnwindSafe(closure)));
    }
}

impl<F, T> Future for Blocking<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<T, BlockingError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        soft::charged(cx, |cx| self.get_mut().poll_done(cx))
    }
}

impl<F, T> fmt::Debug for Blocking<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New(..) => "new",
            State::Running(_) => "running",
            State::Done => "done",
        };
        f.debug_struct("Blocking").field("state", &state).finish()
    }
}

/// Why a closure was not run on the blocking pool. It is dropped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BlockingError {
    /// All threads are busy, and as many closures wait as may.
    Full {
        /// How many may wait; see [`Builder::blocking_queue`](crate::Builder::blocking_queue).
        queue: usize,
    },
    /// The system has ended.
    Closed,
    /// The handler that asks for it has [stalled](crate::Spawn::stall), and was condemned.
    Condemned,
    /// The pool has no thread, and none could be started.
    Thread(Arc<io::Error>),
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockingError::Full { queue } => write!(
                f,
                "{queue} closures wait for the blocking pool already; try again later, or see \
                 Builder::max_blocking and Builder::blocking_queue"
            ),
            BlockingError::Closed => f.write_str("the system has ended"),
            BlockingError::Condemned => f.write_str("the handler was condemned"),
            BlockingError::Thread(error) => {
                write!(f, "a thread for the blocking pool could not be started: {error}")
            }
        }
    }
}

impl Error for BlockingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BlockingError::Thread(error) => Some(&**error),
            BlockingError::Full { .. } | BlockingError::Closed | BlockingError::Condemned => None,
        }
    }
}
