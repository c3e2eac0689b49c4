//! Messages: the struct that `#[message]` makes of a handler, and the enum that carries it.

use crate::reply::guard::Guard;

/// A message: the struct that `#[message]` makes of a handler's name and arguments.
pub trait Message: Send + 'static {
    /// What an ask gives back: the handler's return value, or the `Ok` side of its `Result`.
    type Reply: Send + 'static;

    /// The `Err` side of the handler's `Result`; [`Infallible`](std::convert::Infallible) if it
    /// returns none.
    type Error: Send + 'static;

    /// The handler's name, as logs and dead letters show it.
    const NAME: &'static str;
}

/// The enum of all messages of one actor.
pub trait Envelope: Send + 'static {
    /// The handler's name.
    fn name(&self) -> &'static str {
        self.label()
    }

    /// The handler's name as one word, which a thread can show to others with a single store.
    #[doc(hidden)]
    fn label(&self) -> &'static &'static str;

    /// Whether this is the runtime's own affair, of which dead letters say nothing.
    #[doc(hidden)]
    fn is_internal(&self) -> bool {
        false
    }

    /// Whether there are messages whose handlers may block.
    #[doc(hidden)]
    const HAS_BLOCKING: bool = false;

    /// Whether there are messages that are delivered again when their handler has failed.
    #[doc(hidden)]
    const IS_REDELIVERED: bool = false;

    /// Whether the handler may block, and so runs on the blocking pool.
    #[doc(hidden)]
    #[inline]
    fn is_blocking(&self) -> bool {
        false
    }

    /// A share in the way back, for who watches the handler; `None` if nobody waits for its reply, or the actor has no
    /// limit.
    #[doc(hidden)]
    fn guard(&self) -> Option<Guard> {
        None
    }

    /// Ends the message without a handler; an ask that waits for its reply hears of it.
    fn undelivered(self);
}
