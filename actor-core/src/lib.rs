//! Supervised actors on a work-stealing runtime of their own.
#![deny(unsafe_code)]

extern crate self as actor_core;

mod actor;
mod actor_ref;
mod call;
mod cell;
mod clock;
mod context;
mod dead_letter;
pub mod driver;
mod error;
mod message;
mod monitor;
pub mod port;
pub mod prelude;
mod reason;
mod reply;
mod scheduler;
mod spawn;
mod supervisor;
mod sync;
mod system;
mod timer;
mod wait;

pub use actor_macros::{Actor, down, message, messages, started, stopped};

pub use actor::{Accepts, Actor, Messages, Overflow, Settings, Step};
pub use actor_ref::{ActorRef, Recipient, WeakRef};
pub use call::{Ask, Call, Sending};
pub use cell::mailbox::MailboxStats;
pub use cell::{ActorId, Path};
pub use context::{Context, TimerId, TimerKey};
pub use dead_letter::{DeadLetter, DeadLetterReason, DeadLetters};
pub use error::{AskError, LookupError, SendError, SpawnError, TellError};
pub use message::{Envelope, Message};
pub use monitor::{Down, Monitor, MonitorId};
pub use reason::{Failure, StopReason};
pub use reply::Reply;
pub use spawn::{Spawn, Start};
pub use supervisor::{CountChildren, Late, Restart, Supervisor, SupervisorBuilder, SupervisorRef};
pub use system::{BuildError, Builder, Report, System, SystemHandle};
pub use timer::{Sleep, Timer};

/// What the macros' code uses and nobody else should.
#[doc(hidden)]
pub mod __private {
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
