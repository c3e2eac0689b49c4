//! The impl of `Tree`.

use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use crate::model::{AutoShutdown, Child, Restart, Stop, Strategy, Tree, without_defaults};
use crate::names;

/// All that `#[derive(Supervisor)]` writes.
pub(crate) fn expand(tree: &Tree) -> TokenStream {
    let name = &tree.name;
    let generics = without_defaults(&tree.generics);
    let (impl_generics, ty_generics, clause) = generics.split_for_impl();
    let (settings, intensity) = (settings(tree), intensity(tree));
    let children = tree.children.iter().map(|child| add(child, &intensity));
    let checks = tree.generics.params.is_empty().then(|| tree.children.iter().filter_map(check));
    let checks = checks.into_iter().flatten();
    quote_spanned! {names::made_at(name)=>
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #impl_generics ::actor_core::Tree for #name #ty_generics #clause {
            fn build(&self, builder: ::actor_core::SupervisorBuilder) -> ::actor_core::SupervisorBuilder {
                builder #settings #(#children)*
            }
        }
        #(#checks)*
    }
}

/// Has the compiler see to what only the actor's type says. Not where that is a parameter: then the tree is refused when
/// it is built.
fn check(child: &Child) -> Option<TokenStream> {
    child.on_silence.filter(|_| child.silence.is_none())?;
    let ty = &child.ty;
    let spanned = syn::spanned::Spanned::span(ty).resolved_at(Span::mixed_site());
    Some(quote_spanned! {spanned=>
        const _: () = ::core::assert!(
            <#ty as ::actor_core::Slot>::MAY_LIMIT_SILENCE,
            "`on_silence` says what becomes of an actor that exceeds a limit, and this one has none; write the limit \
             too, as `silence = \"30s\"`, or leave `on_silence` out",
        );
    })
}

fn settings(tree: &Tree) -> TokenStream {
    let strategy = tree.strategy.map(|strategy| {
        let strategy = match strategy {
            Strategy::OneForOne => quote!(OneForOne),
            Strategy::OneForAll => quote!(OneForAll),
            Strategy::RestForOne => quote!(RestForOne),
        };
        quote!(.strategy(::actor_core::Strategy::#strategy))
    });
    let auto_shutdown = tree.auto_shutdown.map(|when| {
        let when = match when {
            AutoShutdown::Never => quote!(Never),
            AutoShutdown::Any => quote!(AnySignificant),
            AutoShutdown::All => quote!(AllSignificant),
        };
        quote!(.auto_shutdown(::actor_core::AutoShutdown::#when))
    });
    let intensity = intensity(tree);
    quote!(#strategy #intensity #auto_shutdown)
}

fn intensity(tree: &Tree) -> Option<TokenStream> {
    let intensity = tree.intensity?;
    let (restarts, window) = (Literal::u32_suffixed(intensity.restarts), time(intensity.window));
    Some(quote!(.intensity(#restarts, #window)))
}

fn add(child: &Child, intensity: &Option<TokenStream>) -> TokenStream {
    let (field, id) = (&child.field, child.field.unraw().to_string());
    let restart = child.restart.map(|restart| {
        let restart = match restart {
            Restart::Permanent => quote!(Permanent),
            Restart::Transient => quote!(Transient),
            Restart::Temporary => quote!(Temporary),
        };
        quote!(.restart(::actor_core::Restart::#restart))
    });
    let backoff = child.backoff.map(|backoff| {
        let (first, most) = (time(backoff.first), time(backoff.most));
        quote!(.backoff(::actor_core::Backoff::new(#first, #most)))
    });
    let significant = child.significant.then(|| quote!(.significant()));
    let stop = child.stop.map(|limit| {
        let limit = within(limit);
        quote!(.stop_within(#limit))
    });
    let start = child.start.map(|limit| {
        let limit = within(limit);
        quote!(.start_within(#limit))
    });
    let stall = child.stall.map(|limit| {
        let limit = time(limit);
        quote!(.stall(#limit))
    });
    let silence = child.silence.map(|limit| {
        let limit = time(limit);
        quote!(.silence(#limit))
    });
    let on_silence = child.on_silence.map(super::on_silence);
    let name = child.name.as_ref().map(|name| quote!(.name(#name)));
    let max = child.max.map(|max| {
        let max = Literal::u32_unsuffixed(max);
        quote!(.max(#max))
    });
    let intensity = child.is_dynamic().then_some(intensity);
    // Where the field's type stands: what is wrong with that is told there.
    let spanned = syn::spanned::Spanned::span(&child.ty).resolved_at(Span::mixed_site());
    let spec = quote_spanned!(spanned=> ::actor_core::Slot::spec);
    quote_spanned! {Span::mixed_site()=>
        .child(#spec(&self.#field, #id, |settings| {
            settings #restart #backoff #significant #stop #start #stall #silence #on_silence #name #max #intensity
        }))
    }
}

fn within(limit: Stop) -> TokenStream {
    match limit {
        Stop::Within(limit) => time(limit),
        Stop::AtOnce => quote!(::core::time::Duration::ZERO),
        Stop::Never => quote!(::core::time::Duration::MAX),
    }
}

fn time(time: Duration) -> TokenStream {
    let nanos = Literal::u64_suffixed(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    quote!(::core::time::Duration::from_nanos(#nanos))
}
