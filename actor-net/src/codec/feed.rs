//! Feeds a codec as a connection does, for the tests of codecs.

use super::{Codec, Decoded};

/// What a codec says of a stream, but for what does not concern its user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found<F, E> {
    Frame(F),
    Refused(E),
    Fatal(E),
    End,
}

/// What became of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Fed<T> {
    /// What was found, as the test wants it.
    pub(crate) found: Vec<T>,
    /// What the codec has answered by itself.
    pub(crate) replies: Vec<u8>,
    /// The most bytes that were neither used nor refused after a call.
    pub(crate) kept: usize,
}

/// Feeds `stream` in pieces of the given sizes, as reads from a socket would bring them; what the
/// sizes leave comes in one piece. `own` makes what does not borrow.
pub(crate) fn feed<C: Codec, T>(
    codec: &mut C,
    stream: &[u8],
    sizes: &[usize],
    mut own: impl FnMut(Found<C::Frame<'_>, C::Error>) -> T,
) -> Fed<T> {
    let mut fed = Fed { found: Vec::new(), replies: Vec::new(), kept: 0 };
    fed.replies.extend(codec.replies().unwrap_or_default());
    let mut kept: Vec<u8> = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter().copied();
    loop {
        let size = sizes.next().unwrap_or(rest.len()).min(rest.len());
        let eof = rest.is_empty();
        kept.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        let mut at = 0;
        loop {
            let (found, used, over) = match codec.decode(&mut kept[at..], eof) {
                Decoded::Need => break,
                Decoded::Frame { frame, used } => (Some(own(Found::Frame(frame))), used, false),
                Decoded::Used(used) => (None, used, false),
                Decoded::Refused { error, used } => (Some(own(Found::Refused(error))), used, false),
                Decoded::Fatal(error) => (Some(own(Found::Fatal(error))), 0, true),
                Decoded::End => (Some(own(Found::End)), 0, true),
            };
            assert!(over || used > 0, "a codec that uses nothing would be asked for ever");
            at += used;
            fed.found.extend(found);
            fed.replies.extend(codec.replies().unwrap_or_default());
            if over {
                return fed;
            }
        }
        fed.replies.extend(codec.replies().unwrap_or_default());
        kept.drain(..at);
        fed.kept = fed.kept.max(kept.len());
        if eof {
            return fed;
        }
    }
}
