//! The enum of all messages of an actor.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Ident;

use super::message::Message;
use super::{Expansion, lints};
use crate::model::Used;

/// The variant that holds the others, which nobody can make.
pub(super) fn unheld_variant(unheld: &[&Ident]) -> Option<TokenStream> {
    (!unheld.is_empty()).then(
        || quote!(__Unheld(::core::convert::Infallible, ::core::marker::PhantomData<fn(#(&#unheld),*)>)),
    )
}

/// The enum and its impl of `Envelope`.
pub(crate) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let unheld = unheld(expansion);
    let (declaration, implementation) = (declaration(expansion, &unheld), implementation(expansion, &unheld));
    quote!(#declaration #implementation)
}

/// The type parameters that the enum has only for messages that a `cfg` may take away.
fn unheld<'a>(expansion: &Expansion<'a>) -> Vec<&'a Ident> {
    unheld_of(expansion, expansion.messages.iter())
}

/// The same for an enum of these messages.
pub(super) fn unheld_of<'a, 'e>(
    expansion: &'e Expansion<'a>,
    messages: impl Iterator<Item = &'e Message<'a>> + Clone,
) -> Vec<&'a Ident>
where
    'a: 'e,
{
    let none = || Used::by([], expansion.generics);
    let all = messages.clone().fold(none(), |all, message| all.and(&message.used));
    let certain = messages.filter(|message| message.handler.carried.cfg.is_empty());
    all.types_beyond(&certain.fold(none(), |all, message| all.and(&message.used)))
}

/// `pub`, because the actor's associated type may not be less visible than the actor.
fn declaration(expansion: &Expansion<'_>, unheld: &[&Ident]) -> TokenStream {
    let name = &expansion.envelope;
    let generics = expansion.carried.generics();
    let clause = &generics.where_clause;
    let lints = lints::of_a_handler();
    let variants = expansion.messages.iter().map(|message| {
        let (cfg, name, ty) = (&message.handler.carried.cfg, &message.name, message.ty());
        let reply = message.way_back();
        quote_spanned! {Span::mixed_site()=>
            #(#cfg)*
            #name(
                #ty,
                #reply,
            )
        }
    });
    let unheld = unheld_variant(unheld);
    quote_spanned! {Span::mixed_site()=>
        #[doc(hidden)]
        #lints
        #[allow(clippy::large_enum_variant)]
        pub enum #name #generics #clause { #(#variants,)* #unheld }
    }
}

fn implementation(expansion: &Expansion<'_>, unheld: &[&Ident]) -> TokenStream {
    let name = &expansion.envelope;
    let generics = expansion.carried.generics();
    let (impl_generics, ty_generics, clause) = generics.split_for_impl();
    let lints = lints::of_all_handlers();
    let never = never(quote!(Self), unheld);
    let names = expansion.messages.iter().map(|message| {
        let (cfg, variant, name) = (&message.handler.carried.cfg, &message.name, message.plain_name());
        quote!(#(#cfg)* Self::#variant(..) => &#name,)
    });
    let undelivered = expansion.messages.iter().map(|message| {
        let (cfg, variant) = (&message.handler.carried.cfg, &message.name);
        quote_spanned!(Span::mixed_site()=> #(#cfg)* Self::#variant(_, reply) => reply.undelivered(),)
    });
    let guards = expansion.messages.iter().map(|message| {
        let (cfg, variant) = (&message.handler.carried.cfg, &message.name);
        quote_spanned!(Span::mixed_site()=> #(#cfg)* Self::#variant(_, ref reply) => reply.guard(),)
    });
    let is_blocking = is_blocking(expansion);
    let is_kept = expansion.messages.iter().any(|message| message.handler.redeliver.is_some());
    let is_kept = is_kept.then(|| {
        quote!(
            const IS_REDELIVERED: ::core::primitive::bool = true;
        )
    });
    quote_spanned! {Span::mixed_site()=>
        #lints
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #impl_generics ::actor_core::Envelope for #name #ty_generics #clause {
            fn label(&self) -> &'static &'static ::core::primitive::str {
                // Behind the reference: an enum without variants has no arms.
                match *self { #(#names)* #never }
            }

            fn guard(&self) -> ::core::option::Option<::actor_core::Guard> {
                match *self { #(#guards)* #never }
            }

            fn undelivered(self) {
                match self { #(#undelivered)* #never }
            }

            #is_blocking
            #is_kept
        }
    }
}

/// Which messages have blocking handlers; where none has, the trait says so.
fn is_blocking(expansion: &Expansion<'_>) -> Option<TokenStream> {
    let blocking: Vec<_> = expansion.messages.iter().filter(|message| message.handler.is_blocking).collect();
    let arms = blocking.iter().map(|message| {
        let (cfg, variant) = (&message.handler.carried.cfg, &message.name);
        quote!(#(#cfg)* Self::#variant(..) => true,)
    });
    (!blocking.is_empty()).then(|| {
        quote_spanned! {Span::mixed_site()=>
            const HAS_BLOCKING: ::core::primitive::bool = true;

            fn is_blocking(&self) -> ::core::primitive::bool {
                match *self { #(#arms)* _ => false }
            }
        }
    })
}

/// The arm for the variant that nobody can make, of the enum as `owner` names it.
pub(super) fn never(owner: TokenStream, unheld: &[&Ident]) -> Option<TokenStream> {
    (!unheld.is_empty())
        .then(|| quote_spanned!(Span::mixed_site()=> #owner::__Unheld(never, _) => match never {},))
}

/// The same arm, for a match from outside of the enum.
pub(crate) fn never_arm(expansion: &Expansion<'_>) -> Option<TokenStream> {
    never(expansion.envelope.to_token_stream(), &unheld(expansion))
}
