//! The arguments of a handler.

use std::fmt::Display;

use quote::ToTokens;
use syn::{FnArg, Pat, PatType};

use super::types::{self, Obstacle};
use crate::errors::Errors;
use crate::model::{Access, Argument, Handler, Role};
use crate::parse::{Marker, Method};

/// Each argument by itself, and then in the company of the others.
pub(crate) fn check(method: &Method, handler: &Handler, errors: &mut Errors) {
    let written = method.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    for (typed, argument) in written.zip(&handler.arguments) {
        pattern(typed, argument, errors);
        conditions(typed, errors);
        role(argument, handler.marker, errors);
    }
    only_one(handler, "context", |role| matches!(role, Role::Context(_)), errors);
    only_one(handler, "`Reply`", |role| matches!(role, Role::Reply { .. }), errors);
    only_one(handler, "`StopReason`", |role| matches!(role, Role::StopReason(_)), errors);
    only_one(handler, "`Down`", |role| matches!(role, Role::Down(_)), errors);
    reply_is_last(handler, errors);
    down_is_there(handler, errors);
}

/// A message's fields are named after the arguments.
fn pattern(typed: &PatType, argument: &Argument, errors: &mut Errors) {
    if !matches!(argument.role, Role::Data) {
        return;
    }
    let ty = types::typed(&argument.ty);
    let what = "an argument of a handler needs a name, for the field of its message";
    match &*typed.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {}
        Pat::Ident(pat) => {
            let help = format!("write `{}: {ty}`, and take it apart in the body", pat.ident);
            errors.report(pat, "an argument of a handler is a plain name", help);
        }
        Pat::Wild(pat) => errors.report(pat, what, format_args!("write `_name: {ty}`")),
        pat => errors.report(pat, what, format_args!("write `name: {ty}`, and take it apart in the body")),
    }
}

fn conditions(typed: &PatType, errors: &mut Errors) {
    for attr in &typed.attrs {
        if attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr") {
            errors.report(
                attr,
                "an argument of a handler is there or not there for everyone",
                "put the attribute on the handler, and write a second handler for the other case",
            );
        }
    }
}

fn role(argument: &Argument, marker: Marker, errors: &mut Errors) {
    match (&argument.role, marker) {
        (Role::Context(Access::Exclusive), _)
        | (Role::StopReason(Access::Shared), _)
        | (Role::Down(Access::Owned), _)
        | (Role::Reply { .. }, Marker::Message) => {}
        (Role::Context(_), _) => {
            takes(argument, "the context is lent to the handler", "&mut Context<Self>", errors)
        }
        (Role::StopReason(_), _) => {
            takes(argument, "the reason is lent to the method", "&StopReason", errors)
        }
        (Role::Down(_), _) => takes(argument, "the method owns what it is told", "Down", errors),
        (Role::Data, Marker::Message) => data(argument, errors),
        (Role::Data | Role::Reply { .. }, _) => {
            let can_take = match marker {
                Marker::Stopped => "`&mut Context<Self>` and `&StopReason`",
                Marker::Down => "`Down` and `&mut Context<Self>`",
                Marker::Started | Marker::Message => "`&mut Context<Self>`",
            };
            errors.report(
                &argument.ty,
                format_args!("a {marker} method takes nothing of this type: the runtime has none to give"),
                format_args!("it can take {can_take}; keep the rest in the actor"),
            );
        }
    }
}

fn takes(argument: &Argument, what: impl Display, ty: &str, errors: &mut Errors) {
    errors.report(&argument.ty, what, format_args!("write `{}: {ty}`", argument.name));
}

/// A part of a message: all that can be told of it before types are known.
fn data(argument: &Argument, errors: &mut Errors) {
    let (name, ty) = (&argument.name, &argument.ty);
    let borrows = "a message cannot borrow: it travels to another thread, and its sender goes on meanwhile";
    match types::obstacle(ty) {
        None => {}
        Some(Obstacle::Borrow(reference)) if is_whole(ty, &reference) => {
            let owned = types::typed(types::owned(&reference));
            errors.report(reference, borrows, format_args!("write `{name}: {owned}`"));
        }
        Some(Obstacle::Borrow(reference)) => {
            let owned = types::typed(types::owned(&reference));
            errors.report(reference, borrows, format_args!("write `{owned}` in its place"));
        }
        Some(Obstacle::Lifetime(lifetime)) => {
            let help =
                format!("write `'static` in the place of `{lifetime}`, or use a type that owns its data");
            errors.report(lifetime, borrows, help);
        }
        Some(Obstacle::Local(local)) => errors.report(
            local.ty,
            "a message travels to another thread, and this type stays on the one it is on",
            format_args!("send {} in its place", local.instead),
        ),
        Some(Obstacle::Impl(hidden)) => errors.report(
            hidden,
            "an argument of a handler cannot be `impl Trait`: the mailbox has to know every type",
            "name the type, make it a parameter of the actor's type, or use a `Box<dyn Trait + Send>`",
        ),
    }
}

fn is_whole(ty: &syn::Type, part: &syn::TypeReference) -> bool {
    types::typed(ty) == types::typed(part)
}

fn only_one(handler: &Handler, what: &str, is_one: impl Fn(&Role) -> bool, errors: &mut Errors) {
    let all = handler.arguments.iter().filter(|argument| is_one(&argument.role));
    for other in all.skip(1) {
        errors.report(
            both(other),
            format_args!("a handler takes one {what}, and this is another"),
            "remove it",
        );
    }
}

fn reply_is_last(handler: &Handler, errors: &mut Errors) {
    let mut reply = None;
    for argument in &handler.arguments {
        match (&argument.role, reply) {
            (Role::Reply { .. }, None) => reply = Some(argument),
            (Role::Data, Some(early)) => {
                let help = format!("move `{}` to the end", early.name);
                errors.report(both(early), "the `Reply` comes after the arguments that are sent", help);
                return;
            }
            _ => {}
        }
    }
}

fn down_is_there(handler: &Handler, errors: &mut Errors) {
    let is_down = |argument: &Argument| matches!(argument.role, Role::Down(_));
    if handler.marker == Marker::Down && !handler.arguments.iter().any(is_down) {
        errors.report(
            &handler.name,
            "a `#[down]` method is told which actor has ended, but this one has no `Down`",
            "add an argument `down: Down`",
        );
    }
}

/// An argument's name and type, to underline both.
fn both(argument: &Argument) -> impl ToTokens {
    let (name, ty) = (&argument.name, &argument.ty);
    quote::quote!(#name: #ty)
}
