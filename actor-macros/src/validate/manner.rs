//! How a message handler runs, where it is not as all others do: in pieces, or where blocking holds nobody up.

use super::options::Options;
use crate::errors::Errors;
use crate::model::{Loops, Place};
use crate::parse::Method;

/// Checks the options against the method. A preemptible one gets its checkpoints.
pub(crate) fn check(method: &mut Method, options: &Options, errors: &mut Errors) {
    match (&options.preemptible, &options.blocking) {
        (Some(preemptible), Some(_)) => errors.report(
            preemptible,
            "a handler is either `preemptible`, and shares a worker, or `blocking`, and has a thread for itself",
            "keep `preemptible` for an async handler, `blocking` for a sync one",
        ),
        (Some(preemptible), None) => self::preemptible(method, preemptible, errors),
        (None, Some(blocking)) if method.sig.asyncness.is_some() => errors.report(
            blocking,
            "an async handler cannot be `blocking`: it waits without holding a thread up",
            "remove `async` if all of it blocks; else remove `blocking`, and put `ctx.blocking(|| ..).await` around what does",
        ),
        (None, _) => {}
    }
}

fn preemptible(method: &mut Method, word: &syn::Ident, errors: &mut Errors) {
    if method.sig.asyncness.is_none() {
        errors.report(
            word,
            "only an async handler can be `preemptible`: a sync one cannot be left before its end",
            "write `async fn`; or stay with `fn`, look at `ctx.should_yield()` in the loop, and go on with a message to yourself",
        );
        return;
    }
    // If it is no Rust, the compiler says so.
    let Some((attrs, mut block)) = method.body() else { return };
    let loops = Loops::check(&mut block);
    if loops.checked > 0 {
        method.set_body(attrs, block);
        return;
    }
    let Some((at, place)) = loops.beyond.first().copied() else {
        errors.report(
            word,
            "`preemptible` puts a checkpoint into each loop of a handler, and this one has no loop",
            "remove `preemptible`; between two long steps you can write `ctx.checkpoint().await`",
        );
        return;
    };
    let (what, help) = advice(place);
    errors.report_at(
        at,
        format_args!("`preemptible` finds no loop that it can put a checkpoint into: this one is in {what}"),
        help,
    );
}

fn advice(place: Place) -> (&'static str, &'static str) {
    match place {
        Place::Closure => (
            "a closure, which cannot wait",
            "write the loop into the handler itself, or give the closure to `ctx.blocking(..)`",
        ),
        Place::AsyncBlock => (
            "an async block, which is a future of its own",
            "write the loop into the handler itself, or `ctx.checkpoint().await` into the loop",
        ),
        Place::Item => (
            "an item of its own",
            "write the loop into the handler itself; or make the function async, and write `ctx.checkpoint().await` into its loop",
        ),
        Place::Constant => ("code that the compiler runs", "remove `preemptible`"),
        Place::Macro => (
            "a macro's brackets, which are no code yet",
            "write the loop around the macro, or `ctx.checkpoint().await` into it",
        ),
    }
}
