//! The methods of the ref: one per message.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;

use super::message::Message;
use super::{Expansion, lints};

/// The impl block with all of them.
pub(crate) fn expand(expansion: &Expansion<'_>) -> TokenStream {
    let reference = expansion.target.reference();
    let (impl_generics, _, clause) = expansion.generics.split_for_impl();
    let methods = expansion.messages.iter().map(|message| method(expansion, message));
    let lints = lints::of_a_handler();
    quote_spanned! {Span::mixed_site()=>
        #lints
        impl #impl_generics #reference #clause { #(#methods)* }
    }
}

fn method(expansion: &Expansion<'_>, message: &Message<'_>) -> TokenStream {
    let (actor, handler, ty) = (&expansion.target.ty, message.handler, message.ty());
    let (cfg, vis, name) = (&handler.carried.cfg, &handler.vis, &handler.name);
    let docs = message.docs(&format!(
        "Makes the message `{}`: [`tell`](::actor_core::Call::tell) it, or await the reply.",
        name.unraw()
    ));
    let parameters = message.parameters();
    let literal = message.literal();
    quote_spanned! {Span::mixed_site()=>
        #(#cfg)*
        #docs
        #[allow(clippy::too_many_arguments)]
        #vis fn #name(&self, #parameters) -> ::actor_core::Call<'_, ::actor_core::ActorRef<#actor>, #ty> {
            ::actor_core::Call::new(::core::convert::AsRef::<::actor_core::ActorRef<#actor>>::as_ref(self), #literal)
        }
    }
}
