//! What stands in the brackets of a marker.

use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, Meta, Path, Token, ext::IdentExt, parenthesized, token};

use crate::errors::Errors;
use crate::parse::{Mark, Marker};

/// The derives that a `#[message(derive(..))]` asks for.
pub(crate) fn check(mark: &Mark, errors: &mut Errors) -> Vec<Path> {
    let list = match &mark.attr.meta {
        Meta::Path(_) => return Vec::new(),
        Meta::List(list) => list,
        Meta::NameValue(_) => {
            let marker = mark.marker;
            errors.report(
                &mark.attr.meta,
                format_args!("{marker} has no value"),
                format_args!("write {marker}"),
            );
            return Vec::new();
        }
    };
    if mark.marker != Marker::Message {
        let marker = mark.marker;
        if !list.tokens.is_empty() {
            errors.report(
                &list.tokens,
                format_args!("{marker} has no options"),
                format_args!("write {marker}"),
            );
        }
        return Vec::new();
    }
    let read = |input: ParseStream<'_>| read_all(input, errors);
    match read.parse2(list.tokens.clone()) {
        Ok(derives) => derives,
        Err(error) => {
            errors.push(error);
            Vec::new()
        }
    }
}

fn read_all(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<Path>> {
    let mut derives = Vec::new();
    while !input.is_empty() {
        let option = input.call(Ident::parse_any)?;
        if option == "derive" && input.peek(token::Paren) {
            let traits;
            parenthesized!(traits in input);
            derives.extend(Punctuated::<Path, Token![,]>::parse_terminated(&traits)?);
        } else if option == "derive" {
            errors.report(
                &option,
                "`derive` needs the traits to derive",
                "write `#[message(derive(Clone, Debug))]`",
            );
        } else {
            errors.report(
                &option,
                format_args!("`#[message]` has no option `{option}`"),
                "the only option is `derive(..)`, as in `#[message(derive(Clone, Debug))]`",
            );
        }
        while !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
            input.parse::<proc_macro2::TokenTree>()?;
        }
    }
    Ok(derives)
}
