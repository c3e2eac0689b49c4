//! Systems that are simulated, for tests: the same actors, on one thread, in a time of their own, and with every choice
//! taken from a [`Tape`]. For the feature `sim`.
//!
//! ```
//! use std::time::Duration;
//!
//! use actor_core::prelude::*;
//! use actor_core::sim::Sim;
//!
//! #[derive(Actor)]
//! struct Counter {
//!     count: u32,
//! }
//!
//! #[messages]
//! impl Counter {
//!     #[message]
//!     fn add(&mut self, number: u32) -> u32 {
//!         self.count += number;
//!         self.count
//!     }
//!
//!     #[started]
//!     fn begin(&mut self, ctx: &mut Context<Self>) {
//!         ctx.every(Duration::from_secs(3600), || CounterForget {});
//!     }
//!
//!     #[message]
//!     fn forget(&mut self) {
//!         self.count = 0;
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // 3, 1 and 2 decide who is next, where there is a choice.
//! let sim = Sim::new([3, 1, 2]);
//! let counter = sim.spawn(|| Counter { count: 0 })?;
//! counter.add(2).tell()?;
//! assert_eq!(counter.add(3).wait()?, 5);
//! sim.advance(Duration::from_secs(24 * 3600))?;
//! assert_eq!(counter.add(1).wait()?, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # What is simulated, and what is not
//!
//! Cells, mailboxes, supervision, timers, names, groups and asks are the very code that runs in production. A simulation
//! takes the place of what is around them, at the seams:
//!
//! | | in a system | in a simulation |
//! |---|---|---|
//! | who runs an actor's turn, and when | workers | the thread that made the [`Sim`]: a step for each message, in an order from the tape |
//! | the clock | the machine's | [`Sim::now`]: it stands still in a step, and goes on in steps of its own |
//! | chance, such as a backoff's jitter | a generator | the tape |
//! | a thread that waits (`wait()`) | sleeps | has the simulation go on, until there is what it waits for |
//! | pinned actors | have a thread | are actors like any other |
//! | the blocking pool | threads | threads, of which one at a time runs, as a step like any other |
//! | sockets | the operating system's | `actor-net`'s, with its feature `sim`: segments, connections and resets are steps; see [`outside`] |
//! | sysmon: stalls | looks once a millisecond | looks where it would see something |
//! | sysmon: quanta, background lane; the courier; `set_parallelism` | | there are none: a step takes no time, and there is one worker |
//! | the auditor: leaks, growth, overdue asks and messages | a thread | steps in the simulation's time; those of a scan are as small as can be |
//!
//! A *step* is one of these: an actor whose turn it could be takes a turn of one message (or of its start, or of whatever else
//! comes next for it); a job of the blocking pool begins, or goes on; the time goes on to the next timer, or to what the auditor
//! does next. Where several steps can
//! be taken, the next number of the tape says which. The first is always the one that could be taken longest, so a tape that has
//! ended chooses first come, first served, and time goes on when nobody has anything to do.
//!
//! Time may go on before that too, as it does on a machine that is busy, but nobody is made to wait longer than the
//! [slack](Builder::slack) by that. So a timeout that is further away than that does not overtake a reply that is on its way; to have it do
//! so, raise the slack.
//!
//! # Same tape, same run
//!
//! What a run does follows from the tape and from what the actors do; the [`Trace`] has a hash of it. Nothing of ours brings
//! anything else in: no address, no hash table's order, no thread's speed. What users' actors do may: the order of a `HashMap`,
//! `Instant::now()`, random numbers, threads of their own. Then a run cannot be replayed.
//!
//! # What goes wrong
//!
//! [`Faults`] are drawn from the tape at rates that are [set](Builder::faults), and [`Sim::fault`] aims one at an actor: handlers,
//! `#[started]` and `#[stopped]` that panic, mailboxes that are full, and handlers that keep their threads. Such a handler is on
//! a thread beside, so all others get on; where its actor has a limit it is condemned when that is over, by the simulation's time,
//! and returns when its own is.
//!
//! # Tests
//!
//! [`run`] runs a test with a tape, [`cases`] with many that are made up, and [`explore`] with all that have few choices. Where the
//! test fails, they tell what happened as a story with the line that replays it; and they run it again to see whether it does the
//! same, and say so if it does not. At the end of each run they [look](Sim::check) whether what we promise was kept.
//!
//! A simulation is the thread's that has made it, and there is one on a thread at a time. A handler that keeps its thread keeps
//! the simulation: it is not taken over.

mod books;
mod engine;
mod faults;
#[cfg(feature = "proptest")]
mod given;
mod invariants;
pub mod outside;
mod run;
pub(crate) mod seam;
mod tape;
mod threads;
mod trace;
mod world;

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::Messages;
use crate::actor_ref::ActorRef;
use crate::cell::ActorId;
use crate::clock;
use crate::system::{Report, System, SystemHandle};
pub use books::Broken;
use engine::{Engine, Settings, Until};
use faults::Plan;
pub(crate) use faults::Point;
pub use faults::{Fault, Faults};
#[cfg(feature = "proptest")]
pub use given::Given;
pub use invariants::Between;
use invariants::Invariant;
pub use run::{Explored, cases, explore, run};
pub use tape::Tape;
pub use trace::Trace;
use world::World;

/// How long somebody may be made to wait by time that passes, unless said.
const SLACK: Duration = Duration::from_millis(10);
/// The most steps of one call, unless said.
const STEPS: u64 = 1_000_000;

/// A system that is simulated. What a system can do is done through the [`SystemHandle`] that it dereferences to.
///
/// Nothing happens by itself: actors get on when the thread waits for something (an ask with `wait()`, a start, a monitor), or in
/// [`step`](Self::step), [`settle`](Self::settle) and [`advance`](Self::advance). When it is dropped the system is shut down, with
/// no more numbers from the tape.
pub struct Sim {
    /// Gone when it is dropped.
    system: Option<System>,
    engine: Rc<RefCell<Engine>>,
    world: Arc<World>,
    steps: u64,
    /// It is its thread's.
    here: PhantomData<*const ()>,
}

impl Sim {
    /// A simulation of a system with the usual settings.
    ///
    /// # Panics
    /// If there is one on this thread already.
    #[track_caller]
    pub fn new(tape: impl Into<Tape>) -> Sim {
        Sim::builder().build(tape)
    }

    /// One with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// How much time has passed in it.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.passed()
    }

    /// Takes one step, without waiting for time to pass. False if nobody has anything to do.
    pub fn step(&self) -> bool {
        self.engine.borrow_mut().step(Until { busy: Duration::MAX, idle: None })
    }

    /// Takes steps until nobody has anything to do before time passes, and says how many there were.
    ///
    /// # Errors
    /// If somebody still has after `limit` steps.
    pub fn settle(&self, limit: u64) -> Result<u64, Unsettled> {
        self.take_steps(limit, Until { busy: Duration::MAX, idle: None })
    }

    /// Has so much time pass, with all that happens in it, and says in how many steps.
    ///
    /// # Errors
    /// If it takes more [steps](Builder::steps) than there may be.
    pub fn advance(&self, time: Duration) -> Result<u64, Unsettled> {
        let end = self.now().saturating_add(time);
        let steps = self.take_steps(self.steps, Until::at(end))?;
        self.engine.borrow_mut().pass(end);
        Ok(steps)
    }

    fn take_steps(&self, limit: u64, until: Until) -> Result<u64, Unsettled> {
        let mut engine = self.engine.borrow_mut();
        for steps in 0..limit {
            if !engine.step(until) {
                return Ok(steps);
            }
        }
        if engine.is_quiet() { Ok(limit) } else { Err(Unsettled { limit, runs: engine.runs() }) }
    }

    /// Looks at an actor's state, without a message. `None` if a handler has it, one that waits included, or if there is none: the actor
    /// has not started, or has ended.
    ///
    /// # Panics
    /// If `look` does.
    pub fn look<A: Messages, R>(&self, actor: &ActorRef<A>, look: impl FnOnce(&A) -> R) -> Option<R> {
        let mut engine = self.engine.borrow_mut();
        engine.gather();
        engine.look(actor, look)
    }

    /// From now on this has to hold, which is said by `name`: `holds` is called after each step, and panics if it does not; then the
    /// failure, and the story, name the step. It can look at [actors' states](Between::look), and cannot wait for anything. When
    /// the end of the system is ordered, nothing has to hold any more.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # use actor_core::sim::Sim;
    /// # #[derive(Actor)]
    /// # struct Account { cents: i64 }
    /// # #[messages]
    /// # impl Account {
    /// #     #[message]
    /// #     fn add(&mut self, cents: i64) { self.cents += cents; }
    /// # }
    /// # let sim = Sim::new([]);
    /// # let account = sim.spawn(|| Account { cents: 0 }).unwrap();
    /// let looked_at = account.clone();
    /// sim.invariant("nobody is overdrawn", move |between| {
    ///     between.look(&looked_at, |account| assert!(account.cents >= 0, "{}", account.cents));
    /// });
    /// # account.add(3).tell().unwrap();
    /// # sim.settle(10).unwrap();
    /// ```
    ///
    /// # Panics
    /// If it does not hold now.
    #[track_caller]
    pub fn invariant(&self, name: impl Into<String>, holds: impl Fn(&Between<'_>) + 'static) {
        self.engine.borrow_mut().add_invariant(Invariant::new(name.into(), holds));
    }

    /// Has something go wrong with an actor, as soon as it can.
    pub fn fault(&self, actor: ActorId, fault: Fault) {
        self.world.plan.lock().aim(actor.0, fault);
    }

    /// From now on nothing goes wrong any more: what was aimed and has not come does not, and there are no rates.
    pub fn calm(&self) {
        *self.world.plan.lock() = Plan::default();
    }

    /// What it has done so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        *self.world.trace.lock()
    }

    /// The tape, as far as it was used.
    #[must_use]
    pub fn tape(&self) -> Tape {
        self.world.tape.lock().clone()
    }

    /// The steps so far in words, the last 2000 of them: who sent what to whom, and when. Empty unless it was
    /// [asked for](Builder::tells).
    #[must_use]
    pub fn story(&self) -> String {
        self.world.story.as_ref().map(|story| story.lock().text()).unwrap_or_default()
    }

    /// Ends the system, and says whether it was in order: what we promise, which the simulation keeps books of. Each accepted
    /// message was given to a handler, in the order in which the mailbox has accepted them, or is a dead letter; each monitor was
    /// answered with one Down, or given up; no condemned handler has sent anything; no supervisor has restarted more often than its
    /// intensity allows; no ask waits, and no actor is left.
    ///
    /// # Errors
    /// What is not.
    pub fn check(&self) -> Result<(), Broken> {
        self.shutdown();
        self.engine.borrow_mut().run_out();
        let mut what = self.world.books.lock().close();
        let (asks, alive) = (self.asks().waiting(), self.snapshot().actors_alive());
        what.extend(asks.iter().map(|ask| format!("ask: {ask}, and the system has ended")));
        if alive > 0 {
            what.push(format!("leak: {alive} actors live, and the system has ended"));
        }
        if what.is_empty() { Ok(()) } else { Err(Broken { what }) }
    }

    /// Ends the system and waits for it, as [`System::shutdown`] does.
    pub fn shutdown(&self) -> Report {
        self.forget_invariants();
        self.system().shutdown()
    }

    fn forget_invariants(&self) {
        let invariants = self.engine.borrow_mut().take_invariants();
        drop(invariants);
    }

    fn system(&self) -> &System {
        self.system.as_ref().expect("it is there until the drop")
    }

    fn end(&mut self) {
        *self.world.tape.lock() = Tape::default();
        self.calm();
        self.forget_invariants();
        drop(self.system.take());
        self.engine.borrow_mut().run_out();
    }
}

impl Deref for Sim {
    type Target = SystemHandle;

    fn deref(&self) -> &SystemHandle {
        self.system()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.end()));
        seam::leave();
        if let Err(payload) = ended
            && !std::thread::panicking()
        {
            resume_unwind(payload);
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("now", &self.now()).field("trace", &self.trace()).finish_non_exhaustive()
    }
}

/// The system that is simulated on this thread, for code that is called between two steps and has no [`Sim`] at hand: such as
/// what makes the system under test of a state machine. `None` if there is none, and in a step.
#[must_use]
pub fn system() -> Option<SystemHandle> {
    seam::system()
}

/// Settings of a simulation.
#[derive(Clone)]
#[must_use = "nothing is simulated until `build` is called"]
pub struct Builder {
    system: Rc<dyn Fn(crate::Builder) -> crate::Builder>,
    slack: Duration,
    steps: u64,
    tells: bool,
    faults: Faults,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            system: Rc::new(|system| system),
            slack: SLACK,
            steps: STEPS,
            tells: false,
            faults: Faults::new(),
        }
    }
}

impl Builder {
    /// The settings of the system: intensity of the root, deadline of the shutdown, what happens with condemned handlers. Those of
    /// threads mean nothing in a simulation.
    pub fn system(mut self, settings: impl Fn(crate::Builder) -> crate::Builder + 'static) -> Self {
        self.system = Rc::new(settings);
        self
    }

    /// For how long the actor that has waited longest for its turn may be made to wait by time that passes; 10 ms unless
    /// said. So a timer overtakes what others do if it is due within that.
    pub fn slack(mut self, slack: Duration) -> Self {
        self.slack = slack;
        self
    }

    /// How many steps [`Sim::advance`], or waiting for something, may take at most; a million unless said.
    pub fn steps(mut self, steps: u64) -> Self {
        self.steps = steps.max(1);
        self
    }

    /// What goes wrong by itself, and how often; nothing unless said.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Whether the steps are written down in words, for [`Sim::story`]; they are not unless said.
    pub fn tells(mut self, tells: bool) -> Self {
        self.tells = tells;
        self
    }

    /// Begins the simulation.
    ///
    /// # Panics
    /// If there is one on this thread already.
    #[track_caller]
    pub fn build(self, tape: impl Into<Tape>) -> Sim {
        let world = Arc::new(World::new(clock::now(), tape.into(), self.tells, self.faults));
        let engine = seam::enter(world.clone(), Settings { slack: self.slack, steps: self.steps });
        let (system, audits) = (self.system)(System::builder().deadlocks(true)).simulated();
        engine.borrow_mut().run_system(system.handle(), audits);
        Sim { system: Some(system), engine, world, steps: self.steps, here: PhantomData }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Builder { system: _, slack, steps, tells, faults } = self;
        let mut debug = f.debug_struct("Builder");
        debug.field("slack", slack).field("steps", steps).field("tells", tells).field("faults", faults);
        debug.finish_non_exhaustive()
    }
}

/// Somebody still has something to do after as many steps as there might be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unsettled {
    /// How many steps there were.
    pub limit: u64,
    /// Who has.
    pub runs: Vec<String>,
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "not settled in {} steps: ", self.limit)?;
        let shown: Vec<_> = self.runs.iter().take(SHOWN).map(String::as_str).collect();
        f.write_str(&shown.join(", "))?;
        match self.runs.len().saturating_sub(SHOWN) {
            0 if self.runs.is_empty() => f.write_str("a timer is armed again and again"),
            0 => f.write_str(" still have something to do"),
            more => write!(f, " and {more} others still have something to do"),
        }
    }
}

impl Error for Unsettled {}
