//! Messages that proptest makes up: what their arguments need.

use proptest::arbitrary::{Arbitrary, any};
use proptest::strategy::{BoxedStrategy, Strategy};

/// An argument of a message that is made up. `Arbitrary` by another name, since what is wrong when a type is not is
/// easier to put right where somebody says so.
#[diagnostic::on_unimplemented(
    message = "nothing makes up a value of `{Self}`",
    label = "this argument of a message is not `Arbitrary`",
    note = "implement `proptest::arbitrary::Arbitrary` for it, write `#[strategy(..)]` before the argument, or leave the message out with `#[message(skip_arbitrary)]`"
)]
pub trait MadeUp: Sized {
    /// What makes it up, if nothing else is said.
    fn made_up() -> BoxedStrategy<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Arbitrary + 'static> MadeUp for T {
    fn made_up() -> BoxedStrategy<T> {
        any::<T>().boxed()
    }
}
