//! The account of a storm that blows at a tree: what was made, sent, asked, handled and dropped.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{ActorId, DeadLetter, DeadLetterReason};

use crate::support::Gate;

/// So many handlers that do not return are held at a time.
const HELD_AT_MOST: usize = 24;

/// What all actors and drivers of a storm share.
#[derive(Default)]
pub(crate) struct Storm {
    /// Starts fail only while it blows.
    pub(crate) blows: AtomicBool,
    /// Nobody holds a thread any more.
    pub(crate) over: AtomicBool,
    pub(crate) dice: AtomicU64,
    pub(crate) held: Mutex<Vec<(Instant, Gate)>>,
    /// Those that somebody has sent something.
    pub(crate) known: Mutex<HashSet<ActorId>>,
    pub(crate) tally: Tally,
}

#[derive(Default)]
pub(crate) struct Tally {
    /// Messages that were made, and that are gone.
    pub(crate) made: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Messages that who sent them knows to be accepted; refused ones.
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Asks that have begun, that have ended, and that went with the handler that asked.
    pub(crate) begun: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    /// Handlers that were called.
    pub(crate) called: AtomicU64,
    /// Dead letters of these actors, and how many of them failed.
    pub(crate) letters: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// And how many of these had async handlers.
    pub(crate) failed_async: AtomicU64,
    /// States that were made, and that are gone.
    pub(crate) states: AtomicU64,
    pub(crate) states_dropped: AtomicU64,
    pub(crate) failed_starts: AtomicU64,
    /// Monitors of wardens, and their Downs.
    pub(crate) watched: AtomicU64,
    pub(crate) downs: AtomicU64,
    /// What is in the accounts of the actors that have ended.
    pub(crate) in_accounts: AtomicU64,
    pub(crate) handled: AtomicU64,
    pub(crate) dead: AtomicU64,
    /// Accounts that do not add up; Downs that nobody waits for.
    pub(crate) wrong: AtomicU64,
}

pub(crate) fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn sum(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// SplitMix64.
pub(crate) fn mixed(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Storm {
    pub(crate) fn below(&self, n: u64) -> u64 {
        mixed(self.dice.fetch_add(STEP, Ordering::Relaxed)) % n
    }

    pub(crate) fn parcel(self: &Arc<Self>) -> Parcel {
        add(&self.tally.made);
        Parcel(self.clone())
    }

    pub(crate) fn told<M>(&self, told: Result<(), TellError<M>>) {
        add(if told.is_ok() { &self.tally.accepted } else { &self.tally.refused });
    }

    /// Notes dead letters. Requests to supervisors are in no account here.
    pub(crate) fn read(&self, letters: impl Iterator<Item = DeadLetter>) {
        for letter in letters.filter(|letter| self.known.lock().unwrap().contains(&letter.actor)) {
            add(&self.tally.letters);
            if matches!(letter.reason, DeadLetterReason::HandlerFailed(_)) {
                add(&self.tally.failed);
                if matches!(letter.message, "consult" | "sleep") {
                    add(&self.tally.failed_async);
                }
            }
        }
    }

    /// A gate that is opened after a while; none if there are enough.
    pub(crate) fn gate(&self) -> Option<Gate> {
        let mut held = self.held.lock().unwrap();
        (held.len() < HELD_AT_MOST).then(|| {
            let gate = Gate::default();
            held.push((Instant::now(), gate.clone()));
            gate
        })
    }

    pub(crate) fn open_gates(&self, older: Duration) {
        let mut held = self.held.lock().unwrap();
        held.retain(|(since, gate)| {
            let stays = since.elapsed() < older;
            if !stays {
                gate.open();
            }
            stays
        });
    }
}

/// Goes with each message, and counts its end.
pub(crate) struct Parcel(pub(crate) Arc<Storm>);

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parcel")
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        add(&self.0.tally.dropped);
    }
}

/// An ask under way.
pub(crate) struct Asking<'a>(&'a Tally, bool);

impl<'a> Asking<'a> {
    pub(crate) fn begin(tally: &'a Tally) -> Self {
        add(&tally.begun);
        Asking(tally, false)
    }

    pub(crate) fn end<M: actor_core::Message<Reply = u64>>(
        mut self,
        expected: u64,
        answer: Result<u64, AskError<M>>,
    ) {
        self.1 = true;
        add(&self.0.ended);
        match answer {
            Ok(answer) if answer == expected => add(&self.0.accepted),
            Ok(_) => add(&self.0.wrong),
            Err(error) => {
                add(if error.into_message().is_some() { &self.0.refused } else { &self.0.accepted })
            }
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.1 {
            add(&self.0.abandoned);
        }
    }
}

/// A driver's randomness.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0) % n
    }
}
