//! Which of a handler's attributes go to what is generated for it.

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token, parse_quote};

/// The attributes that leave the handler.
#[derive(Clone, Default)]
pub(crate) struct Carried {
    /// For everything that is generated.
    pub(crate) cfg: Vec<Attribute>,
    /// Docs and deprecation: for the message struct and the method of the ref.
    pub(crate) docs: Vec<Attribute>,
}

impl Carried {
    /// Sorts `attrs`; those that concern the handler alone are in neither list.
    pub(crate) fn of(attrs: &[Attribute]) -> Carried {
        Carried { cfg: picked(attrs, &["cfg"]), docs: picked(attrs, &["doc", "deprecated"]) }
    }

    pub(crate) fn is_documented(&self) -> bool {
        self.docs.iter().any(|attr| attr.path().is_ident("doc"))
    }
}

/// Those of `attrs` that are called one of `names`, under whatever `cfg_attr`.
fn picked(attrs: &[Attribute], names: &[&str]) -> Vec<Attribute> {
    attrs.iter().filter_map(|attr| pick(&attr.meta, names).map(|meta| parse_quote!(#[#meta]))).collect()
}

fn pick(meta: &Meta, names: &[&str]) -> Option<Meta> {
    if !meta.path().is_ident("cfg_attr") {
        return names.iter().any(|name| meta.path().is_ident(name)).then(|| meta.clone());
    }
    let list = meta.require_list().ok()?;
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let mut parts = parts.iter();
    let condition = parts.next()?;
    let kept: Vec<_> = parts.filter_map(|part| pick(part, names)).map(Meta::into_token_stream).collect();
    (!kept.is_empty()).then(|| parse_quote!(cfg_attr(#condition, #(#kept),*)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(attrs: &[Attribute]) -> Vec<String> {
        attrs.iter().map(|attr| attr.to_token_stream().to_string().replace(' ', "")).collect()
    }

    #[test]
    fn attributes_are_sorted() {
        let carried = Carried::of(&[
            parse_quote!(#[cfg(unix)]),
            parse_quote!(#[doc = "x"]),
            parse_quote!(#[allow(unused)]),
            parse_quote!(#[deprecated]),
        ]);
        assert_eq!(shown(&carried.cfg), ["#[cfg(unix)]"]);
        assert_eq!(shown(&carried.docs), ["#[doc=\"x\"]", "#[deprecated]"]);
    }

    #[test]
    fn conditional_attributes_are_split() {
        let carried = Carried::of(&[parse_quote!(#[cfg_attr(a, inline, doc(hidden), cfg(b))])]);
        assert_eq!(shown(&carried.cfg), ["#[cfg_attr(a,cfg(b))]"]);
        assert_eq!(shown(&carried.docs), ["#[cfg_attr(a,doc(hidden))]"]);
    }
}
