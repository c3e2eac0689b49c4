//! Connections: a stream socket bound to an actor.
//!
//! The socket belongs to the actor's port. In the actor's own turn the port reads it, finds the
//! frames and calls the methods of [`Connection`]: no mailbox hop, and a full mailbox delays
//! nothing. What the actor writes is queued and sent once at the end of the turn.

mod common;
mod conn;
mod crowd;
mod deadlines;
mod draining;
mod ends;
mod evicting;
mod frames;
mod inbox;
mod moving;
mod port;
mod queue;
mod reason;
mod scratch;
mod shared;
#[cfg_attr(not(feature = "tls"), path = "connection/no_tls.rs")]
mod tls;

use actor_core::{Context, Messages};

use crate::codec::Codec;

pub(crate) use common::Common;
pub use conn::{Conn, Pressure};
pub use deadlines::Deadline;
pub(crate) use deadlines::Within;
pub use ends::Ends;
pub(crate) use evicting::Evicting;
pub use evicting::{Candidate, Evict, Load};
pub(crate) use port::{Arrival, Held, accepted, connecting};
pub use reason::CloseReason;
pub(crate) use shared::Shared;
pub(crate) use tls::Tls;

/// An actor that owns a connection: the methods its socket calls, beside those its messages call.
///
/// All run in the actor's turns, one at a time, and none while an async handler is in work. A
/// panic in one of them fails the actor as a panic in a handler does, and closes the socket, a WebSocket
/// with 1011, unless the listener [keeps](crate::Listener::keep_socket) it.
///
/// In the order of a connection's life: [`opened`](Self::opened); then [`frame`](Self::frame),
/// [`refused`](Self::refused) and [`writable`](Self::writable) as it happens;
/// [`half_closed`](Self::half_closed) at most once; and [`closed`](Self::closed) once, if the
/// connection ends before the actor does: as the only one of them, if it never came to be. An actor that stops for another reason gets no `closed`;
/// what must be done at the end of either belongs into `#[stopped]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what to do with its connection",
    label = "this actor does not implement `Connection`",
    note = "write `impl Connection for {Self}` with a codec and a method `frame`"
)]
pub trait Connection: Messages {
    /// What finds the frames in the bytes that come in.
    type Codec: Codec;

    /// A codec for this connection; asked for once, before [`opened`](Self::opened).
    fn codec(&self) -> Self::Codec;

    /// The connection is there: it was accepted, or the peer has accepted it.
    fn opened(&mut self, ctx: &mut Context<Self>) {
        let _ = ctx;
    }

    /// The actor is a new incarnation, which goes on with the connection of the one that has failed; see
    /// [`Listener::keep_socket`](crate::Listener::keep_socket). It is not [`opened`](Self::opened) again.
    fn resumed(&mut self, ctx: &mut Context<Self>) {
        let _ = ctx;
    }

    /// A frame has come. It borrows from the read buffer; copy what is to be kept.
    ///
    /// After [`Conn::close`], [`Conn::abort`], [`Context::stop`] and [`Context::fail`] no more
    /// frames come.
    fn frame(&mut self, frame: <Self::Codec as Codec>::Frame<'_>, ctx: &mut Context<Self>);

    /// Bytes have come that are no frame. The place to write the peer an error. After an error
    /// that is fatal to the codec the connection is closed when that is sent; after any other it
    /// goes on with the next frame.
    fn refused(&mut self, error: &<Self::Codec as Codec>::Error, ctx: &mut Context<Self>) {
        let _ = (error, ctx);
    }

    /// The peer will send no more, but may still read. Unless this says otherwise, what is queued
    /// is sent and the connection closed, with [`CloseReason::Eof`].
    fn half_closed(&mut self, ctx: &mut Context<Self>) -> HalfClosed {
        let _ = ctx;
        HalfClosed::Close
    }

    /// The write queue was at its high watermark and has fallen to the low one.
    fn writable(&mut self, ctx: &mut Context<Self>) {
        let _ = ctx;
    }

    /// The peer has missed so many writes, because it reads too slowly: they were dropped, as
    /// [`Options::when_slow`](crate::Options::when_slow) says. Comes when the write queue has fallen to
    /// the low watermark, before [`writable`](Self::writable), so that there is room to tell the peer; or
    /// before [`closed`](Self::closed).
    fn lagged(&mut self, missed: u64, ctx: &mut Context<Self>) {
        let _ = (missed, ctx);
    }

    /// The connection has ended, or will when what is queued is sent; nothing more can be written.
    /// The actor stops after this.
    fn closed(&mut self, why: &CloseReason, ctx: &mut Context<Self>) {
        let _ = (why, ctx);
    }
}

/// What to do when the peer will send no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HalfClosed {
    /// Send what is queued, then close.
    #[default]
    Close,
    /// Go on writing; the actor ends the connection when it has no more to say.
    StayOpen,
}

#[cfg(test)]
mod tests;
