//! From bytes to the actor's methods, by way of its codec.

use std::cell::Cell;

use actor_core::Context;

use super::Connection;
use super::inbox::Unused;
use super::reason::CloseReason;
use super::shared::Shared;
use crate::codec::{Codec, Decoded};

/// Hands frames on, as many as are left in the turn's budget.
pub(super) struct Frames<'a, C: Connection> {
    pub(super) shared: &'a Shared,
    pub(super) codec: &'a mut C::Codec,
    pub(super) actor: &'a mut C,
    pub(super) ctx: &'a mut Context<C>,
    pub(super) left: usize,
    /// A frame has come to its end.
    pub(super) ended: bool,
    /// The connection may be ended while a handler runs.
    pub(super) breakable: bool,
}

/// Why no more frames were handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// What is left is not a whole frame.
    Need,
    /// The budget is spent.
    Spent,
    /// The actor wants no more, for now or for ever.
    End,
}

/// What one call of the codec has led to.
enum Step<E> {
    Need,
    Handed,
    Used,
    Refused(E),
    Fatal(E),
    End,
}

impl<C: Connection> Frames<'_, C> {
    /// Uses up what it can, and says why it went no further.
    pub(super) fn decode(&mut self, mut unused: Unused<'_>, eof: bool) -> Found {
        let (input, at) = unused.parts();
        let found = loop {
            if self.left == 0 && (eof || at.get() < input.len()) {
                break Found::Spent;
            }
            match self.step(at, input, eof) {
                Step::Need => break Found::Need,
                Step::Handed => self.ended = true,
                // What it has answered comes before what the actor makes of the next frame.
                Step::Used => self.shared.write_replies(self.codec),
                Step::Refused(error) => {
                    self.ended = true;
                    tracing::debug!(peer = %self.shared.peer(), %error, "refused what the peer sent");
                    self.refuse(&error);
                }
                Step::Fatal(error) => {
                    self.refuse(&error);
                    self.shared.end(CloseReason::Protocol(error.to_string()));
                    return Found::End;
                }
                Step::End => {
                    self.shared.write_replies(self.codec);
                    self.shared.end(CloseReason::Eof);
                    return Found::End;
                }
            }
            self.left = self.left.saturating_sub(1);
            if self.shared.wants_no_more() || self.ctx.is_stopping() {
                break Found::End;
            }
        };
        self.shared.write_replies(self.codec);
        found
    }

    /// Asks the codec once, and hands on what it finds. After this nothing is borrowed from it.
    fn step(&mut self, at: &Cell<usize>, input: &mut [u8], eof: bool) -> Step<<C::Codec as Codec>::Error> {
        if self.breakable {
            self.shared.set_last_words(self.codec.farewell(&CloseReason::ActorFailed));
        }
        let (start, len) = (at.get(), input.len());
        match self.codec.decode(&mut input[start..], eof) {
            Decoded::Need => Step::Need,
            Decoded::Frame { frame, used } => {
                at.set(at.get() + used);
                if self.shared.common().is_draining() {
                    self.shared.set_more(at.get() < len);
                }
                self.actor.frame(frame, self.ctx);
                Step::Handed
            }
            Decoded::Used(used) => {
                at.set(at.get() + used);
                Step::Used
            }
            Decoded::Refused { error, used } => {
                at.set(at.get() + used);
                Step::Refused(error)
            }
            Decoded::Fatal(error) => Step::Fatal(error),
            Decoded::End => Step::End,
        }
    }

    fn refuse(&mut self, error: &<C::Codec as Codec>::Error) {
        self.shared.write_replies(self.codec);
        self.actor.refused(error, self.ctx);
    }
}
