//! What a handler may be before its arguments, and what it may return.

use quote::{ToTokens, quote};
use syn::{FnArg, Receiver, Signature, Type};

use super::types::{self, Obstacle};
use crate::errors::Errors;
use crate::model::{Handler, Output};
use crate::parse::{Marker, Method};

/// The qualifiers, the generics and the receiver.
pub(crate) fn check(method: &Method, marker: Marker, errors: &mut Errors) {
    let sig = &method.sig;
    qualifiers(sig, marker, errors);
    generics(sig, marker, errors);
    match sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => self::receiver(receiver, marker, errors),
        _ => errors.report(
            &sig.ident,
            format_args!("a {marker} method runs on the actor, but `{}` has no `self`", sig.ident),
            "write `&mut self` or `&self` as its first argument",
        ),
    }
}

fn qualifiers(sig: &Signature, marker: Marker, errors: &mut Errors) {
    let mut refuse = |word: &dyn ToTokens, name: &str| {
        let help = format!("remove `{name}`, or call a method that is `{name}` from this one");
        errors.report(
            word,
            format_args!("a {marker} method cannot be `{name}`: the runtime calls it as a plain one"),
            help,
        );
    };
    if let Some(word) = &sig.constness {
        refuse(word, "const");
    }
    if let Some(word) = &sig.unsafety {
        refuse(word, "unsafe");
    }
    if let Some(abi) = &sig.abi {
        refuse(abi, "extern");
    }
    if let Some(variadic) = &sig.variadic {
        errors.report(
            variadic,
            format_args!("a {marker} method has a fixed number of arguments"),
            "take a `Vec` of them",
        );
    }
}

fn generics(sig: &Signature, marker: Marker, errors: &mut Errors) {
    let generics = &sig.generics;
    if !generics.params.is_empty() {
        let help = match marker {
            Marker::Message => {
                "use a concrete type, or make the actor's type generic and name its parameter here"
            }
            _ => "remove the parameters, or move them to the impl block",
        };
        errors.report(
            &generics.params,
            format_args!(
                "a {marker} method cannot have parameters of its own: the mailbox has to know every type"
            ),
            help,
        );
    }
    if let Some(clause) = &generics.where_clause {
        errors.report(
            clause,
            format_args!("a {marker} method cannot have a where clause of its own"),
            "move it to the impl block",
        );
    }
}

fn receiver(receiver: &Receiver, marker: Marker, errors: &mut Errors) {
    let (what, help) = ("the actor stays where it is while a handler runs", "write `&mut self` or `&self`");
    if receiver.colon_token.is_some() && !is_plain_reference(&receiver.ty) {
        errors.report(receiver, format_args!("a {marker} method borrows the actor as `self`: {what}"), help);
    } else if receiver.colon_token.is_none() && receiver.reference.is_none() {
        errors.report(receiver, format_args!("a {marker} method cannot take `self` by value: {what}"), help);
    } else if let Some(lifetime) = receiver.lifetime()
        && lifetime.ident == "static"
    {
        errors.report(lifetime, format_args!("a {marker} method borrows the actor for one call only"), help);
    }
}

/// `self: &Self` is a long way to write `&self`.
fn is_plain_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => {
            matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("Self"))
        }
        _ => false,
    }
}

/// The return type, which for a message is the reply.
pub(crate) fn check_output(method: &Method, handler: &Handler, errors: &mut Errors) {
    let ty = match &handler.output {
        Output::Nothing => return,
        Output::Value(ty) | Output::Fallible(ty) => &**ty,
    };
    match handler.marker {
        Marker::Message if handler.deferred().is_some() => errors.report(
            ty,
            "this handler has two ways to reply: what it returns and its `Reply`",
            "return nothing and call `reply.send(value)`, or drop the `Reply` argument and return the value",
        ),
        Marker::Message => reply(method, ty, errors),
        Marker::Started if matches!(handler.output, Output::Fallible(_)) => {}
        Marker::Started => errors.report(
            ty,
            "a `#[started]` method returns nothing or a `Result`, whose error reaches whoever spawned the actor",
            "return nothing or `Result<(), YourError>`",
        ),
        Marker::Stopped | Marker::Down => errors.report(
            ty,
            format_args!("a {} method returns nothing: nobody waits for a reply", handler.marker),
            "remove the return type, and deal with the value in the method",
        ),
    }
}

fn reply(method: &Method, ty: &Type, errors: &mut Errors) {
    if matches!(ty, Type::Never(_)) {
        errors.report(
            ty,
            "a handler that never returns keeps its actor from every other message",
            "return nothing",
        );
        return;
    }
    match types::obstacle(ty) {
        None => {}
        Some(Obstacle::Impl(hidden)) if is_future(&hidden) && method.sig.asyncness.is_none() => errors
            .report(
                hidden,
                "a handler cannot return `impl Future`: the runtime awaits handlers itself",
                "write `async fn`, and as the return type what the future gives",
            ),
        Some(Obstacle::Impl(hidden)) => errors.report(
            hidden,
            "a handler cannot return `impl Trait`: the reply needs a type with a name",
            "name the type, or return a `Box<dyn Trait + Send>`",
        ),
        Some(Obstacle::Local(local)) => errors.report(
            local.ty,
            "a reply travels to another thread, and this type stays on the one it is on",
            format_args!("return {} in its place", local.instead),
        ),
        Some(Obstacle::Borrow(reference)) => {
            let owned = types::typed(types::owned(&reference));
            errors.report(
                &reference,
                "a reply cannot borrow: it travels to another thread, and the actor goes on meanwhile",
                format_args!("return an owned `{owned}`"),
            );
        }
        Some(Obstacle::Lifetime(lifetime)) => errors.report(
            &lifetime,
            "a reply cannot borrow: it travels to another thread, and the actor goes on meanwhile",
            format_args!("write `'static` in the place of `{lifetime}`, or return a type that owns its data"),
        ),
    }
}

fn is_future(ty: &syn::TypeImplTrait) -> bool {
    quote!(#ty).to_string().contains("Future")
}
