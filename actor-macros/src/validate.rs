//! A model to its sound part. Everything that is wrong is reported here, on the tokens that the
//! user wrote, with what to write in their place.

mod arbitrary;
mod arguments;
mod duration;
mod header;
mod manner;
mod options;
mod parameters;
mod rates;
mod settings;
mod siblings;
mod signature;
mod test;
mod tree;
mod types;

pub(crate) use self::test::check as test;
pub(crate) use self::tree::check as tree;

use self::siblings::{Admission, Siblings};
use syn::{Data, DeriveInput};

use crate::errors::Errors;
use crate::model::{Actor, Handler, Target};
use crate::parse::{self, Block, Item, Mark, Marker, Method, Setting};

/// The actor that a type derives; `None` if it cannot be one in any case.
pub(crate) fn actor(input: &DeriveInput, errors: &mut Errors) -> Option<Actor> {
    if let Data::Union(union) = &input.data {
        errors.report(
            union.union_token,
            "a union cannot be an actor: nothing knows which of its fields to drop",
            "make it a `struct` or an `enum`",
        );
    }
    let settings = settings::check(parse::settings(&input.attrs, "actor", "mailbox = 256", errors), errors);
    let lifetimes: Vec<_> = input.generics.lifetimes().collect();
    for lifetime in &lifetimes {
        errors.report(
            lifetime,
            "an actor cannot borrow: it lives as long as it likes, on whatever thread runs it",
            format_args!("remove `{}` and own the data, or share it in an `Arc`", lifetime.lifetime),
        );
    }
    let mut generics = input.generics.clone();
    parameters::check(&mut generics, errors);
    lifetimes.is_empty().then(|| Actor {
        name: input.ident.clone(),
        vis: input.vis.clone(),
        generics,
        settings,
        data: input.data.clone(),
        is_packed: is_packed(input),
    })
}

/// Whether the type's representation is packed.
pub(crate) fn is_packed(input: &DeriveInput) -> bool {
    let mut packed = false;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        // What is no representation is the compiler's to report.
        let _ = attribute.parse_nested_meta(|meta| {
            packed |= meta.path.is_ident("packed");
            let _arguments: Option<proc_macro2::Group> = meta.input.parse()?;
            Ok(())
        });
    }
    packed
}

/// What of a block can be expanded.
pub(crate) struct Sound {
    pub(crate) target: Target,
    pub(crate) handlers: Vec<Handler>,
    /// Whether its messages can be made up.
    pub(crate) arbitrary: bool,
}

/// Takes from `block` the methods that would only make the compiler repeat what is reported here.
pub(crate) fn block(block: &mut Block, settings: &[Setting], errors: &mut Errors) -> Option<Sound> {
    let word = arbitrary::word(settings, errors);
    let target = header::check(block, errors)?;
    let mut handlers = Vec::new();
    let mut siblings = Siblings::new(&target, word.is_some());
    block.items.retain_mut(|item| match item {
        Item::Method(method) => {
            let marks = std::mem::take(&mut method.marks);
            let Some(mark) = only_mark(&marks, errors) else {
                arbitrary::no_strategies(method, errors);
                return true;
            };
            match siblings.admit(method, mark, errors) {
                Admission::Granted => {
                    let made_up = word.is_some();
                    handlers.extend(handler(method, mark, &target, made_up, &mut siblings, errors));
                }
                Admission::Refused => {}
                Admission::Removed => return false,
            }
            method.sig.variadic.is_none()
        }
        Item::Other { marks, .. } => {
            for Mark { marker, attr } in marks {
                errors.report(attr, format_args!("{marker} marks a method"), "remove it");
            }
            true
        }
    });
    if let Some(word) = word {
        arbitrary::is_any(word, &handlers, errors);
    }
    Some(Sound { target, handlers, arbitrary: word.is_some() })
}

/// Takes the one mark of a method, if it has any.
fn only_mark<'a>(marks: &'a [Mark], errors: &mut Errors) -> Option<&'a Mark> {
    let (first, others) = marks.split_first()?;
    for other in others {
        let (here, there) = (other.marker, first.marker);
        if here == there {
            errors.report(
                &other.attr,
                format_args!("this method is marked {here} already"),
                "remove one of the two",
            );
        } else {
            errors.report(
                &other.attr,
                format_args!("a method is either {there} or {here}, not both"),
                "remove one of the two, or move what they share to a method that both call",
            );
        }
    }
    Some(first)
}

fn handler(
    method: &mut Method,
    mark: &Mark,
    target: &Target,
    made_up: bool,
    siblings: &mut Siblings<'_>,
    errors: &mut Errors,
) -> Option<Handler> {
    let before = errors.count();
    let mut handler = Handler::of(method, mark.marker, target);
    let options = options::check(mark, errors);
    signature::check(method, mark.marker, errors);
    manner::check(method, &options, errors);
    arguments::check(method, &handler, errors);
    signature::check_output(method, &handler, errors);
    arbitrary::check(method, &mut handler, &options, made_up, errors);
    if mark.marker == Marker::Message {
        siblings.check_name(&handler, errors);
    }
    handler.is_blocking = options.blocking.is_some();
    if let Some((word, times)) = &options.redeliver {
        if handler.deferred().is_some() {
            errors.report(
                word,
                "a handler that has its `Reply` as an argument may have given it away when it fails",
                "leave `redeliver` out, or return the reply",
            );
        }
        handler.redeliver = Some(*times);
    }
    handler.derives = options.derives;
    (errors.count() == before).then_some(handler)
}
