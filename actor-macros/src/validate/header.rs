//! What a block is the impl of.

use crate::errors::Errors;
use crate::model::Target;
use crate::parse::Block;

/// The type of the block; `None` if there are no handlers to be had from it.
pub(crate) fn check(block: &Block, errors: &mut Errors) -> Option<Target> {
    if let Some(trait_) = &block.trait_ {
        errors.report(
            trait_,
            "`#[messages]` belongs on the actor's own impl block, not on the impl of a trait",
            "move the handlers to an `impl Type { .. }` block",
        );
        return None;
    }
    let Some(target) = Target::of(&block.self_ty) else {
        errors.report(
            &block.self_ty,
            "this type cannot be an actor",
            "name a struct or an enum that derives `Actor`",
        );
        return None;
    };
    if target.has_lifetimes() {
        // The derive has reported it, where it has to be put right.
        return None;
    }
    let lifetimes: Vec<_> = block.generics.lifetimes().collect();
    for lifetime in &lifetimes {
        errors.report(
            lifetime,
            "an actor cannot borrow: it lives as long as it likes, on whatever thread runs it",
            format_args!(
                "remove `{}` and own the data, or share it in an `Arc`",
                lifetime.lifetime
            ),
        );
    }
    lifetimes.is_empty().then_some(target)
}
