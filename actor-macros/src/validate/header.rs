//! What a block is the impl of.

use syn::GenericParam;

use super::{parameters, types};
use crate::errors::Errors;
use crate::model::Target;
use crate::parse::Block;

/// The type of the block; `None` if there are no handlers to be had from it.
pub(crate) fn check(block: &mut Block, errors: &mut Errors) -> Option<Target> {
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
    for lifetime in block.generics.lifetimes() {
        errors.report(
            lifetime,
            "an actor cannot borrow: it lives as long as it likes, on whatever thread runs it",
            format_args!("remove `{}` and own the data, or share it in an `Arc`", lifetime.lifetime),
        );
    }
    if types::obstacle(&block.self_ty).is_some() {
        return None;
    }
    if parameters::check(&mut block.generics, errors) {
        block.rewrite_header();
    }
    // What is expanded goes on without them.
    let params = std::mem::take(&mut block.generics.params);
    block.generics.params =
        params.into_iter().filter(|param| !matches!(param, GenericParam::Lifetime(_))).collect();
    Some(target)
}
