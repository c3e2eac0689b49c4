//! What the targets share: a codec is fed with a stream in one piece and cut anywhere, must say the same of both, and keep the
//! rules of `Codec`.

use std::fmt::Debug;

use actor_net::websocket::{Server, ServerFrame};
use actor_net::{Codec, Decoded, http};

/// What a codec says of a stream, and what it answers.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub found: Vec<String>,
    pub replies: Vec<u8>,
}

/// Feeds a codec as a connection does, in pieces of these sizes; what they leave comes in one.
pub fn feed<C: Codec>(
    codec: &mut C,
    stream: &[u8],
    sizes: &[u8],
    mut show: impl FnMut(C::Frame<'_>) -> String,
) -> Said {
    let mut said = Said::default();
    said.replies.extend(codec.replies().unwrap_or_default());
    let (mut kept, mut rest, mut sizes) = (Vec::new(), stream, sizes.iter());
    loop {
        let size = sizes.next().map_or(rest.len(), |size| usize::from(*size) + 1).min(rest.len());
        let eof = rest.is_empty();
        kept.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        let mut at = 0;
        loop {
            let left = kept.len() - at;
            let (used, over) = match codec.decode(&mut kept[at..], eof) {
                Decoded::Need => break,
                Decoded::Frame { frame, used } => {
                    said.found.push(show(frame));
                    (used, false)
                }
                Decoded::Used(used) => (used, false),
                Decoded::Refused { error, used } => {
                    said.found.push(format!("refused: {error}"));
                    (used, false)
                }
                Decoded::Fatal(error) => {
                    said.found.push(format!("fatal: {error}"));
                    (1, true)
                }
                Decoded::End => {
                    said.found.push("end".to_owned());
                    (1, true)
                }
            };
            if over {
                said.replies.extend(codec.replies().unwrap_or_default());
                return said;
            }
            assert!(used > 0 && used <= left, "{used} of {left} bytes are used");
            at += used;
            said.replies.extend(codec.replies().unwrap_or_default());
        }
        kept.drain(..at);
        if eof {
            return said;
        }
    }
}

/// The stream, and how to cut it, from what the fuzzer gives.
pub fn cut(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (n, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*n % 32))
}

/// Feeds two codecs, one in one piece, and sees that it makes no difference. `prefix` comes first, in one piece.
pub fn same<C: Codec>(
    make: impl Fn() -> C,
    prefix: &[u8],
    data: &[u8],
    show: impl Fn(C::Frame<'_>) -> String,
) {
    let Some((sizes, stream)) = cut(data) else { return };
    let stream = [prefix, stream].concat();
    let whole = feed(&mut make(), &stream, &[], &show);
    let mut pieces: Vec<u8> = prefix.chunks(256).map(|piece| (piece.len() - 1) as u8).collect();
    pieces.extend(sizes);
    let cut = feed(&mut make(), &stream, &pieces, &show);
    // Responses have a date, which is of the length that it always is.
    assert_eq!((whole.found, whole.replies.len()), (cut.found, cut.replies.len()));
}

pub fn debug(frame: impl Debug) -> String {
    format!("{frame:?}")
}

/// A request for an upgrade that offers compression.
pub const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/// The longest message.
pub const MAX: usize = 10_000;

pub fn server() -> Server {
    Server::new(http::Server::new(100), MAX).max_fragments(20)
}

/// Accepts upgrades.
pub fn accept(frame: ServerFrame<'_>) -> String {
    match frame {
        ServerFrame::Upgrade(upgrade) => debug(upgrade.accept()),
        ServerFrame::Request(request) => debug((request.target(), request.body())),
        ServerFrame::Message(message) => debug(message),
    }
}
