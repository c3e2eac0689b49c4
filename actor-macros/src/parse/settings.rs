//! `#[actor(key = value, ..)]`, and the attributes of other derives that are made like it.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, Ident, Meta, Token};

use crate::errors::Errors;

/// One `key = value`, or a word that stands alone.
pub(crate) struct Setting {
    pub(crate) key: Ident,
    /// `None` if nothing that can be read follows the key.
    pub(crate) value: Option<Expr>,
}

/// The settings of all attributes of this name, in their order. `example` is one that is right.
pub(crate) fn settings(attrs: &[Attribute], name: &str, example: &str, errors: &mut Errors) -> Vec<Setting> {
    let mut settings = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let Meta::List(list) = &attr.meta else {
            errors.report(
                &attr.meta,
                format_args!("`#[{name}]` takes settings"),
                format_args!("write `#[{name}({example})]`, or leave it out"),
            );
            continue;
        };
        match read_all.parse2(list.tokens.clone()) {
            Ok(read) => settings.extend(read),
            Err(error) => errors.push(error),
        }
    }
    settings
}

/// The settings that an attribute of ours is given itself.
pub(crate) fn arguments(tokens: TokenStream, errors: &mut Errors) -> Vec<Setting> {
    read_all.parse2(tokens).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    })
}

fn read_all(input: ParseStream<'_>) -> syn::Result<Vec<Setting>> {
    let mut settings = Vec::new();
    while !input.is_empty() {
        let key = input.call(Ident::parse_any)?;
        let value = read_value(input);
        settings.push(Setting { key, value });
        skip_to_comma(input)?;
    }
    Ok(settings)
}

fn read_value(input: ParseStream<'_>) -> Option<Expr> {
    input.parse::<Token![=]>().ok()?;
    let value = input.parse().ok()?;
    (input.is_empty() || input.peek(Token![,])).then_some(value)
}

/// Whatever is wrong with one setting, the next is still read.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.parse::<Option<Token![,]>>()?.is_some() {
            break;
        }
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn read(attr: Attribute) -> (Vec<(String, bool)>, Vec<String>) {
        let mut errors = Errors::default();
        let read = settings(&[attr], "actor", "mailbox = 256", &mut errors);
        let read = read.into_iter().map(|s| (s.key.to_string(), s.value.is_some())).collect();
        (read, errors.texts())
    }

    #[test]
    fn settings_are_read_in_order() {
        let (read, errors) = read(parse_quote!(#[actor(mailbox = 256, overflow = "wait",)]));
        assert_eq!(read, [("mailbox".into(), true), ("overflow".into(), true)]);
        assert!(errors.is_empty());
    }

    #[test]
    fn a_bad_setting_does_not_hide_the_next() {
        let (read, errors) = read(parse_quote!(#[actor(mailbox: 3, overflow, type = 1 2, mailbox = 4)]));
        let expected = [("mailbox", false), ("overflow", false), ("type", false), ("mailbox", true)];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value)));
        assert!(errors.is_empty());
    }

    #[test]
    fn an_attribute_without_a_list_is_reported() {
        let (read, errors) = read(parse_quote!(#[actor = "mailbox"]));
        assert!(read.is_empty());
        assert_eq!(errors.len(), 1);
    }
}
