//! Messages that are made up: which, how often, and of what.

use syn::{Attribute, Expr, GenericArgument, PathArguments, Type};

use super::options::Options;
use super::types;
use crate::errors::Errors;
use crate::model::{Handler, Role};
use crate::parse::{Marker, Method, Setting};

/// The word `arbitrary`, if the block is given it.
pub(crate) fn word<'a>(settings: &'a [Setting], errors: &mut Errors) -> Option<&'a syn::Ident> {
    let mut found = None;
    for Setting { key, value } in settings {
        if key != "arbitrary" {
            errors.report(
                key,
                format_args!("`#[messages]` takes nothing but `arbitrary`, and not `{key}`"),
                "write `#[messages]` or `#[messages(arbitrary)]`; settings go to `#[actor(..)]`",
            );
        } else if value.is_some() {
            errors.report(value, "`arbitrary` takes no value", "write `#[messages(arbitrary)]`");
        } else if found.is_some() {
            errors.report(key, "`arbitrary` is here twice", "remove one of the two");
        }
        if key == "arbitrary" {
            found.get_or_insert(key);
        }
    }
    found
}

/// A method that makes no message has no arguments to make up.
pub(crate) fn no_strategies(method: &Method, errors: &mut Errors) {
    for attr in method.strategies.iter().flatten() {
        errors.report(
            attr,
            "a strategy makes up an argument of a message, and this method has none",
            "remove it, or mark the method `#[message]`",
        );
    }
}

/// There is a message that can be made up, unless handlers are missing because of mistakes.
pub(crate) fn is_any(word: &syn::Ident, handlers: &[Handler], errors: &mut Errors) {
    if errors.count() == 0 && handlers.iter().all(|handler| handler.weight.is_none()) {
        errors.report(
            word,
            "no message of this block is made up",
            "remove `arbitrary`, or have a `#[message]` without `skip_arbitrary`",
        );
    }
}

/// Gives the handler its weight, and its arguments their strategies.
pub(crate) fn check(
    method: &Method,
    handler: &mut Handler,
    options: &Options,
    made_up: bool,
    errors: &mut Errors,
) {
    if handler.marker != Marker::Message {
        return no_strategies(method, errors);
    }
    if !made_up {
        return not_made_up(method, options, errors);
    }
    if let (Some((weight, _)), Some(_)) = (&options.weight, &options.skip_arbitrary) {
        errors.report(weight, "a message that is never made up has no weight", "remove one of the two");
    }
    let is_skipped = options.skip_arbitrary.is_some();
    handler.weight = (!is_skipped).then(|| options.weight.as_ref().map_or(1, |(_, weight)| *weight));
    for (argument, attrs) in handler.arguments.iter_mut().zip(&method.strategies) {
        let Some(attr) = attrs.first() else {
            if matches!(argument.role, Role::Data) && !is_skipped {
                can_be_made_up(&argument.name, &argument.ty, errors);
            }
            continue;
        };
        if !matches!(argument.role, Role::Data) {
            errors.report(attr, "this argument is no part of the message", "remove its strategy");
            continue;
        }
        argument.strategy = strategy(attrs, errors);
    }
}

/// What makes up an argument, if that is said.
pub(super) fn strategy(attrs: &[Attribute], errors: &mut Errors) -> Option<Expr> {
    if let Some(other) = attrs.get(1) {
        errors.report(
            other,
            "an argument has one strategy",
            "remove one of the two, or write `prop_oneof![..]`",
        );
    }
    let attr = attrs.first()?;
    let strategy = attr.parse_args::<Expr>();
    if strategy.is_err() {
        errors.report(
            attr,
            "`#[strategy]` needs what makes up the argument",
            "write a strategy of proptest, as `#[strategy(0..100)]`",
        );
    }
    strategy.ok()
}

fn not_made_up(method: &Method, options: &Options, errors: &mut Errors) {
    let what = "no message of this block is made up";
    let help = "write `#[messages(arbitrary)]` above the block, or remove this";
    let words = [options.weight.as_ref().map(|(word, _)| word), options.skip_arbitrary.as_ref()];
    words.into_iter().flatten().for_each(|word| errors.report(word, what, help));
    method.strategies.iter().flatten().for_each(|attr| errors.report(attr, what, help));
}

/// What everyone knows cannot be made up is refused here; the compiler finds the others.
fn can_be_made_up(name: &syn::Ident, ty: &Type, errors: &mut Errors) {
    // It has been reported as something else.
    if types::obstacle(ty).is_some() {
        return;
    }
    if let Some(part) = unique(ty) {
        let shown = types::typed(part);
        errors.report(
            part,
            format_args!("nothing can make up a value of `{shown}`"),
            format_args!(
                "write `#[message(skip_arbitrary)]`, or say what makes it up: `#[strategy(..)] {name}: {}`",
                types::typed(ty)
            ),
        );
    }
}

/// Types whose values each lead to something.
const UNIQUE: [&str; 14] = [
    "ActorRef",
    "Recipient",
    "WeakRef",
    "SupervisorRef",
    "SystemHandle",
    "Group",
    "Reply",
    "Sender",
    "SyncSender",
    "Receiver",
    "JoinHandle",
    "File",
    "TcpStream",
    "Waker",
];

fn unique(ty: &Type) -> Option<&Type> {
    match ty {
        Type::TraitObject(_) | Type::BareFn(_) => Some(ty),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if UNIQUE.iter().any(|name| last.ident == name) {
                return Some(ty);
            }
            let PathArguments::AngleBracketed(all) = &last.arguments else { return None };
            all.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => unique(ty),
                _ => None,
            })
        }
        Type::Tuple(tuple) => tuple.elems.iter().find_map(unique),
        Type::Array(array) => unique(&array.elem),
        Type::Paren(paren) => unique(&paren.elem),
        Type::Group(group) => unique(&group.elem),
        _ => None,
    }
}
