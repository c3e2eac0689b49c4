//! Bytes that were read and are not used yet: a partial frame, or frames a turn had no budget for.

use std::cell::Cell;

/// The unused bytes of one connection. Has no memory of its own while there are none, and is one word in a
/// connection, most of which have none.
#[derive(Default)]
pub(super) struct Inbox(Option<Box<Left>>);

/// Some unused bytes, and before them some that are used.
struct Left {
    bytes: Vec<u8>,
    /// Those before it are used. They are moved out of the way only when more come, so that many
    /// small frames do not move the rest each time.
    start: usize,
}

impl Inbox {
    fn bytes(&mut self) -> &mut [u8] {
        self.0.as_mut().map_or(&mut [], |left| &mut left.bytes[left.start..])
    }

    /// What is here, to be decoded.
    pub(super) fn take(&mut self) -> Unused<'_> {
        Unused { inbox: self, read: None, used: Cell::new(0) }
    }

    /// What was just read, to be decoded where it is. There must be nothing before it.
    pub(super) fn take_read<'a>(&'a mut self, read: &'a mut [u8]) -> Unused<'a> {
        debug_assert!(self.is_empty());
        Unused { inbox: self, read: Some(read), used: Cell::new(0) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn append(&mut self, more: &[u8]) {
        match &mut self.0 {
            _ if more.is_empty() => {}
            Some(left) => {
                left.bytes.drain(..left.start);
                left.start = 0;
                left.bytes.extend_from_slice(more);
            }
            none => *none = Some(Box::new(Left { bytes: more.to_vec(), start: 0 })),
        }
    }

    fn consume(&mut self, used: usize) {
        if let Some(left) = &mut self.0 {
            left.start += used;
            debug_assert!(left.start <= left.bytes.len());
            if left.start == left.bytes.len() {
                self.0 = None;
            }
        }
    }
}

/// Bytes that are being decoded. What is not used when this is dropped, by a panic of a handler too, is
/// in the inbox.
pub(super) struct Unused<'a> {
    inbox: &'a mut Inbox,
    read: Option<&'a mut [u8]>,
    used: Cell<usize>,
}

impl Unused<'_> {
    /// All of them, and how many are used.
    pub(super) fn parts(&mut self) -> (&mut [u8], &Cell<usize>) {
        match &mut self.read {
            Some(read) => (read, &self.used),
            None => (self.inbox.bytes(), &self.used),
        }
    }
}

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        match &self.read {
            Some(read) => self.inbox.append(&read[self.used.get()..]),
            None => self.inbox.consume(self.used.get()),
        }
    }
}
