//! Where the rest of the crate asks whether it is simulated: what a thread knows of the simulation that it is in. On all
//! other threads everything in here answers no.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{self, Engine, Settings};
use super::faults::{Fault, Point};
use super::threads::{Side, Waits};
use super::trace::Noted;
use super::world::World;
use crate::actor::Messages;
use crate::asks::{Asking, Circle};
use crate::cell::{self, ActorId, Path};
use crate::dead_letter::DeadLetterReason;
use crate::monitor::{Down, MonitorId};
use crate::observe::Event;
use crate::reply;
use crate::scheduler::{local, stalls};
use crate::supervisor::Supervisor;
use crate::sync::thread_local;
use crate::system::SystemHandle;

/// A tick of the coarse clock.
const TICK: Duration = Duration::from_millis(4);

/// The simulation that a thread is in.
struct Here {
    world: Arc<World>,
    role: Role,
}

#[derive(Clone)]
enum Role {
    /// The thread that decides.
    Decides(Rc<RefCell<Engine>>),
    /// One beside.
    Beside(Arc<Side>),
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
    /// Whether there is one; apart, since each turn and each message asks.
    static IS_HERE: Cell<bool> = const { Cell::new(false) };
    /// Whether an actor's turn runs on this thread, which must not wait.
    static IN_TURN: Cell<bool> = const { Cell::new(false) };
    /// For how long the next handler on this thread keeps it.
    static STALL: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Whether this thread is in a simulation.
#[inline]
pub(crate) fn is_here() -> bool {
    IS_HERE.get()
}

/// Whether this thread is in a turn of a simulation.
pub(crate) fn in_turn() -> bool {
    IN_TURN.get()
}

#[inline]
pub(super) fn with<R>(f: impl FnOnce(&World) -> R) -> Option<R> {
    if !is_here() {
        return None;
    }
    HERE.with(|here| here.borrow().as_ref().map(|here| f(&here.world)))
}

/// The simulation's time.
pub(crate) fn now() -> Option<Instant> {
    with(World::now)
}

/// Its coarse clock, in nanoseconds.
pub(crate) fn coarse() -> Option<u64> {
    with(|world| (world.passed().as_nanos() / TICK.as_nanos() * TICK.as_nanos()) as u64)
}

/// A number below `n`, from the tape; smaller if that is.
pub(crate) fn chance(n: usize) -> Option<usize> {
    const WHOLE: usize = 1 << u16::BITS;
    with(|world| (usize::from(world.tape.lock().next()) as u128 * n as u128 / WHOLE as u128) as usize)
}

/// A message is about to be in an actor's mailbox.
#[inline]
pub(crate) fn sends<A: Messages>(to: &cell::Cell<A>, label: &'static &'static str) {
    if is_here() {
        with(|world| {
            let mut trace = world.trace.lock();
            trace.note(Noted::Sent, to.id().0);
            trace.note_label(label);
            drop(trace);
            if stalls::condemned() {
                world
                    .books
                    .lock()
                    .broken(format!("revocation: a condemned handler sends {label} to {}", to.id()));
            }
            world.books.lock().accepted(to.id().0, label);
            world.tell(|| format!("{} sends {label} to {}{}", who(), A::NAME, to.id()));
        });
    }
}

/// What becomes of a message of a mailbox.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// The last one was not accepted after all.
    Refused,
    /// Given to a handler.
    Taken,
    /// To be given to one again.
    PutBack,
    /// No handler sees it.
    Dead,
}

/// Enters it in the books.
#[inline]
pub(crate) fn enter_in_books(of: ActorId, label: &'static &'static str, fate: Fate) {
    if is_here() {
        with(|world| {
            let mut books = world.books.lock();
            match fate {
                Fate::Refused => books.refused(of.0),
                Fate::Taken => books.taken(of.0, label),
                Fate::PutBack => books.put_back(of.0, label),
                Fate::Dead => books.dead(of.0, label),
            }
        });
    }
}

/// An actor has a watcher more.
pub(crate) fn watches(monitor: MonitorId) {
    with(|world| world.books.lock().watches(monitor.number()));
}

/// A watcher does not want to be told any more.
pub(crate) fn forgets(monitor: MonitorId) {
    with(|world| world.books.lock().forgets(monitor.number()));
}

/// A Down is told to who has the monitor.
pub(crate) fn told(down: &Down) {
    with(|world| {
        world.books.lock().told(down.monitor.number());
        world.tell(|| format!("the end of {} is told: {}", down.path, down.reason));
    });
}

/// The supervisor whose turn this is begins to count restarts.
pub(crate) fn counts_restarts() {
    let Some((supervisor, _)) = local::turn_of() else { return };
    with(|world| world.books.lock().counts_restarts(supervisor.0));
}

/// It restarts somebody, and may do so as often within the window.
pub(crate) fn restarts(most: u32, window: Duration) {
    let Some((supervisor, _)) = local::turn_of() else { return };
    with(|world| {
        let now = world.passed();
        let counted = world.books.lock().restarts(supervisor.0, now, most, window);
        world.tell(|| format!("{} restarts a child, with {counted} of {most} restarts in {window:?}", who()));
    });
}

/// Whether a story is told, for which something may have to be made.
pub(crate) fn tells() -> bool {
    with(|world| world.story.is_some()).unwrap_or(false)
}

/// An event of the system.
pub(crate) fn happens(event: &Event) {
    with(|world| {
        world.tell(|| match event {
            Event::Failed(failed) => format!("failure: {failed}"),
            Event::Stalled(stall) => format!("stalled: {stall}"),
            Event::CondemnedReturned(stall) => format!("a condemned handler has returned: {stall}"),
            Event::Deadlock(circle) => {
                format!("an ask is refused that could never be answered: {}", Circle(circle))
            }
            Event::AskOverdue(ask) => format!("overdue: {ask}"),
            Event::Leaked(leak) => format!("leaked: {leak}"),
            Event::MessageOverdue(message) => format!("overdue message: {message}"),
            Event::Growing(growing) => format!("growing: {growing}"),
            Event::Silent(silence) => format!("silent: {silence}"),
            other => format!("{other:?}"),
        })
    });
}

/// A message is a dead letter.
pub(crate) fn announces(path: &Path<'_>, message: &str, reason: &DeadLetterReason) {
    with(|world| world.tell(|| format!("dead letter: {message} to {path}: {reason}")));
}

/// The handler of a message is about to run.
#[inline]
pub(crate) fn handles(label: &'static &'static str) {
    if is_here() {
        with(|world| {
            let mut trace = world.trace.lock();
            trace.handled += 1;
            trace.note(Noted::Handled, 0);
            trace.note_label(label);
            drop(trace);
            *world.handled.lock() = Some(label);
            world.tell(|| format!("{} handles {label}", who()));
        });
    }
}

/// Whose turn runs here.
fn who() -> String {
    let asking = |(actor, kind): (_, &cell::kind::Kind)| Asking { actor, name: kind.name() }.to_string();
    local::turn_of().map_or_else(|| "the test".to_owned(), asking)
}

/// Somebody comes to where something may go wrong: panics if it is a panic, and waits if it is to keep its thread. True if
/// it is anything else.
#[inline]
pub(crate) fn fault<A: Messages>(of: Option<ActorId>, point: Point) -> bool {
    is_here() && goes_wrong::<A>(of, point)
}

#[cold]
fn goes_wrong<A: Messages>(of: Option<ActorId>, point: Point) -> bool {
    if TypeId::of::<A>() == TypeId::of::<Supervisor>() {
        return false;
    }
    let Some(actor) = of.or_else(|| local::turn_of().map(|(actor, _)| actor)) else { return false };
    if point == Point::Handler
        && let Some(time) = STALL.take()
    {
        with(|world| world.tell(|| format!("{} keeps its thread for {time:?}", who())));
        let until = with(|world| world.passed().saturating_add(time));
        if let Role::Beside(side) = role() {
            side.wait(Waits { token: None, until });
        }
        with(|world| world.tell(|| format!("{} goes on with its handler", who())));
    }
    let fault = with(|world| world.plan.lock().at(actor.0, point, || world.tape.lock().next())).flatten();
    match fault {
        None => return false,
        Some(Fault::Full) => {
            with(|world| world.tell(|| format!("{} finds the mailbox of {}{actor} full", who(), A::NAME)))
        }
        Some(fault) => {
            with(|world| world.tell(|| format!("{} has a fault: {fault:?}", who())));
            // Nothing is printed for it: it is in the story.
            std::panic::resume_unwind(Box::new(format!("a fault of the simulation: {fault:?}")));
        }
    };
    true
}

/// A token was set, for which somebody in the simulation may wait.
pub(crate) fn set(token: usize) {
    with(|world| world.set.lock().push(token));
}

/// Waits until `take` says that the token was set, or the time is over: on the thread that decides by having the others
/// go on.
///
/// # Panics
/// In a turn; and if nobody can go on any more, and no time was given: that is a deadlock.
pub(crate) fn wait(token: usize, timeout: Option<Duration>, mut take: impl FnMut() -> bool) -> bool {
    if take() {
        return true;
    }
    assert!(
        !in_turn(),
        "a handler waits on its thread: in a simulation, as in a system of one worker, it would hold up whom it waits \
         for. Await it, or wait in ctx.blocking(..) or a blocking handler"
    );
    let Some(until) = with(|world| timeout.map(|timeout| world.passed().saturating_add(timeout))) else {
        return false;
    };
    match role() {
        Role::Decides(engine) => engine::run_until(&engine, until, take),
        Role::Beside(side) => wait_beside(&side, token, until, take),
    }
}

fn wait_beside(side: &Side, token: usize, until: Option<Duration>, mut take: impl FnMut() -> bool) -> bool {
    loop {
        side.wait(Waits { token: Some(token), until });
        if take() {
            return true;
        }
        let (over, passed) = with(|world| (world.is_over(), world.passed())).unwrap_or_default();
        if over {
            // Nobody sets the token any more. Not a panic that anybody is told of.
            std::panic::resume_unwind(Box::new("the simulation has ended"));
        }
        if until.is_some_and(|until| passed >= until) {
            return false;
        }
    }
}

/// Has the others go on until the condition holds, if this thread decides in a simulation.
pub(crate) fn run_until(mut holds: impl FnMut() -> bool) {
    if is_here() && !holds() {
        let Role::Decides(engine) = role() else { return };
        engine::run_until(&engine, None, holds);
    }
}

/// The system that is simulated on this thread, between two steps.
pub(super) fn system() -> Option<SystemHandle> {
    if !is_here() {
        return None;
    }
    let Role::Decides(engine) = role() else { return None };
    let engine = engine.try_borrow().ok()?;
    Some(engine.system().clone())
}

fn role() -> Role {
    HERE.with(|here| here.borrow().as_ref().expect("a thread in a simulation").role.clone())
}

/// Makes this thread the one that decides.
///
/// # Panics
/// If it is in a simulation already.
pub(super) fn enter(world: Arc<World>, settings: Settings) -> Rc<RefCell<Engine>> {
    assert!(!is_here(), "there is a simulation on this thread already: drop it before the next one begins");
    let engine = Rc::new(RefCell::new(Engine::new(world.clone(), settings)));
    set_here(Some(Here { world, role: Role::Decides(engine.clone()) }));
    engine
}

/// Ends this thread's part.
pub(super) fn leave() {
    set_here(None);
}

/// Runs a thread beside.
pub(super) fn beside(world: Arc<World>, side: &Arc<Side>) {
    set_here(Some(Here { world, role: Role::Beside(side.clone()) }));
    side.run();
    leave();
}

fn set_here(here: Option<Here>) {
    // What this thread keeps of actors that it has woken is not to go from one simulation to another.
    reply::forget_waker();
    IS_HERE.set(here.is_some());
    // Dropped when it is in its place no more: it may have an actor's state in it, whose drop asks.
    let _before = HERE.with(|place| place.replace(here));
}

/// A turn of this actor runs on this thread, and its handler keeps that for so long. If it comes to no handler, the next one
/// does.
pub(super) fn as_stalled_turn(actor: ActorId, time: Duration, run: impl FnOnce()) {
    STALL.set(Some(time));
    as_turn(run);
    if let Some(time) = STALL.take() {
        with(|world| world.plan.lock().aim(actor.0, Fault::Stall(time)));
    }
}

/// A turn runs on this thread.
pub(super) fn as_turn(run: impl FnOnce()) {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            IN_TURN.set(false);
        }
    }
    let _leave = Leave;
    IN_TURN.set(true);
    run();
}
