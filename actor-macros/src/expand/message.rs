//! The message struct of a handler, with its impls of `Message` and `Accepts`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Generics, Ident, Type};

use super::{Expansion, lints};
use crate::model::{Handler, Output, Target, Used};
use crate::names;
use crate::parse::Marker;

/// A message handler and what is made of it.
pub(crate) struct Message<'a> {
    pub(crate) handler: &'a Handler,
    /// The struct's name, and that of its variant in the enum.
    pub(crate) name: Ident,
    pub(crate) fields: Vec<Field<'a>>,
    pub(crate) used: Used<'a>,
    /// Type parameters that no field uses, but that the reply needs.
    marked: Vec<&'a Ident>,
    reply: Type,
    error: Type,
}

/// An argument as a field.
pub(crate) struct Field<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) ty: Type,
    pub(crate) strategy: Option<&'a syn::Expr>,
}

impl Field<'_> {
    pub(crate) fn local(&self) -> Ident {
        let mut local = self.name.clone();
        local.set_span(names::made_at(self.name));
        local
    }
}

/// The messages of all message handlers.
pub(crate) fn all<'a>(target: &Target, generics: &'a Generics, handlers: &'a [Handler]) -> Vec<Message<'a>> {
    let messages = handlers.iter().filter(|handler| handler.marker == Marker::Message);
    messages.map(|handler| Message::of(target, generics, handler)).collect()
}

impl<'a> Message<'a> {
    fn of(target: &Target, generics: &'a Generics, handler: &'a Handler) -> Self {
        let camel = names::camel_case(&handler.name);
        let fields: Vec<_> = handler
            .fields()
            .map(|argument| Field {
                name: &argument.name,
                ty: target.resolve(&argument.ty),
                strategy: argument.strategy.as_ref(),
            })
            .collect();
        let by_fields = Used::by(fields.iter().map(|field| &field.ty), generics);
        let reply_types: Vec<_> = handler.reply_types().map(|ty| target.resolve(ty)).collect();
        let used = Used::by(&reply_types, generics).and(&by_fields).closed();
        let marked = used.types_beyond(&by_fields);
        let (reply, error) = reply(target, handler);
        let name = target.sibling(&camel, names::made_at(&handler.name));
        Message { handler, name, fields, used, marked, reply, error }
    }

    /// The struct and its impls.
    pub(crate) fn expand(&self, expansion: &Expansion<'_>) -> TokenStream {
        let (declaration, constructor) = (self.declaration(expansion.target), self.constructor());
        let (message, accepts) = (self.message(), self.accepts(expansion));
        quote!(#declaration #message #constructor #accepts)
    }

    /// The struct with its generics, as a type.
    pub(crate) fn ty(&self) -> TokenStream {
        let (name, generics) = (&self.name, self.used.generics());
        let (_, ty_generics, _) = generics.split_for_impl();
        quote!(#name #ty_generics)
    }

    /// The struct's name without the actor's: that of its variant among those that are made up.
    pub(crate) fn short_name(&self) -> Ident {
        Ident::new(&names::camel_case(&self.handler.name), names::made_at(&self.handler.name))
    }

    /// The name in logs and dead letters.
    pub(crate) fn plain_name(&self) -> String {
        self.handler.name.unraw().to_string()
    }

    /// The type of the way back to who asked.
    pub(crate) fn way_back(&self) -> TokenStream {
        let (reply, error) = (&self.reply, &self.error);
        quote!(::actor_core::Reply<#reply, #error>)
    }

    /// The parameters of a function that makes the message, a local per field. The locals are ours:
    /// a lint on how the user's name is used does not apply to them.
    pub(crate) fn parameters(&self) -> TokenStream {
        let parameters = self.fields.iter().map(|field| {
            let (local, ty) = (field.local(), &field.ty);
            quote!(#local: #ty)
        });
        quote!(#(#parameters),*)
    }

    /// An expression that makes the message of [`parameters`](Self::parameters).
    pub(crate) fn literal(&self) -> TokenStream {
        let name = &self.name;
        let fields = self.fields.iter().map(|field| {
            let (name, local) = (field.name, field.local());
            quote!(#name: #local)
        });
        let marker = (!self.marked.is_empty()).then(|| quote!(_marker: ::core::marker::PhantomData));
        quote_spanned!(Span::mixed_site()=> #name { #(#fields,)* #marker })
    }

    fn declaration(&self, target: &Target) -> TokenStream {
        let (vis, name, carried) = (&self.handler.vis, &self.name, &self.handler.carried);
        let (cfg, lints) = (&carried.cfg, lints::of_a_handler());
        let docs = self.docs(&format!(
            "The message `{}` of [`{}`].",
            self.handler.name.unraw(),
            target.name.unraw()
        ));
        let mut derives = self.handler.derives.clone();
        let has = |derives: &[syn::Path], name: &str| {
            derives.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == name))
        };
        let is_made_up = self.handler.weight.is_some();
        if (self.handler.redeliver.is_some() || is_made_up) && !has(&derives, "Clone") {
            derives.push(syn::parse_quote!(::core::clone::Clone));
        }
        if is_made_up && !has(&derives, "Debug") {
            derives.push(syn::parse_quote!(::core::fmt::Debug));
        }
        let derives = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
        let generics = self.used.generics();
        let clause = &generics.where_clause;
        let fields = self.fields.iter().map(|Field { name, ty, .. }| {
            let doc = format!("The argument `{}`.", name.unraw());
            quote!(#[doc = #doc] #vis #name: #ty)
        });
        let marked = &self.marked;
        let marker = (!marked.is_empty())
            .then(|| quote!(#[doc(hidden)] #vis _marker: ::core::marker::PhantomData<fn(#(&#marked),*)>));
        let body = match (self.fields.is_empty(), &marker) {
            (true, None) => quote!(#clause;),
            _ => quote!(#clause { #(#fields,)* #marker }),
        };
        quote_spanned!(Span::mixed_site()=> #(#cfg)* #docs #derives #lints #vis struct #name #generics #body)
    }

    /// The handler's docs, or else `text`.
    pub(crate) fn docs(&self, text: &str) -> TokenStream {
        let docs = &self.handler.carried.docs;
        let text = (!self.handler.carried.is_documented()).then(|| quote!(#[doc = #text]));
        quote!(#text #(#docs)*)
    }

    /// Users need not know of the marker field.
    fn constructor(&self) -> Option<TokenStream> {
        if self.marked.is_empty() {
            return None;
        }
        let (vis, ty, cfg) = (&self.handler.vis, self.ty(), &self.handler.carried.cfg);
        let lints = lints::of_a_handler();
        let generics = self.used.generics();
        let (impl_generics, _, clause) = generics.split_for_impl();
        let parameters = self.parameters();
        let literal = self.literal();
        Some(quote_spanned! {Span::mixed_site()=>
            #(#cfg)*
            #lints
            impl #impl_generics #ty #clause {
                /// The message with these arguments.
                #[allow(clippy::new_without_default, clippy::too_many_arguments)]
                #[must_use]
                #vis const fn new(#parameters) -> Self {
                    #literal
                }
            }
        })
    }

    /// The first thing that is wrong with an argument which cannot be sent is that the struct cannot
    /// be a message, so the struct's name stands where the one argument is, if there is one.
    fn message(&self) -> TokenStream {
        let (cfg, reply, error) = (&self.handler.carried.cfg, &self.reply, &self.error);
        let generics = self.used.generics();
        let (impl_generics, ty_generics, clause) = generics.split_for_impl();
        let mut name = self.name.clone();
        if let [field] = self.fields.as_slice() {
            name.set_span(field.ty.span());
        }
        let (ty, plain) = (quote!(#name #ty_generics), self.plain_name());
        // Here a type is found that is less visible than the handler.
        let site = self.handler.reply_types().next().map_or_else(Span::call_site, Spanned::span);
        let reply = quote_spanned! {site.resolved_at(Span::mixed_site())=>
            type Reply = #reply;
            type Error = #error;
        };
        quote_spanned! {Span::mixed_site()=>
            #(#cfg)*
            #[allow(deprecated)]
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl #impl_generics ::actor_core::Message for #ty #clause {
                #reply
                const NAME: &'static ::core::primitive::str = #plain;
            }
        }
    }

    fn accepts(&self, expansion: &Expansion<'_>) -> TokenStream {
        let (name, ty, cfg) = (&self.name, self.ty(), &self.handler.carried.cfg);
        let (actor, envelope) = (&expansion.target.ty, &expansion.envelope);
        let (impl_generics, _, clause) = expansion.generics.split_for_impl();
        let (reply, lints) = (self.way_back(), lints::of_all_handlers());
        quote_spanned! {Span::mixed_site()=>
            #(#cfg)*
            #lints
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl #impl_generics ::actor_core::Accepts<#ty> for #actor #clause {
                fn wrap(
                    message: #ty,
                    reply: #reply,
                ) -> <Self as ::actor_core::Messages>::Message {
                    #envelope::#name(message, reply)
                }

                fn unwrap(
                    message: <Self as ::actor_core::Messages>::Message,
                ) -> ::core::option::Option<#ty> {
                    match message {
                        #envelope::#name(message, reply) => {
                            reply.refused();
                            ::core::option::Option::Some(message)
                        }
                        _ => ::core::option::Option::None,
                    }
                }
            }
        }
    }
}

/// The types of a handler's reply and of its error.
fn reply(target: &Target, handler: &Handler) -> (Type, Type) {
    let infallible = || syn::parse_quote!(::core::convert::Infallible);
    if let Some((value, error)) = handler.deferred() {
        return (target.resolve(value), error.map_or_else(infallible, |error| target.resolve(error)));
    }
    match &handler.output {
        Output::Nothing => (syn::parse_quote!(()), infallible()),
        Output::Value(ty) => (target.resolve(ty), infallible()),
        Output::Fallible(ty) => {
            // Only the compiler knows what is behind a name like `io::Result`.
            let (ty, span) = (target.resolve(ty), ty.span());
            let side = |side: &str| {
                let side = Ident::new(side, span);
                Type::Verbatim(quote_spanned!(span=> <#ty as ::actor_core::__private::Fallible>::#side))
            };
            (side("Ok"), side("Err"))
        }
    }
}
