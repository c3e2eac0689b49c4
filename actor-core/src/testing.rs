//! For tests of actors; with the feature `testing`.
//!
//! * [`Probe`]: stands where an actor under test sends to, and says what has come.

mod probe;

pub use probe::{Probe, Received};
