//! For tests of actors; with the feature `testing`.
//!
//! * [`ActorTest`]: a test with a system of its own, which has to come out clean; what `#[actor_test]` writes.
//! * [`Probe`]: stands where an actor under test sends to, and says what has come.

/// Gives a test a system of its own.
#[doc(inline)]
pub use actor_macros::actor_test;

mod actor_test;
mod probe;

pub(crate) use actor_test::Outside;
pub use actor_test::{ActorTest, Outcome, block_on};
pub use probe::{Probe, Received};
