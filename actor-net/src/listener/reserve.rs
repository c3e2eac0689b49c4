//! A descriptor that is kept for when there are no others: with it, who waits to be accepted can be
//! told that there is no room.

use std::fs::File;
use std::io;

/// The descriptor, unless it is lent or there was none to be had.
#[derive(Debug, Default)]
pub(super) struct Reserve(Option<File>);

impl Reserve {
    /// Takes a descriptor if none is kept; nothing comes of it where there is none.
    pub(super) fn refill(&mut self) {
        if cfg!(unix) && self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }

    /// Has `accept` use the place of the descriptor, again and again, `most` times or until it fails. What
    /// it gives is closed at once, after `each` has seen it.
    pub(super) fn lend<S, P>(
        &mut self,
        most: usize,
        mut accept: impl FnMut() -> io::Result<(S, P)>,
        mut each: impl FnMut(P),
    ) {
        if self.0.take().is_none() {
            return;
        }
        for _ in 0..most {
            // Another thread may have been faster, and have the place now.
            let Ok((socket, peer)) = accept() else {
                break;
            };
            drop(socket);
            each(peer);
        }
        self.refill();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn it_is_lent_as_often_as_it_is_kept() {
        let (mut reserve, mut seen) = (Reserve::default(), Vec::new());
        reserve.lend(3, || Ok(((), 1)), |peer| seen.push(peer));
        assert!(seen.is_empty(), "nothing is kept yet");
        reserve.refill();
        reserve.lend(3, || Ok(((), 2)), |peer| seen.push(peer));
        assert_eq!(seen, [2, 2, 2]);
        assert!(reserve.0.is_some());
        reserve.lend(3, || Err::<((), u8), _>(io::ErrorKind::WouldBlock.into()), |peer| seen.push(peer));
        assert_eq!(seen.len(), 3);
    }
}
