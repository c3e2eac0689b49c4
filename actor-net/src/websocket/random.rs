//! The keys of masks and handshakes. The only code here that draws random numbers.
//!
//! A client masks what it sends so that nobody can choose the bytes that go over the wire (RFC 6455
//! section 10.3); for that a key must not be predicted from those before it. The standard library has
//! what it takes: a keyed hash, for each thread with a key from the operating system, of a counter. That
//! costs no system call for each frame, as asking the system would.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Eight random bytes.
fn eight() -> [u8; 8] {
    thread_local! {
        static STATE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    STATE.with(|(keys, count)| {
        count.set(count.get().wrapping_add(1));
        keys.hash_one(count.get()).to_ne_bytes()
    })
}

/// A key for a mask.
pub(super) fn key() -> [u8; 4] {
    let [a, b, c, d, ..] = eight();
    [a, b, c, d]
}

/// What a client calls its handshake.
pub(super) fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&eight());
    nonce[8..].copy_from_slice(&eight());
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ() {
        let keys: std::collections::HashSet<_> = (0..1000).map(|_| nonce()).collect();
        assert_eq!(keys.len(), 1000);
        let bits: u32 = (0..1000).map(|_| u32::from_ne_bytes(key()).count_ones()).sum();
        // 16,000 are expected; the deviation is some 90.
        assert!((15_000..17_000).contains(&bits), "{bits} of 32,000 bits are set");
    }
}
