//! The impl of `Messages`: from the enum to the handlers.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned;

use super::message::Message;
use super::{Expansion, envelope, lints};
use crate::model::{Argument, Handler, Output, Role};
use crate::names;
use crate::parse::Marker;

/// The impl.
pub(crate) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let (actor, envelope) = (&expansion.target.ty, &expansion.envelope);
    let (impl_generics, _, clause) = expansion.generics.split_for_impl();
    let carried = expansion.carried.generics();
    let (_, ty_generics, _) = carried.split_for_impl();
    let lints = lints::of_all_handlers();
    let arms = expansion.messages.iter().map(|message| {
        let (cfg, name, run) = (&message.handler.carried.cfg, &message.name, run(message, envelope));
        quote_spanned!(Span::mixed_site()=> #(#cfg)* #envelope::#name(message, reply) => { #run })
    });
    let never = envelope::never_arm(expansion);
    let life_cycle = expansion.handlers.iter().map(life_cycle);
    quote_spanned! {Span::mixed_site()=>
        #lints
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #impl_generics ::actor_core::Messages for #actor #clause {
            type Message = #envelope #ty_generics;

            // Into the turn, which calls it for the usual message: so that is read from the mailbox right where it is used.
            #[inline(always)]
            fn handle<'a>(
                &'a mut self,
                message: Self::Message,
                ctx: &'a mut ::actor_core::Context<Self>,
            ) -> ::actor_core::Step<'a> {
                match message { #(#arms)* #never }
            }

            #(#life_cycle)*
        }
    }
}

/// Runs the handler of a message of which a copy is kept, with the way back: if the handler fails, both are there
/// to be delivered again.
fn run_kept(message: &Message<'_>, envelope: &Ident, times: u32) -> TokenStream {
    let handler = message.handler;
    let (site, name, call) = (names::made_at(&handler.name), &message.name, call(handler));
    let answer = match handler.output {
        Output::Nothing | Output::Value(_) => quote_spanned!(site=> reply.send(outcome)),
        Output::Fallible(_) => quote_spanned!(site=> reply.complete(outcome)),
    };
    let run = quote_spanned! {site=>
        let outcome = #call;
        if let ::core::option::Option::Some(#envelope::#name(_, reply)) = ctx.take_kept() { #answer }
    };
    let run = if handler.is_async {
        quote_spanned!(site=> ::actor_core::async_handler(async move { #run }))
    } else {
        quote_spanned!(site=> #run ::actor_core::Step::Done(()))
    };
    quote_spanned! {site=>
        ctx.keep(#times, #envelope::#name(::core::clone::Clone::clone(&message), reply));
        #run
    }
}

/// Runs the handler of `message` and replies.
fn run(message: &Message<'_>, envelope: &Ident) -> TokenStream {
    if let Some(times) = message.handler.redeliver {
        return run_kept(message, envelope, times);
    }
    let handler = message.handler;
    let site = names::made_at(&handler.name);
    let call = call(handler);
    if handler.deferred().is_some() {
        return finish(handler, call);
    }
    let reply = match handler.output {
        Output::Nothing => quote_spanned!(site=> { #call; reply.send(()) }),
        Output::Value(_) => quote_spanned!(site=> reply.send(#call)),
        Output::Fallible(_) => quote_spanned!(site=> reply.complete(#call)),
    };
    if handler.is_async {
        quote_spanned!(site=> ::actor_core::async_handler(async move { #reply }))
    } else {
        quote_spanned!(site=> #reply; ::actor_core::Step::Done(()))
    }
}

/// Runs a `call` whose value, or whose future's value, is nothing.
fn finish(handler: &Handler, call: TokenStream) -> TokenStream {
    let site = names::made_at(&handler.name);
    if handler.is_async {
        quote_spanned!(site=> ::actor_core::async_handler(async move { #call }))
    } else {
        quote_spanned!(site=> #call; ::actor_core::Step::Done(()))
    }
}

/// The method that runs a life-cycle handler; nothing for a message handler.
fn life_cycle(handler: &Handler) -> TokenStream {
    let cfg = &handler.carried.cfg;
    let call = call(handler);
    let site = Span::mixed_site();
    let ctx = quote_spanned!(site=> ctx: &'a mut ::actor_core::Context<Self>);
    let method = match handler.marker {
        Marker::Message => return TokenStream::new(),
        Marker::Started => {
            let run = started(handler, call);
            let result = quote!(::core::result::Result<(), ::actor_core::Failure>);
            quote_spanned!(site=> fn started<'a>(&'a mut self, #ctx) -> ::actor_core::Step<'a, #result> { #run })
        }
        Marker::Stopped => {
            let run = finish(handler, call);
            let why = quote_spanned!(site=> why: &'a ::actor_core::StopReason);
            quote_spanned!(site=> fn stopped<'a>(&'a mut self, #why, #ctx) -> ::actor_core::Step<'a> { #run })
        }
        Marker::Down => {
            let run = finish(handler, call);
            let down = quote_spanned!(site=> down: ::actor_core::Down);
            quote_spanned!(site=> fn down<'a>(&'a mut self, #down, #ctx) -> ::actor_core::Step<'a> { #run })
        }
    };
    quote!(#(#cfg)* #method)
}

/// Runs `#[started]`; its error becomes a failure.
fn started(handler: &Handler, call: TokenStream) -> TokenStream {
    let site = names::made_at(&handler.name);
    let result = match &handler.output {
        Output::Fallible(ty) => {
            // An error type that is no error is reported at the return type.
            let site = ty.span().resolved_at(Span::mixed_site());
            quote_spanned!(site=> ::core::result::Result::map_err(#call, ::actor_core::Failure::new))
        }
        _ => quote_spanned!(site=> { #call; ::core::result::Result::Ok(()) }),
    };
    if handler.is_async {
        quote_spanned!(site=> ::actor_core::async_handler(async move { #result }))
    } else {
        quote_spanned!(site=> ::actor_core::Step::Done(#result))
    }
}

/// The call of the handler itself, awaited if it is async.
fn call(handler: &Handler) -> TokenStream {
    let (name, site) = (&handler.name, names::made_at(&handler.name));
    let arguments = handler.arguments.iter().map(argument);
    let wait = handler.is_async.then(|| quote_spanned!(site=> .await));
    quote_spanned!(site=> Self::#name(self, #(#arguments),*) #wait)
}

/// What is given for an argument: a local of the generated method, spanned where the argument's type
/// is, so that a type which only looks right is reported there.
fn argument(argument: &Argument) -> TokenStream {
    let local = |name: &str| Ident::new(name, argument.ty.span().resolved_at(Span::mixed_site()));
    let local = match argument.role {
        Role::Data => {
            let (message, field) = (local("message"), &argument.name);
            return quote!(#message.#field);
        }
        Role::Context(_) => local("ctx"),
        Role::Reply { .. } => local("reply"),
        Role::StopReason(_) => local("why"),
        Role::Down(_) => local("down"),
    };
    quote!(#local)
}
