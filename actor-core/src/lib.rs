//! Supervised actors on a work-stealing runtime of their own.
//!
//! An actor is a struct with `#[derive(Actor)]` and an impl block with `#[messages]`. What comes out is a
//! ref with a method for each message; the call site decides whether to tell, to send or to ask.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! #[derive(Actor)]
//! struct Greeter {
//!     greeted: u32,
//! }
//!
//! #[messages]
//! impl Greeter {
//!     /// Greets somebody.
//!     #[message]
//!     fn greet(&mut self, name: String) -> String {
//!         self.greeted += 1;
//!         format!("hello {name}, you are number {}", self.greeted)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::new()?;
//! let greeter = system.spawn(|| Greeter { greeted: 0 })?;
//! greeter.greet("world".to_owned()).tell()?;
//! assert_eq!(greeter.greet("you".to_owned()).wait()?, "hello you, you are number 2");
//! # Ok(())
//! # }
//! ```
//!
//! | | |
//! |---|---|
//! | [`System`], [`Builder`], [`SystemHandle`] | workers and the tree of actors that they run |
//! | [`Actor`](macro@Actor), [`messages`], [`Context`] | writing an actor |
//! | [`Spawn`], [`Restart`], [`StopReason`] | its life |
//! | [`Supervisor`](macro@Supervisor), [`SupervisorBuilder`], [`SupervisorRef`], [`ChildSpec`] | trees of actors |
//! | [`ActorRef`], [`Call`], [`Recipient`], [`WeakRef`], [`Reply`] | talking to it |
//! | [`TellError`], [`SendError`], [`AskError`], [`SpawnError`] | what can go wrong, with the message handed back |
//! | [`Group`] | talking to many at once |
//! | [`Monitor`], [`Down`], [`DeadLetters`], [`MailboxStats`] | what became of actors and messages |
//! | [`SystemHandle::snapshot`], [`observe`] | what a running system does: counters, times, actors by type and site |
//! | [`driver`], [`port`] | the seams for sockets and other sources of events |
//!
//! # What a panic does
//!
//! A panic in a handler ends the incarnation. `#[stopped]` still runs, with the state as the panic left
//! it; then the state is dropped and the supervisor decides whether the factory makes another.
//! `panic = "abort"` ends the process, as does a `Drop` that panics during unwinding.
#![deny(unsafe_code)]

extern crate self as actor_core;

mod actor;
mod actor_ref;
mod asks;
mod auditor;
mod blocking;
mod call;
mod cell;
mod clock;
mod context;
mod dead_letter;
pub mod driver;
mod error;
mod group;
mod leaks;
mod log;
#[cfg(feature = "proptest")]
mod made_up;
mod message;
mod monitor;
pub mod observe;
mod platform;
#[cfg(not(loom))]
mod pool;
#[cfg(loom)]
#[path = "pool/plain.rs"]
mod pool;
pub mod port;
pub mod prelude;
mod reason;
mod remedy;
mod reply;
mod scheduler;
mod silence;
#[cfg(feature = "sim")]
pub mod sim;
mod slab;
mod spawn;
mod supervisor;
mod sync;
mod system;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
mod wait;

pub use actor_macros::{Actor, Supervisor, Trace, down, message, messages, started, stopped};

#[doc(hidden)]
pub use actor::async_handler;
pub use actor::{Accepts, Actor, Messages, Overflow, Settings, Step};
pub use actor_ref::{ActorRef, Recipient, WeakRef};
pub use blocking::future::{Blocking, BlockingError};
pub use call::{Ask, Call, Sending};
pub use cell::mailbox::MailboxStats;
pub use cell::pending::Pending;
pub use cell::{ActorId, Path};
pub use context::{Checkpoint, Context, TimerId, TimerKey};
pub use dead_letter::{DeadLetter, DeadLetterReason, DeadLetters};
pub use error::{AskError, ChildError, LookupError, SendError, SpawnError, StartError, TellError, TreeError};
pub use group::{Group, Published, Slow};
pub use leaks::{Growth, Leaks, Trace, Tracer};
#[cfg(feature = "proptest")]
#[doc(hidden)]
pub use made_up::MadeUp;
pub use message::{Envelope, Message};
pub use monitor::{Down, Monitor, MonitorId};
pub use reason::{Failure, StopReason};
pub use remedy::Remedy;
pub use reply::Reply;
#[doc(hidden)]
pub use reply::guard::Guard;
pub use scheduler::{OutOfThreads, ParallelismError, TooManyCondemned};
pub use spawn::{Spawn, Start};
pub use supervisor::{
    AutoShutdown, Backoff, Child, ChildCount, ChildInfo, ChildSpec, ChildState, Children, ChildrenSpec,
    CountChildren, DeleteChild, Late, Restart, RestartChild, Slot, StartChild, Strategy, Subtree, Supervisor,
    SupervisorBuilder, SupervisorRef, TerminateChild, Tree, Whereabouts, WhichChildren,
};
pub use system::{BuildError, Builder, Contradiction, Placement, Report, System, SystemHandle};
pub use timer::{Sleep, Timer};

#[cfg(feature = "proptest")]
pub use proptest;

/// What `#[messages(arbitrary)]` writes, where there is proptest.
#[cfg(feature = "proptest")]
#[doc(hidden)]
#[macro_export]
macro_rules! __arbitrary {
    ($($items:tt)*) => { $($items)* };
}

/// What `#[messages(arbitrary)]` writes, where there is none.
#[cfg(not(feature = "proptest"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __arbitrary {
    ($($items:tt)*) => {};
}

/// What the macros' code uses and nobody else should.
#[doc(hidden)]
pub mod __private {
    pub use crate::leaks::trace::{Field, TraceNothing, TraceRefs};

    /// What a preemptible handler awaits in its loops: it borrows nothing of what the loop may have borrowed.
    #[inline]
    pub fn checkpoint() -> crate::Checkpoint {
        crate::Checkpoint::default()
    }

    /// The way back of a message that nobody waits for.
    #[cfg(feature = "proptest")]
    #[must_use]
    pub fn nowhere<T, E>() -> crate::Reply<T, E> {
        crate::Reply::nowhere()
    }

    /// A handler's `Result`, whatever alias it goes by.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is called a `Result` but is not the standard one",
        label = "a handler's `Result` is taken apart: its `Ok` is the reply, its `Err` the error",
        note = "return a standard `Result`, or give the type another name to have it as the reply"
    )]
    pub trait Fallible {
        /// Its `Ok` side.
        type Ok;
        /// Its `Err` side.
        type Err;
    }

    impl<T, E> Fallible for Result<T, E> {
        type Ok = T;
        type Err = E;
    }
}
