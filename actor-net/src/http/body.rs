//! Bodies of responses that are written piece by piece.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::response::{COPIED, Framing};
use crate::connection::{Conn, Pressure};

/// The body of a response that [`Answer::stream`](super::Answer::stream) has begun: in chunks, or for clients that
/// speak HTTP/1.0 up to the end of the connection. Keep it in the actor, and [end](Self::end) it.
///
/// One that is dropped before its end breaks the connection off, so that the client does not take a part of it
/// for the whole.
///
/// A page that is made while the client reads it, no faster than that:
///
/// ```
/// use actor_core::prelude::*;
/// use actor_net::http::{self, Body, Request, Response};
/// use actor_net::{Conn, Connection, Pressure};
///
/// #[derive(Actor)]
/// struct Export { conn: Conn, rows: std::ops::Range<u32>, body: Option<Body> }
///
/// #[messages]
/// impl Export {}
///
/// impl Export {
///     fn go_on(&mut self) {
///         let Some(body) = &mut self.body else { return };
///         for row in &mut self.rows {
///             if body.write(format!("row {row}\n")) != Pressure::Low {
///                 return; // `writable` goes on
///             }
///         }
///         if let Some(body) = self.body.take() {
///             body.end();
///         }
///     }
/// }
///
/// impl Connection for Export {
///     type Codec = http::Server;
///     fn codec(&self) -> http::Server { http::Server::new(0) }
///     fn frame(&mut self, request: Request<'_>, _ctx: &mut Context<Self>) {
///         self.rows = 0..1_000_000;
///         self.body = Some(request.answer().stream(Response::new(200), &mut self.conn));
///         self.go_on();
///     }
///     fn writable(&mut self, _ctx: &mut Context<Self>) {
///         self.go_on();
///     }
/// }
/// ```
#[must_use = "a body that is dropped breaks the connection off; end it"]
pub struct Body {
    conn: Conn,
    framing: Framing,
    /// Nothing of it is sent: in answer to `HEAD`.
    head: bool,
    /// The connection is closed behind it.
    last: bool,
    ended: bool,
}

impl Body {
    pub(super) fn new(conn: Conn, framing: Framing, head: bool, last: bool) -> Body {
        Body { conn, framing, head, last, ended: false }
    }

    /// Writes a piece; empty ones do nothing. Says what [`Conn::write`] does: after
    /// [`Pressure::High`] better wait for [`writable`](crate::Connection::writable).
    ///
    /// A piece of which a part was [dropped](crate::WhenSlow) breaks the connection off.
    pub fn write(&mut self, bytes: impl Into<Bytes>) -> Pressure {
        let bytes = bytes.into();
        if bytes.is_empty() || self.head || self.framing == Framing::Length {
            return if self.conn.is_closed() { Pressure::Closed } else { Pressure::Low };
        }
        let pressure = match self.framing {
            Framing::Chunks => self.chunk(bytes),
            _ => self.conn.write(bytes),
        };
        if pressure == Pressure::Dropped {
            self.conn.abort();
            return Pressure::Closed;
        }
        pressure
    }

    fn chunk(&mut self, bytes: Bytes) -> Pressure {
        let mut out = BytesMut::with_capacity(if bytes.len() < COPIED { bytes.len() + 24 } else { 24 });
        out.put_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
        if bytes.len() < COPIED {
            out.put_slice(&bytes);
            out.put_slice(b"\r\n");
            return self.conn.write(out);
        }
        let pieces = [out.freeze(), bytes, Bytes::from_static(b"\r\n")];
        let mut worst = Pressure::Low;
        for piece in pieces {
            match self.conn.write(piece) {
                Pressure::Low => {}
                Pressure::High => worst = Pressure::High,
                gone => return gone,
            }
        }
        worst
    }

    /// Ends the body. The connection goes on with the next request, or is closed if this was the last.
    pub fn end(mut self) -> Pressure {
        self.ended = true;
        let mut pressure = Pressure::Low;
        if self.framing == Framing::Chunks && !self.head {
            pressure = self.conn.write(Bytes::from_static(b"0\r\n\r\n"));
        }
        if pressure == Pressure::Dropped {
            self.conn.abort();
        } else if self.last {
            self.conn.close();
        }
        self.conn.resume();
        pressure
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.ended {
            self.conn.abort();
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("conn", &self.conn).field("ended", &self.ended).finish_non_exhaustive()
    }
}
