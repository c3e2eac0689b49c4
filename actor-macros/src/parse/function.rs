//! The function under `#[actor_test]`. Its body is kept as tokens, as that of a handler is.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Visibility, token};

use super::markers;

/// A function with a body.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The `#[strategy(..)]` of each argument but a receiver.
    pub(crate) strategies: Vec<Vec<Attribute>>,
    pub(crate) body: TokenTree,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let (vis, mut sig) = (input.parse()?, input.parse()?);
        let strategies = markers::take_strategies(&mut sig);
        if !input.peek(token::Brace) {
            return Err(input.error("expected the body of a function"));
        }
        Ok(Function { attrs, vis, sig, strategies, body: input.parse()? })
    }
}

/// The function as it was, but for the strategies.
impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}
