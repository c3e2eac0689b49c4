//! Tokens to syntax: what the user wrote, with no judgement of it yet.

mod block;
mod function;
mod markers;
mod settings;

pub(crate) use block::{Block, Item, Method, is_impl};
pub(crate) use function::Function;
pub(crate) use markers::{Mark, Marker};
pub(crate) use settings::{Setting, arguments, settings};
