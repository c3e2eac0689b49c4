//! The sound part to tokens.
//!
//! Spans: what is generated for a name that the user wrote stands where that name stands, so that a
//! type error in it is found there; but it resolves at [`Span::mixed_site`], so that no lint takes
//! it for the user's code and no local of ours meets one of the user's.

mod actor;
mod arbitrary;
mod dispatch;
mod envelope;
mod lints;
mod message;
mod reference;
mod test;
mod trace;
mod tree;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{DeriveInput, Generics, Ident};

use self::message::Message;
use crate::errors::Errors;
use crate::model::{Handler, Remedy, Target, Used, resolve_self, without_defaults};
use crate::parse::{self, Block, Function};
use crate::validate::{self, Sound};

/// What becomes of an actor that is silent, as a setting.
fn on_silence(done: Remedy) -> TokenStream {
    let done = match done {
        Remedy::Report => quote!(Report),
        Remedy::Stop => quote!(Stop),
        Remedy::Restart => quote!(Restart),
    };
    quote!(.on_silence(::actor_core::Remedy::#done))
}

/// `#[derive(Actor)]`.
pub(crate) fn derive_actor(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let actor = validate::actor(&input, &mut errors);
    let mut tokens = errors.into_tokens();
    tokens.extend(actor.as_ref().map(actor::expand));
    tokens
}

/// `#[derive(Trace)]`.
pub(crate) fn derive_trace(input: TokenStream) -> TokenStream {
    match syn::parse2(input) {
        Ok(input) => trace::expand(&input),
        Err(error) => error.to_compile_error(),
    }
}

/// `#[derive(Supervisor)]`.
pub(crate) fn derive_supervisor(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let tree = validate::tree(&input, &mut errors);
    let mut tokens = errors.into_tokens();
    tokens.extend(tree.as_ref().map(tree::expand));
    tokens
}

/// `#[messages]`.
pub(crate) fn messages(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = parse::arguments(arguments, &mut errors);
    if !parse::is_impl(&item) {
        errors.report_at(
            Span::call_site(),
            "`#[messages]` belongs on an impl block",
            "move it to `impl Type { .. }`; the type itself gets `#[derive(Actor)]`",
        );
        return with(errors, item);
    }
    let mut block = match Block::parse(item) {
        Ok(block) => block,
        Err(error) => return error.to_compile_error(),
    };
    let sound = validate::block(&mut block, &settings, &mut errors);
    let mut tokens = with(errors, &block);
    if let Some(sound) = &sound {
        tokens.extend(expand(&block, sound));
    }
    tokens
}

/// `#[actor_test]`.
pub(crate) fn actor_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = parse::arguments(arguments, &mut errors);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        errors.report_at(
            Span::call_site(),
            "`#[actor_test]` belongs on a function",
            "move it to `fn name(system: &System) { .. }`",
        );
        return with(errors, item);
    };
    match validate::test(&function, settings, &mut errors) {
        Some(test) => with(errors, test::expand(&function, &test)),
        // What would only be said again goes with it.
        None => errors.into_tokens(),
    }
}

fn with(errors: Errors, item: impl ToTokens) -> TokenStream {
    let mut tokens = errors.into_tokens();
    item.to_tokens(&mut tokens);
    tokens
}

/// What all parts of an expansion need to know.
struct Expansion<'a> {
    target: &'a Target,
    /// The block's generics, as an impl of the actor has them.
    generics: &'a Generics,
    messages: Vec<Message<'a>>,
    handlers: &'a [Handler],
    /// The enum of all messages, and the generics that it carries.
    envelope: Ident,
    carried: Used<'a>,
}

fn expand(block: &Block, sound: &Sound) -> TokenStream {
    let Sound { target, handlers, arbitrary } = sound;
    let mut generics = without_defaults(&block.generics);
    resolve_self(&mut generics, target.ty.clone());
    let messages = message::all(target, &generics, handlers);
    let carried = messages.iter().fold(Used::by([], &generics), |all, message| all.and(&message.used));
    let envelope = target.sibling("Message", Span::mixed_site());
    let expansion = Expansion { target, generics: &generics, messages, handlers, envelope, carried };

    let structs = expansion.messages.iter().map(|message| message.expand(&expansion));
    let (envelope, dispatch) = (envelope::expand(&expansion), dispatch::expand(&expansion));
    let reference = reference::expand(&expansion);
    let arbitrary = arbitrary.then(|| arbitrary::expand(&expansion));
    quote!(#(#structs)* #envelope #dispatch #reference #arbitrary)
}
