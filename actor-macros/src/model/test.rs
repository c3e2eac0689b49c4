//! A test with a system of its own.

use std::time::Duration;

use syn::{Expr, LitInt, LitStr, Type};

/// What the settings of `#[actor_test]` say.
#[derive(Default)]
pub(crate) struct Test {
    /// In how many simulations it runs, if it does.
    pub(crate) simulated: Option<u64>,
    pub(crate) workers: Option<LitInt>,
    /// A function from `Builder` to `Builder`.
    pub(crate) build: Option<Expr>,
    pub(crate) settle: Option<Duration>,
    /// What may go wrong: the setting, which is the name of a method too, and names.
    pub(crate) allowed: Vec<(&'static str, Vec<LitStr>)>,
    /// What proptest makes up for it.
    pub(crate) given: Vec<Given>,
}

/// An argument that is made up.
pub(crate) struct Given {
    /// Its name, or its pattern, as it was written.
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) strategy: Option<Expr>,
}
