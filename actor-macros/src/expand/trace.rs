//! The trace of the refs in a type's fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Data, DeriveInput, Fields, Member, parse_quote};

use crate::model::{Actor, resolve_self, without_defaults};
use crate::names;
use crate::validate;

/// All that `#[derive(Trace)]` writes.
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let name = &input.ident;
    let mut generics = without_defaults(&input.generics);
    let (_, ty_generics, _) = input.generics.split_for_impl();
    resolve_self(&mut generics, parse_quote!(#name #ty_generics));
    let (impl_generics, ty_generics, clause) = generics.split_for_impl();
    let trace = function(if validate::is_packed(input) { None } else { body(&input.data) });
    quote_spanned! {names::made_at(name)=>
        #[automatically_derived]
        impl #impl_generics ::actor_core::Trace for #name #ty_generics #clause {
            #trace
        }
    }
}

/// The function of an actor that traces its fields.
pub(crate) fn of_actor(actor: &Actor) -> TokenStream {
    function(if actor.is_packed { None } else { body(&actor.data) })
}

/// One span for all of it: `self` is not found otherwise.
fn function(body: Option<TokenStream>) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(deprecated)]
        fn trace(&self, tracer: &mut ::actor_core::Tracer<'_>) {
            let _ = &tracer;
            #body
        }
    }
}

/// Its body; `None` if there is no field.
fn body(data: &Data) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let (arms, count) = match data {
        Data::Struct(data) => {
            let (arm, count) = arm(quote!(Self), &data.fields);
            (vec![arm], count)
        }
        Data::Enum(data) => {
            let arms: Vec<_> = data
                .variants
                .iter()
                .map(|variant| {
                    let name = &variant.ident;
                    arm(quote!(Self::#name), &variant.fields)
                })
                .collect();
            let count = arms.iter().map(|(_, count)| count).sum();
            (arms.into_iter().map(|(arm, _)| arm).collect(), count)
        }
        Data::Union(_) => return None,
    };
    (count > 0).then(|| {
        quote_spanned! {site=>
            #[allow(unused_imports)]
            use ::actor_core::__private::{TraceNothing as _, TraceRefs as _};
            match self { #(#arms)* }
        }
    })
}

/// The arm for a struct or a variant, and how many fields it has.
fn arm(path: TokenStream, fields: &Fields) -> (TokenStream, usize) {
    let site = Span::mixed_site();
    let bound: Vec<Ident> = (0..fields.len()).map(|at| format_ident!("field_{at}", span = site)).collect();
    let members = fields.members().collect::<Vec<Member>>();
    let arm = quote_spanned! {site=>
        #path { #(#members: #bound),* } => {
            #((&::actor_core::__private::Field(#bound)).trace_field(tracer);)*
        }
    };
    (arm, bound.len())
}
