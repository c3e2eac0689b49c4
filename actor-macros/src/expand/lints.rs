//! Lints that do not apply to generated items. Each attribute names the least that it needs, because
//! a crate that forbids a lint accepts no `allow` of it.

use proc_macro2::TokenStream;
use quote::quote;

/// For types that are as visible as a handler, and for the methods that make them.
///
/// - nobody has to use every message from everywhere (`dead_code`, `unreachable_pub`);
/// - what is wrong with the visibility of an argument's type is said at the handler;
/// - the docs of a handler may link to names that mean something only there.
pub(crate) fn of_a_handler() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            unreachable_pub,
            private_interfaces,
            private_bounds,
            deprecated,
            missing_debug_implementations,
            missing_copy_implementations,
            rustdoc::broken_intra_doc_links,
            rustdoc::private_intra_doc_links
        )]
    }
}

/// For what is written for all handlers together, the unused and the deprecated ones too.
pub(crate) fn of_all_handlers() -> TokenStream {
    quote! {
        #[allow(deprecated, unused_variables, unreachable_patterns, unreachable_code)]
    }
}
