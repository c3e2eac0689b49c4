//! The function of `#[actor_test]`, as the harness calls it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::arbitrary;
use crate::model::{Given, Test};
use crate::parse::Function;

/// A test that runs the function, which is in it.
pub(crate) fn expand(function: &Function, test: &Test) -> TokenStream {
    let Function { attrs, vis, sig, strategies: _, body } = function;
    let name = &sig.ident;
    // In simulations an `Err` is a panic, so that it is told as one.
    let output = test.simulated.is_none().then_some(&sig.output);
    let settings = settings(test);
    let locals: Vec<_> =
        (0..test.given.len()).map(|at| format_ident!("given{at}", span = Span::mixed_site())).collect();
    let call = match sig.asyncness {
        Some(_) => {
            quote_spanned!(Span::mixed_site()=> ::actor_core::testing::block_on(#name(system #(, #locals)*)))
        }
        None => quote_spanned!(Span::mixed_site()=> #name(system #(, #locals)*)),
    };
    let run = match test.simulated {
        None => quote_spanned!(Span::mixed_site()=> run(|system| #call)),
        Some(cases) => {
            let build = test.build.as_ref().map(|change| quote!(.system(#change)));
            let simulation = quote!(&::actor_core::sim::Sim::builder()#build);
            if test.given.is_empty() {
                quote_spanned!(Span::mixed_site()=> simulate(#simulation, #cases, |system| #call))
            } else {
                let given = given(&test.given, &locals);
                quote_spanned! {Span::mixed_site()=>
                    simulate_given(#simulation, #cases, #given, |system, (#(#locals,)*)| #call)
                }
            }
        }
    };
    quote_spanned! {Span::mixed_site()=>
        #(#attrs)*
        #[::core::prelude::v1::test]
        #vis fn #name() #output {
            #sig #body
            ::actor_core::testing::ActorTest::new()#settings.#run
        }
    }
}

/// What makes up the arguments, and how they are shown.
fn given(all: &[Given], locals: &[Ident]) -> TokenStream {
    let strategies = all.iter().map(|given| arbitrary::made_up(&given.ty, given.strategy.as_ref()));
    let names = all.iter().map(|given| &given.name);
    let format = vec!["{} = {:?}"; all.len()].join(", ");
    quote_spanned! {Span::mixed_site()=>
        &::actor_core::sim::Given::shown((#(#strategies,)*), |(#(#locals,)*)| {
            ::std::format!(#format, #(#names, #locals),*)
        })
    }
}

fn settings(test: &Test) -> TokenStream {
    let workers = test.workers.as_ref().map(|number| quote!(.build(|builder| builder.workers(#number))));
    let build = test.build.as_ref().filter(|_| test.simulated.is_none());
    let build = build.map(|change| quote!(.build(#change)));
    let settle = test.settle.map(|limit| {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        quote!(.settle(::core::time::Duration::from_nanos(#nanos)))
    });
    let allowed = test.allowed.iter().map(|(setting, names)| {
        let method = Ident::new(setting, Span::mixed_site());
        quote!(.#method(&[#(#names),*]))
    });
    quote!(#workers #build #settle #(#allowed)*)
}
