//! In place of `tls.rs` where the feature is off: a connection that has TLS cannot be made.

use std::io::{self, Read, Write};

use super::queue::{Flush, Queue};
use super::shared::Came;

#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    pub(super) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(super) fn unsent(&self) -> usize {
        match *self {}
    }

    pub(super) fn read(&mut self, _: &mut impl Read, _: &mut [u8]) -> io::Result<Came> {
        match *self {}
    }

    pub(super) fn flush(&mut self, _: &mut Queue, _: &mut impl Write, _: bool) -> Flush {
        match *self {}
    }
}
