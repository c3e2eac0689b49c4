//! How a connection begins: the two halves of one that was accepted, or that is to be made.

use std::sync::Arc;
use std::time::Duration;

use actor_core::port::{MakePort, Port, Readiness, Ready};

use super::kept::Slot;
use super::under_way::connect_failed;
use super::{ConnectionPort, Held, Phase};
use crate::connection::common::Common;
use crate::connection::conn::Conn;
use crate::connection::reason::CloseReason;
use crate::connection::shared::Shared;
use crate::connection::{Connection, Tls};
use crate::driver::Berth;
use crate::listener::Handshake;
use crate::stream::{Peer, Stream};

/// A connection that was accepted.
pub(crate) struct Arrival {
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    /// With a deadline for its handshake.
    pub(crate) tls: Option<(Box<Tls>, Duration)>,
    /// With a driver.
    pub(crate) berth: Berth,
    /// Dropped when the connection is established.
    pub(crate) handshake: Handshake,
}

/// The two halves of a connection that was accepted: for its actor's factory and for its cell.
/// An actor that is restarted goes on with the socket, up to `restarts` times; `held` is dropped when the connection is gone.
pub(crate) fn accepted<C: Connection, H: Held>(
    arrival: Arrival,
    common: Arc<Common>,
    restarts: u32,
    held: H,
) -> (Conn, MakePort<C>) {
    let Arrival { stream, peer, tls, berth, handshake } = arrival;
    let (tls, deadline) = tls.unzip();
    let shared = Arc::new(Shared::new(peer, Some(stream), tls, common));
    shared.set_handshake(handshake);
    let conn = Conn::new(shared.clone());
    let mut once = Some((berth, held));
    let slot = (restarts > 0).then(|| Arc::new(Slot::<C, H>::default()));
    let make = move |readiness: Readiness| {
        // The peer may have nothing to say, and `opened` is due all the same.
        readiness.set(Ready::WAKE);
        let Some((berth, held)) = once.take() else {
            return match &slot {
                Some(slot) => slot.next(&shared),
                None => closed::<C, H>(&shared),
            };
        };
        shared.set_readiness(&readiness);
        shared.configure();
        // A new socket has room; if not, the first write finds out.
        shared.set_writable();
        if let Err(error) = shared.register(berth, &readiness) {
            shared.end(CloseReason::Io { kind: error.kind(), text: error.to_string() });
        }
        let phase = match deadline {
            Some(limit) => Phase::connecting(&readiness, limit, true),
            None => Phase::Fresh,
        };
        let port = ConnectionPort::new(shared.clone(), phase, Some(held));
        match &slot {
            None => boxed(port),
            Some(slot) => slot.keep(port, restarts),
        }
    };
    (conn, Box::new(make))
}

/// The two halves of a connection to `peer`, which is begun when the actor starts. The deadline is for TLS as well.
pub(crate) fn connecting<C: Connection>(
    peer: Peer,
    tls: Option<Box<Tls>>,
    common: Arc<Common>,
    deadline: Duration,
    held: impl Held,
) -> (Conn, MakePort<C>) {
    let shared = Arc::new(Shared::new(peer, None, tls, common));
    let conn = Conn::new(shared.clone());
    let mut once = Some((shared, held));
    let make = move |readiness: Readiness| {
        let (shared, held) = once.take().expect("a connection's actor is never restarted");
        shared.set_readiness(&readiness);
        let begun = Stream::connect(shared.peer()).and_then(|stream| {
            shared.set_socket(stream);
            shared.register(Berth::mine()?, &readiness)
        });
        if let Err(error) = begun {
            shared.end(connect_failed(&error));
        }
        readiness.set(Ready::WAKE);
        let phase = Phase::connecting(&readiness, deadline, false);
        boxed(ConnectionPort::<C, _>::new(shared, phase, Some(held)))
    };
    (conn, Box::new(make))
}

pub(super) fn boxed<C: Connection>(port: impl Port<C>) -> Box<dyn Port<C>> {
    Box::new(port)
}

/// The port of an incarnation for which there is no connection any more.
pub(super) fn closed<C: Connection, H: Held>(shared: &Arc<Shared>) -> Box<dyn Port<C>> {
    shared.fail(None);
    boxed(ConnectionPort::<C, H>::new(shared.clone(), Phase::Fresh, None))
}
