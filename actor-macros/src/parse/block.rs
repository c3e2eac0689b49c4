//! The impl block under `#[messages]`.
//!
//! Bodies of methods are kept as tokens: no step looks into them but for those of preemptible handlers,
//! it is quicker, and a body that is being typed gets the compiler's own error and nothing besides.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Generics, ImplItem, LitStr, Signature, Token, Type, Visibility, token};

use super::markers::{self, Mark};

/// An impl block.
pub(crate) struct Block {
    pub(crate) attrs: Vec<Attribute>,
    /// All between the attributes and the braces, to be written out again as it was.
    header: TokenStream,
    pub(crate) generics: Generics,
    /// What stands before `for`, if it is the impl of a trait.
    pub(crate) trait_: Option<Type>,
    pub(crate) self_ty: Type,
    pub(crate) items: Vec<Item>,
    braces: Group,
}

/// What is in an impl block.
pub(crate) enum Item {
    Method(Box<Method>),
    /// Something else, which has no business having a mark.
    Other {
        marks: Vec<Mark>,
        tokens: TokenStream,
    },
}

/// A function of the block, marked or not.
pub(crate) struct Method {
    pub(crate) marks: Vec<Mark>,
    /// All other attributes.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    /// The `#[strategy(..)]` of each argument but the receiver.
    pub(crate) strategies: Vec<Vec<Attribute>>,
    body: TokenTree,
}

impl Method {
    /// What stands in the braces of the body; `None` if that is no Rust.
    pub(crate) fn body(&self) -> Option<(Vec<Attribute>, syn::Block)> {
        let braces = |input: ParseStream<'_>| {
            let content;
            let brace_token = syn::braced!(content in input);
            let attrs = content.call(Attribute::parse_inner)?;
            Ok((attrs, syn::Block { brace_token, stmts: content.call(syn::Block::parse_within)? }))
        };
        braces.parse2(self.body.to_token_stream()).ok()
    }

    pub(crate) fn set_body(&mut self, attrs: Vec<Attribute>, block: syn::Block) {
        let stmts = block.stmts;
        let mut braces = Group::new(Delimiter::Brace, quote!(#(#attrs)* #(#stmts)*));
        braces.set_span(block.brace_token.span.join());
        self.body = braces.into();
    }
}

/// Whether `item` is an impl block at all.
pub(crate) fn is_impl(item: &TokenStream) -> bool {
    let head = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Option<Token![default]>>()?;
        input.parse::<Option<Token![unsafe]>>()?;
        input.parse::<Token![impl]>()?;
        input.parse::<TokenStream>()
    };
    head.parse2(item.clone()).is_ok()
}

impl Block {
    /// Reads an item of which [`is_impl`] holds.
    pub(crate) fn parse(item: TokenStream) -> syn::Result<Block> {
        let mut trees: Vec<TokenTree> = item.into_iter().collect();
        let braces = match trees.pop() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => group,
            other => {
                return Err(syn::Error::new_spanned(other, "expected the braces of an impl block"));
            }
        };
        let items = items.parse2(braces.stream())?;
        let head = |input: ParseStream<'_>| Self::with_header(input, items, braces);
        head.parse2(trees.into_iter().collect())
    }

    fn with_header(input: ParseStream<'_>, items: Vec<Item>, braces: Group) -> syn::Result<Block> {
        let attrs = input.call(Attribute::parse_outer)?;
        let header = input.fork().parse()?;
        input.parse::<Option<Token![default]>>()?;
        input.parse::<Option<Token![unsafe]>>()?;
        input.parse::<Token![impl]>()?;
        let mut generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        input.parse::<Option<Token![const]>>()?;
        input.parse::<Option<Token![!]>>()?;
        let mut self_ty: Type = input.parse()?;
        let mut trait_ = None;
        if input.parse::<Option<Token![for]>>()?.is_some() {
            trait_ = Some(std::mem::replace(&mut self_ty, input.parse()?));
        }
        generics.where_clause = input.parse()?;
        Ok(Block { attrs, header, generics, trait_, self_ty: ungrouped(self_ty), items, braces })
    }

    /// Has the block written out with its generics as they are now.
    pub(crate) fn rewrite_header(&mut self) {
        let (generics, self_ty) = (&self.generics, &self.self_ty);
        let clause = &generics.where_clause;
        self.header = quote!(impl #generics #self_ty #clause);
    }
}

/// A type that comes from a `$ty` of another macro stands in invisible brackets.
fn ungrouped(mut ty: Type) -> Type {
    while let Type::Group(group) = ty {
        ty = *group.elem;
    }
    ty
}

fn items(input: ParseStream<'_>) -> syn::Result<Vec<Item>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        items.push(item(input)?);
    }
    Ok(items)
}

fn item(input: ParseStream<'_>) -> syn::Result<Item> {
    let mut attrs = input.call(Attribute::parse_outer)?;
    let marks = markers::take(&mut attrs);
    if !is_method(&input.fork()) {
        let item: ImplItem = input.parse()?;
        return Ok(Item::Other { marks, tokens: quote!(#(#attrs)* #item) });
    }
    let vis = input.parse()?;
    let defaultness = input.parse()?;
    let mut sig = input.parse()?;
    let strategies = markers::take_strategies(&mut sig);
    if !input.peek(token::Brace) {
        return Err(input.error("expected the body of a method"));
    }
    let body = input.parse()?;
    Ok(Item::Method(Box::new(Method { marks, attrs, vis, defaultness, sig, strategies, body })))
}

/// Looks past the visibility and the words that may stand before `fn`.
fn is_method(input: ParseStream<'_>) -> bool {
    let words = |input: ParseStream<'_>| -> syn::Result<bool> {
        input.parse::<Visibility>()?;
        while !input.peek(Token![fn]) {
            match input.call(syn::Ident::parse_any)?.to_string().as_str() {
                "default" | "const" | "async" | "unsafe" | "safe" => {}
                "extern" => drop(input.parse::<Option<LitStr>>()?),
                _ => return Ok(false),
            }
        }
        Ok(true)
    };
    words(input).unwrap_or(false)
}

/// The block as it was, without the markers.
impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let items = &self.items;
        let mut braces = Group::new(Delimiter::Brace, quote!(#(#items)*));
        braces.set_span(self.braces.span());
        tokens.append_all(&self.attrs);
        self.header.to_tokens(tokens);
        tokens.append(braces);
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Item::Method(method) => method.to_tokens(tokens),
            Item::Other { tokens: item, .. } => item.to_tokens(tokens),
        }
    }
}

impl ToTokens for Method {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.defaultness.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(block: &str) -> Block {
        Block::parse(block.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_block_is_written_out_without_its_markers_only() {
        let source = "#[cfg(x)] impl<T: Copy> a::B<{ 1 + 1 }, T> where T: Send { \
            const N: usize = 3; \
            #[message] #[inline] pub(crate) async unsafe extern \"C\" fn f(&self, mut x: u8) -> u8 { #![a] not really rust ; } \
            const fn g() {} }";
        let plain: TokenStream = source.replace("#[message]", "").parse().unwrap();
        assert_eq!(parse(source).to_token_stream().to_string(), plain.to_string());
    }

    #[test]
    fn the_header_is_understood() {
        let block = parse("unsafe impl<T> !Trait<T> for B<T> where T: Copy {}");
        assert!(block.trait_.is_some());
        assert_eq!(block.generics.params.len(), 1);
        assert!(block.generics.where_clause.is_some());
        assert!(parse("impl B {}").trait_.is_none());
    }

    #[test]
    fn impl_blocks_are_told_from_other_items() {
        let is_impl = |item: &str| is_impl(&item.parse().unwrap());
        assert!(is_impl("#[a] impl A {}"));
        assert!(is_impl("unsafe impl A for B {}"));
        assert!(!is_impl("pub struct A;"));
        assert!(!is_impl("fn f() -> impl A {}"));
    }
}
