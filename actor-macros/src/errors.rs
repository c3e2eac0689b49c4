//! The mistakes of one expansion, collected so that the user sees all of them at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Errors in the order in which they were found.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Reports a mistake in the user's tokens `at`, with the way to put it right.
    pub(crate) fn report(&mut self, at: impl ToTokens, what: impl Display, help: impl Display) {
        self.push(syn::Error::new_spanned(at, text(what, help)));
    }

    /// As [`report`](Self::report), for places that have no tokens of their own.
    pub(crate) fn report_at(&mut self, at: Span, what: impl Display, help: impl Display) {
        self.push(syn::Error::new(at, text(what, help)));
    }

    /// Adds an error of the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The number of errors so far; two equal counts mean that nothing was wrong in between.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// One `compile_error!` per mistake; nothing if there was none.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(|error| error.to_compile_error()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn texts(self) -> Vec<String> {
        self.0.into_iter().flatten().map(|error| error.to_string()).collect()
    }
}

fn text(what: impl Display, help: impl Display) -> String {
    format!("{what}\n\nhelp: {help}")
}
