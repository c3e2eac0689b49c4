//! Messages that are made up: the enum of those, and proptest's `Arbitrary` for it and for each of them.
//!
//! All of it is handed to a macro of `actor-core`, which drops it unless proptest is there. So a service that is not
//! tested has nothing of it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, ExprRange, Generics, RangeLimits, Type, TypeParam, parse_quote};

use super::message::{Field, Message};
use super::{Expansion, envelope, lints};
use crate::model::Used;

/// The enum, and the impls.
pub(crate) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let messages = || expansion.messages.iter().filter(|message| message.handler.weight.is_some());
    let used = messages().fold(Used::by([], expansion.generics), |all, message| all.and(&message.used));
    let any = Any {
        expansion,
        messages: messages().collect(),
        name: expansion.target.sibling("Any", Span::mixed_site()),
        generics: used.generics(),
        unheld: envelope::unheld_of(expansion, messages()),
    };
    let each = messages().map(of_message);
    let (declaration, message) = (any.declaration(), any.message());
    let (accepts, arbitrary) = (any.accepts(), any.arbitrary());
    quote!(::actor_core::__arbitrary! { #(#each)* #declaration #message #accepts #arbitrary })
}

/// The enum of all messages that are made up.
struct Any<'e, 'a> {
    expansion: &'e Expansion<'a>,
    messages: Vec<&'e Message<'a>>,
    name: Ident,
    generics: Generics,
    unheld: Vec<&'a Ident>,
}

impl Any<'_, '_> {
    fn ty(&self) -> TokenStream {
        let (name, (_, generics, _)) = (&self.name, self.generics.split_for_impl());
        quote!(#name #generics)
    }

    /// For each message what `make` makes of its `cfg`, its name in here, and itself.
    fn each(&self, make: impl Fn(TokenStream, Ident, &Message<'_>) -> TokenStream) -> Vec<TokenStream> {
        let one = |message: &&Message<'_>| {
            let cfg = &message.handler.carried.cfg;
            make(quote!(#(#cfg)*), message.short_name(), message)
        };
        self.messages.iter().map(one).collect()
    }

    /// `pub`, as the enum of all messages is.
    fn declaration(&self) -> TokenStream {
        let (name, generics, lints) = (&self.name, &self.generics, lints::of_a_handler());
        let clause = &generics.where_clause;
        let actor = self.expansion.target.name.unraw();
        let docs = format!("Any one of the messages of [`{actor}`], to be made up by proptest.");
        let variants = self.each(|cfg, name, message| {
            let (ty, docs) = (message.ty(), format!("The message `{}`.", message.plain_name()));
            quote_spanned!(Span::mixed_site()=> #cfg #[doc = #docs] #name(#ty))
        });
        let unheld = envelope::unheld_variant(&self.unheld).map(|variant| quote!(#[doc(hidden)] #variant));
        quote_spanned! {Span::mixed_site()=>
            #[doc = #docs]
            ///
            /// It is a message that the actor takes: told, its handler runs as if that message had been told. An ask
            /// of it is answered when it is accepted.
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #lints
            #[allow(clippy::large_enum_variant)]
            pub enum #name #generics #clause { #(#variants,)* #unheld }
        }
    }

    fn message(&self) -> TokenStream {
        let (ty, (impl_generics, _, clause)) = (self.ty(), self.generics.split_for_impl());
        let from = self.each(|cfg, name, message| {
            let message = message.ty();
            quote_spanned! {Span::mixed_site()=>
                #cfg
                #[allow(deprecated)]
                #[automatically_derived]
                impl #impl_generics ::core::convert::From<#message> for #ty #clause {
                    fn from(message: #message) -> Self {
                        Self::#name(message)
                    }
                }
            }
        });
        quote_spanned! {Span::mixed_site()=>
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl #impl_generics ::actor_core::Message for #ty #clause {
                type Reply = ();
                type Error = ::core::convert::Infallible;
                const NAME: &'static ::core::primitive::str = "any";
            }
            #(#from)*
        }
    }

    fn accepts(&self) -> TokenStream {
        let (name, ty, lints) = (&self.name, self.ty(), lints::of_all_handlers());
        let Expansion { target, generics, envelope, .. } = self.expansion;
        let (actor, (impl_generics, _, clause)) = (&target.ty, generics.split_for_impl());
        let wrapped = self.each(|cfg, short, message| {
            let variant = &message.name;
            quote_spanned! {Span::mixed_site()=>
                #cfg
                #name::#short(message) => #envelope::#variant(message, ::actor_core::__private::nowhere()),
            }
        });
        let unwrapped = self.each(|cfg, short, message| {
            let variant = &message.name;
            quote_spanned! {Span::mixed_site()=>
                #cfg
                #envelope::#variant(message, _) => ::core::option::Option::Some(#name::#short(message)),
            }
        });
        let never = envelope::never(quote!(#name), &self.unheld);
        quote_spanned! {Span::mixed_site()=>
            #lints
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl #impl_generics ::actor_core::Accepts<#ty> for #actor #clause {
                fn wrap(
                    message: #ty,
                    reply: ::actor_core::Reply<()>,
                ) -> <Self as ::actor_core::Messages>::Message {
                    reply.send(());
                    match message { #(#wrapped)* #never }
                }

                fn unwrap(
                    message: <Self as ::actor_core::Messages>::Message,
                ) -> ::core::option::Option<#ty> {
                    match message {
                        #(#unwrapped)*
                        _ => ::core::option::Option::None,
                    }
                }
            }
        }
    }

    fn arbitrary(&self) -> TokenStream {
        let choices = self.each(|cfg, name, message| {
            let (weight, ty) = (message.handler.weight, message.ty());
            quote_spanned! {Span::mixed_site()=>
                #cfg
                (
                    #weight,
                    ::actor_core::proptest::strategy::Strategy::boxed(
                        ::actor_core::proptest::strategy::Strategy::prop_map(
                            ::actor_core::proptest::arbitrary::any::<#ty>(),
                            Self::#name,
                        ),
                    ),
                )
            }
        });
        let strategy = quote_spanned! {Span::mixed_site()=>
            ::actor_core::proptest::strategy::Strategy::boxed(
                ::actor_core::proptest::strategy::Union::<::actor_core::proptest::strategy::BoxedStrategy<Self>>::new_weighted(
                    ::std::vec::Vec::from([#(#choices),*]),
                ),
            )
        };
        let fields = self.messages.iter().flat_map(|message| &message.fields);
        implementation(&self.ty(), &self.generics, fields, &strategy)
    }
}

/// `Arbitrary` for a message.
fn of_message(message: &Message<'_>) -> TokenStream {
    let (cfg, literal) = (&message.handler.carried.cfg, message.literal());
    // One in the other, since tuples have an end.
    let mut fields = message.fields.iter().rev();
    let first = fields.next().map(|field| {
        let local = field.local();
        (strategy(field), quote!(#local))
    });
    let (strategies, pattern) = fields.fold(
        first.unwrap_or_else(|| (quote!(::actor_core::proptest::strategy::Just(())), quote!(()))),
        |(strategies, pattern), field| {
            let (strategy, local) = (strategy(field), field.local());
            (quote!((#strategy, #strategies)), quote!((#local, #pattern)))
        },
    );
    let strategy = quote_spanned! {Span::mixed_site()=>
        ::actor_core::proptest::strategy::Strategy::boxed(
            ::actor_core::proptest::strategy::Strategy::prop_map(#strategies, |#pattern| #literal),
        )
    };
    let implementation = implementation(&message.ty(), &message.used.generics(), &message.fields, &strategy);
    quote!(#(#cfg)* #implementation)
}

/// What makes up an argument.
fn strategy(field: &Field<'_>) -> TokenStream {
    made_up(&field.ty, field.strategy)
}

/// What makes up a value of a type.
pub(super) fn made_up(ty: &Type, strategy: Option<&Expr>) -> TokenStream {
    match strategy {
        None => quote_spanned! {ty.span().resolved_at(Span::mixed_site())=>
            <#ty as ::actor_core::MadeUp>::made_up()
        },
        // Of numbers that are the argument's, so that nobody has to write their type again.
        Some(Expr::Range(ExprRange { start: Some(start), end: Some(end), limits, .. })) => match limits {
            RangeLimits::HalfOpen(_) => quote!(::core::ops::Range::<#ty> { start: #start, end: #end }),
            RangeLimits::Closed(_) => quote!(::core::ops::RangeInclusive::<#ty>::new(#start, #end)),
        },
        Some(strategy) => quote!(#strategy),
    }
}

/// The impl, whose bounds are those of the type, and what its derives and its arguments need beside them.
fn implementation<'f>(
    ty: &TokenStream,
    generics: &Generics,
    fields: impl IntoIterator<Item = &'f Field<'f>>,
    strategy: &TokenStream,
) -> TokenStream {
    let mut bounded = generics.clone();
    let params: Vec<_> = generics.type_params().map(|TypeParam { ident, .. }| ident).collect();
    let made_up: Vec<&Type> = fields
        .into_iter()
        .filter(|field| field.strategy.is_none() && !Used::by([&field.ty], generics).is_empty())
        .map(|field| &field.ty)
        .collect();
    if !params.is_empty() {
        let clause = bounded.make_where_clause();
        for param in params {
            clause.predicates.push(parse_quote!(#param: ::core::clone::Clone + ::core::fmt::Debug + 'static));
        }
        for ty in made_up {
            clause.predicates.push(parse_quote!(#ty: ::actor_core::MadeUp));
        }
    }
    let (impl_generics, _, clause) = bounded.split_for_impl();
    quote_spanned! {Span::mixed_site()=>
        #[allow(deprecated)]
        #[automatically_derived]
        impl #impl_generics ::actor_core::proptest::arbitrary::Arbitrary for #ty #clause {
            type Parameters = ();
            type Strategy = ::actor_core::proptest::strategy::BoxedStrategy<Self>;

            fn arbitrary_with(_: ()) -> Self::Strategy {
                #strategy
            }
        }
    }
}
