//! The actors of the programs, which do what they are told and note what becomes of it.

use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{Down, MonitorId, StopReason};
use proptest::prelude::*;

/// Something that an actor does. Others are known by their numbers.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Tell { to: usize, times: u8 },
    Ask { to: usize, within: Option<u16> },
    Monitor(usize),
    Link(usize),
    After(u16),
    Sleep(u16),
    Block,
    Child(Box<Action>),
    Fail,
    Panic,
    Stop,
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    let other = 0usize..4;
    let leaf = prop_oneof![
        6 => (other.clone(), 1u8..6).prop_map(|(to, times)| Action::Tell { to, times }),
        4 => (other.clone(), proptest::option::of(0u16..30)).prop_map(|(to, within)| Action::Ask { to, within }),
        2 => other.clone().prop_map(Action::Monitor),
        1 => other.prop_map(Action::Link),
        2 => (0u16..40).prop_map(Action::After),
        2 => (0u16..40).prop_map(Action::Sleep),
        1 => Just(Action::Block),
        1 => Just(Action::Fail),
        1 => Just(Action::Panic),
        1 => Just(Action::Stop),
    ];
    leaf.prop_recursive(2, 4, 1, |inner| inner.prop_map(|action| Action::Child(Box::new(action))))
}

/// What is seen of a program.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) units: Mutex<Vec<UnitRef>>,
    /// Tells apart all incarnations of all actors.
    born: AtomicU64,
    /// From which incarnation to whom, and the how manieth it is.
    pub(crate) came: Mutex<Vec<(u64, usize, u64)>>,
    /// How many of those were accepted.
    pub(crate) accepted: AtomicU64,
    /// How many orders to act were accepted, and how many were carried out without a failure.
    ordered: AtomicU64,
    pub(crate) acted: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) asks_ended: AtomicU64,
    pub(crate) downs: Mutex<Vec<MonitorId>>,
    /// How many incarnations have started.
    pub(crate) started: AtomicU64,
    /// The incarnations that were killed while no handler had their state: none of theirs begins any more.
    pub(crate) killed: Mutex<HashSet<u64>>,
    /// The test has ordered the end.
    pub(crate) ending: AtomicBool,
    /// The numbers of those that the supervisor has stopped at the end.
    pub(crate) stopped_at_end: Mutex<Vec<usize>>,
    /// What an actor saw that must not be. A panic in its handler would be one failure more, for its supervisor.
    pub(crate) wrong: Mutex<Vec<String>>,
}

impl Notes {
    /// Orders a unit to do something.
    pub(crate) fn order(&self, unit: &UnitRef, action: Action) {
        if unit.act(action).tell().is_ok() {
            self.ordered.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn ordered(&self) -> u64 {
        self.ordered.load(Ordering::Relaxed)
    }

    fn expect(&self, right: bool, otherwise: impl FnOnce() -> String) {
        if !right {
            self.wrong.lock().unwrap().push(otherwise());
        }
    }
}

/// Notes when an ask has ended, with a reply or an error, or by being dropped with its handler.
struct Asked(Arc<Notes>);

impl Asked {
    fn new(notes: &Arc<Notes>) -> Asked {
        notes.asked.fetch_add(1, Ordering::Relaxed);
        Asked(notes.clone())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.asks_ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// After so long the timer is due that each incarnation arms when it starts: the first of its timers, as that was which the
/// incarnation before has left behind.
const FIRST: Duration = Duration::from_millis(10);
/// A child of one of the program's actors has this number.
const CHILD: usize = 100;

#[derive(Actor)]
#[actor(mailbox = 8)]
pub(crate) struct Unit {
    number: usize,
    born: u64,
    notes: Arc<Notes>,
    /// How many it has sent to whom.
    sent: HashMap<usize, u64>,
    monitors: Vec<MonitorId>,
}

impl Unit {
    pub(crate) fn new(number: usize, notes: &Arc<Notes>) -> Unit {
        let born = notes.born.fetch_add(1, Ordering::Relaxed) + 1;
        Unit { number, born, notes: notes.clone(), sent: HashMap::new(), monitors: Vec::new() }
    }

    /// Tells apart all incarnations of all actors; not 0.
    pub(crate) fn born(&self) -> u64 {
        self.born
    }

    /// A handler begins.
    fn begins(&self, what: &str) {
        let killed = self.notes.killed.lock().unwrap().contains(&self.born);
        self.notes.expect(!killed, || format!("system lane: {what} is handled after a kill"));
    }

    fn other(&self, at: usize) -> (usize, UnitRef) {
        let units = self.notes.units.lock().unwrap();
        let at = at % units.len();
        (at, units[at].clone())
    }

    fn tell(&mut self, to: usize) {
        let (at, other) = self.other(to);
        let number = self.sent.entry(at).or_default();
        *number += 1;
        if other.note(self.born, at, *number).tell().is_ok() {
            self.notes.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn arm(&self, time: Duration, ctx: &mut Context<Self>) {
        ctx.after(time, UnitRing { born: self.born, due: ctx.system().snapshot().uptime + time });
    }

    async fn ask(&mut self, to: usize, within: Option<u16>) {
        let (_, other) = self.other(to);
        let _asked = Asked::new(&self.notes);
        let ask = other.get();
        let answer = match within {
            Some(within) => ask.within(Duration::from_millis(within.into())).await,
            None => ask.await,
        };
        // With what else it ends is for the others to say.
        self.notes
            .expect(!matches!(answer, Ok(0)), || "revocation: a condemned handler has answered".to_owned());
    }
}

#[messages]
impl Unit {
    #[started]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        if self.number < CHILD {
            self.notes.started.fetch_add(1, Ordering::Relaxed);
            self.notes.stopped_at_end.lock().unwrap().clear();
        }
        self.arm(FIRST, ctx);
    }

    #[stopped]
    fn end(&mut self, why: &StopReason) {
        let at_end = self.notes.ending.load(Ordering::Relaxed);
        if at_end && matches!(why, StopReason::Shutdown) && self.number < CHILD {
            self.notes.stopped_at_end.lock().unwrap().push(self.number);
        }
    }

    #[down]
    fn gone(&mut self, down: Down) {
        self.begins("a Down");
        let wanted = self.monitors.contains(&down.monitor);
        self.notes.expect(wanted, || format!("Down: this incarnation has no {:?}", down.monitor));
        self.notes.downs.lock().unwrap().push(down.monitor);
    }

    #[message]
    pub(crate) async fn act(&mut self, action: Action, ctx: &mut Context<Self>) {
        self.begins("act");
        match action {
            Action::Tell { to, times } => (0..times).for_each(|_| self.tell(to)),
            Action::Ask { to, within } => self.ask(to, within).await,
            Action::Monitor(to) => {
                let (_, other) = self.other(to);
                self.monitors.push(ctx.monitor(&other));
            }
            Action::Link(to) => {
                let (at, other) = self.other(to);
                if at != self.number {
                    ctx.link(&other);
                }
            }
            Action::After(time) => self.arm(Duration::from_millis(time.into()), ctx),
            Action::Sleep(time) => ctx.system().sleep(Duration::from_millis(time.into())).await,
            Action::Block => drop(ctx.blocking(|| Instant::now().elapsed()).await),
            Action::Child(action) => {
                let notes = self.notes.clone();
                if let Ok(child) = ctx.spawn(move || Unit::new(CHILD, &notes)) {
                    let revoked = ctx.is_revoked();
                    self.notes.expect(!revoked, || "revocation: a condemned handler has spawned".to_owned());
                    self.notes.order(&child, *action);
                }
            }
            Action::Fail => return ctx.fail("on purpose"),
            Action::Panic => resume_unwind(Box::new("on purpose")),
            Action::Stop => ctx.stop(),
        }
        // As in `note`.
        if !ctx.is_revoked() {
            self.notes.acted.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[message]
    pub(crate) fn note(&mut self, from: u64, to: usize, number: u64, ctx: &mut Context<Self>) {
        self.begins("note");
        // A condemned handler has returned late: its message is a dead letter.
        if !ctx.is_revoked() {
            self.notes.came.lock().unwrap().push((from, to, number));
        }
    }

    #[message]
    pub(crate) fn get(&mut self, ctx: &mut Context<Self>) -> u64 {
        self.begins("get");
        if ctx.is_revoked() { 0 } else { self.born }
    }

    /// Of timers: none fires into a later incarnation, nor has it one of that fire before it is due.
    #[message]
    fn ring(&mut self, born: u64, due: Duration, ctx: &mut Context<Self>) {
        self.begins("ring");
        self.notes.expect(born == self.born, || "timers: this one is of another incarnation".to_owned());
        let now = ctx.system().snapshot().uptime;
        self.notes.expect(now >= due, || format!("timers: due at {due:?}, and has fired at {now:?}"));
    }
}
