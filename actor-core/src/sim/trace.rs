//! What a simulation has done, step by step: as a hash always, and in words where it is to be told.

use std::collections::VecDeque;
use std::time::Duration;

/// The most lines of a story: the last ones are those that tell of the failure.
const LINES: usize = 2_000;

/// What a simulation has done so far. Two runs with the same trace have chosen the same, delivered the same messages to
/// the same actors in the same order, and sent the same ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Of all steps, and of all that was sent in them.
    pub hash: u64,
    /// How many steps there were.
    pub steps: u64,
    /// How many messages were given to handlers.
    pub handled: u64,
}

/// What is hashed of a step, before what it is about.
#[derive(Clone, Copy)]
pub(super) enum Noted {
    Turn = 1,
    Job,
    Resumed,
    Time,
    Sent,
    Handled,
    Outside,
}

impl Trace {
    pub(super) fn note(&mut self, what: Noted, about: u64) {
        self.mix(what as u64);
        self.mix(about);
    }

    pub(super) fn note_label(&mut self, label: &str) {
        for part in label.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.mix(u64::from_le_bytes(word));
        }
    }

    /// As rustc's own hash tables do it.
    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// The steps in words, where they are to be told.
#[derive(Default)]
pub(super) struct Story {
    lines: VecDeque<(Duration, String)>,
    left_out: usize,
}

impl Story {
    pub(super) fn add(&mut self, now: Duration, line: String) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back((now, line));
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.left_out > 0 {
            text += &format!("  (the first {} lines are left out)\n", self.left_out);
        }
        for (now, line) in &self.lines {
            let line = line.replace('\n', "\n               ");
            text += &format!("  {:>12} {line}\n", format!("{now:?}"));
        }
        text
    }
}
