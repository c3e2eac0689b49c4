//! Syntax to what it is to be: an actor, and handlers with arguments that each have a role.
//!
//! A model is no promise: what it was made of may be wrong in any way that `validate` reports.

mod actor;
mod attributes;
mod generics;
mod handler;
mod loops;
mod target;
mod test;
mod tree;

pub(crate) use actor::{Actor, Mailbox, Overflow, Remedy, Settings};
pub(crate) use attributes::Carried;
pub(crate) use generics::{Used, without_defaults};
pub(crate) use handler::{Access, Argument, Handler, Output, Role};
pub(crate) use loops::{Loops, Place};
pub(crate) use target::{Target, resolve_self};
pub(crate) use test::{Given, Test};
pub(crate) use tree::{AutoShutdown, Backoff, Child, Intensity, Restart, Stop, Strategy, Tree};
