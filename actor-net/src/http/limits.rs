//! How much a peer may send before it is refused.

/// The most headers that can be allowed: they are parsed into an array on the stack.
pub(crate) const MOST_HEADERS: usize = 128;

/// What a request may have. In four bytes each, since every connection has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(super) head: u32,
    pub(super) target: u32,
    pub(super) headers: u32,
    pub(super) body: u32,
}

impl Limits {
    pub(crate) const fn new(body: usize) -> Limits {
        Limits { head: 16 << 10, target: 8 << 10, headers: 100, body: narrow(body) }
    }
}

/// No limit is near four gigabytes; what is above is taken for that.
pub(super) const fn narrow(limit: usize) -> u32 {
    if limit > u32::MAX as usize { u32::MAX } else { limit as u32 }
}
