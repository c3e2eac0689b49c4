//! The ref newtype and the impl of `Actor`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Generics, Ident, parse_quote};

use crate::expand::trace;
use crate::model::{Actor, Mailbox, Overflow, Settings, resolve_self, without_defaults};
use crate::names;

/// All that `#[derive(Actor)]` writes.
pub(crate) fn expand(actor: &Actor) -> TokenStream {
    let mut declared = actor.generics.clone();
    let (_, ty_generics, _) = actor.generics.split_for_impl();
    let name = &actor.name;
    resolve_self(&mut declared, parse_quote!(#name #ty_generics));
    let newtype = Newtype {
        actor: quote!(#name #ty_generics),
        plain: quote_spanned!(names::made_at(name)=> ::actor_core::ActorRef<#name #ty_generics>),
        name: names::type_name(name, "Ref", names::made_at(name)),
        generics: without_defaults(&declared),
    };
    let declaration = declaration(actor, &newtype, &declared);
    let implementation = implementation(actor, &newtype);
    let (traits, conversions) = (newtype.traits(), newtype.conversions());
    quote!(#declaration #implementation #traits #conversions)
}

/// The ref of an actor, and the generics that both have.
struct Newtype {
    actor: TokenStream,
    /// The type inside. Without a `#[messages]` block there is none; the compiler finds that in many
    /// places, but says it once if they all have the span of the actor's name.
    plain: TokenStream,
    name: Ident,
    generics: Generics,
}

fn declaration(actor: &Actor, newtype: &Newtype, declared: &Generics) -> TokenStream {
    let (vis, name, inner) = (&actor.vis, &newtype.name, &newtype.plain);
    let clause = &declared.where_clause;
    let plain = actor.name.unraw();
    let doc = format!("The address of [`{plain}`], an actor: a method for each of its messages.");
    quote_spanned! {names::made_at(&newtype.name)=>
        #[doc = #doc]
        ///
        /// A method makes a [`Call`](::actor_core::Call) and sends nothing yet: the call is told, or
        /// asked for its reply. A clone is another address of the same actor; both stay good when
        /// the actor is restarted.
        #[allow(dead_code, unreachable_pub, private_bounds, private_interfaces)]
        #vis struct #name #declared (#inner) #clause;
    }
}

fn implementation(actor: &Actor, newtype: &Newtype) -> TokenStream {
    let (name, of) = (&newtype.name, &newtype.actor);
    let (impl_generics, ty_generics, clause) = newtype.generics.split_for_impl();
    let plain = actor.name.unraw().to_string();
    let settings = settings(&actor.settings);
    let trace = trace::of_actor(actor);
    let limits_silence = actor.settings.silence.is_some();
    let site = names::made_at(&actor.name);
    quote_spanned! {site=>
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #impl_generics ::actor_core::Actor for #of #clause {
            type Ref = #name #ty_generics;
            const NAME: &'static ::core::primitive::str = #plain;
            const MAY_LIMIT_SILENCE: ::core::primitive::bool = #limits_silence;

            fn settings() -> ::actor_core::Settings {
                ::actor_core::Settings::DEFAULT #settings
            }

            #trace
        }
    }
}

fn settings(settings: &Settings) -> TokenStream {
    let mailbox = settings.mailbox.map(|mailbox| match mailbox {
        Mailbox::Unbounded => quote!(.mailbox(::actor_core::Settings::UNBOUNDED)),
        // A `u32` literal without a suffix fits the `usize` of every target that has threads.
        Mailbox::Room(room) => {
            let room = proc_macro2::Literal::u32_unsuffixed(room);
            quote!(.mailbox(#room))
        }
    });
    let overflow = settings.overflow.map(|overflow| {
        let policy = match overflow {
            Overflow::Reject => quote!(Reject),
            Overflow::Wait => quote!(Wait),
            Overflow::DropNewest => quote!(DropNewest),
            Overflow::DropOldest => quote!(DropOldest),
        };
        quote!(.overflow(::actor_core::Overflow::#policy))
    });
    let time = |name: &str, time: Option<Duration>| {
        let (name, time) = (format_ident!("{name}"), time?);
        let nanos = proc_macro2::Literal::u64_unsuffixed(time.as_nanos() as u64);
        Some(quote!(.#name(::core::time::Duration::from_nanos(#nanos))))
    };
    let soft = time("soft_quantum", settings.soft_quantum);
    let hard = time("hard_quantum", settings.hard_quantum);
    let stall = time("stall", settings.stall);
    let silence = time("silence", settings.silence);
    let on_silence = settings.on_silence.map(super::on_silence);
    let clears = settings.clear_on_restart.then(|| quote!(.clear_on_restart()));
    quote!(#mailbox #overflow #soft #hard #stall #silence #on_silence #clears)
}

impl Newtype {
    /// What the address gives; a derive would ask it of the actor's type parameters.
    fn traits(&self) -> TokenStream {
        let (name, plain) = (&self.name, &self.plain);
        let (impl_generics, ty_generics, clause) = self.generics.split_for_impl();
        quote_spanned! {names::made_at(&self.name)=>
            #[automatically_derived]
            impl #impl_generics ::core::clone::Clone for #name #ty_generics #clause {
                fn clone(&self) -> Self {
                    Self(<#plain as ::core::clone::Clone>::clone(&self.0))
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::fmt::Debug for #name #ty_generics #clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    <#plain as ::core::fmt::Debug>::fmt(&self.0, f)
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::cmp::PartialEq for #name #ty_generics #clause {
                fn eq(&self, other: &Self) -> ::core::primitive::bool {
                    <#plain as ::core::cmp::PartialEq>::eq(&self.0, &other.0)
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::cmp::Eq for #name #ty_generics #clause {}

            #[automatically_derived]
            impl #impl_generics ::core::hash::Hash for #name #ty_generics #clause {
                fn hash<H: ::core::hash::Hasher>(&self, state: &mut H) {
                    <#plain as ::core::hash::Hash>::hash(&self.0, state);
                }
            }
        }
    }

    /// The ways to and from the plain ref.
    fn conversions(&self) -> TokenStream {
        let (name, plain) = (&self.name, &self.plain);
        let (impl_generics, ty_generics, clause) = self.generics.split_for_impl();
        quote_spanned! {names::made_at(&self.name)=>
            #[automatically_derived]
            impl #impl_generics ::core::convert::From<#plain> for #name #ty_generics #clause {
                fn from(plain: #plain) -> Self {
                    Self(plain)
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::convert::From<#name #ty_generics> for #plain #clause {
                fn from(named: #name #ty_generics) -> Self {
                    named.0
                }
            }

            #[automatically_derived]
            impl #impl_generics ::actor_core::Trace for #name #ty_generics #clause {
                fn trace(&self, tracer: &mut ::actor_core::Tracer<'_>) {
                    <#plain as ::actor_core::Trace>::trace(&self.0, tracer);
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::convert::AsRef<#plain> for #name #ty_generics #clause {
                fn as_ref(&self) -> &#plain {
                    &self.0
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::ops::Deref for #name #ty_generics #clause {
                type Target = #plain;

                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }
        }
    }
}
