//! Which of the block's generic parameters an item needs.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{GenericParam, Generics, Ident, Macro, Path, Type, TypeParam, WherePredicate};

/// A set of parameters of a block, with everything that has to come along with them.
#[derive(Clone)]
pub(crate) struct Used<'a> {
    all: &'a Generics,
    names: Vec<&'a Ident>,
}

impl<'a> Used<'a> {
    /// What `types` use of the parameters `all`.
    pub(crate) fn by<'t>(types: impl IntoIterator<Item = &'t Type>, all: &'a Generics) -> Self {
        let mut used = Used { all, names: Vec::new() };
        for ty in types {
            used.extend(mentioned(all, |finder| finder.visit_type_mut(&mut ty.clone())));
        }
        used
    }

    /// Also what `other` uses.
    pub(crate) fn and(mut self, other: &Used<'a>) -> Self {
        self.extend(other.names.iter().copied());
        self
    }

    /// Also what the bounds of the used ones use.
    pub(crate) fn closed(mut self) -> Self {
        let mut known = usize::MAX;
        while known != self.names.len() {
            known = self.names.len();
            let generics = self.generics();
            self.extend(mentioned(self.all, |finder| finder.visit_generics_mut(&mut generics.clone())));
        }
        self
    }

    /// Whether nothing is used.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The type parameters in here that are not in `other`. (An unused const parameter is fine.)
    pub(crate) fn types_beyond(&self, other: &Used<'_>) -> Vec<&'a Ident> {
        self.types().filter(|name| !other.names.contains(name)).collect()
    }

    /// The used parameters with their bounds, and the where predicates on them.
    pub(crate) fn generics(&self) -> Generics {
        let mut generics = without_defaults(self.all);
        generics.params = generics
            .params
            .into_iter()
            .filter(|param| self.names.iter().any(|name| name_of(param) == Some(name)))
            .collect();
        if generics.params.is_empty() {
            (generics.lt_token, generics.gt_token) = (None, None);
        }
        if let Some(clause) = &mut generics.where_clause {
            let all = std::mem::take(&mut clause.predicates);
            clause.predicates = all.into_iter().filter(|predicate| self.concerns(predicate)).collect();
        }
        generics
    }

    fn types(&self) -> impl Iterator<Item = &'a Ident> {
        let names = self.names.clone();
        self.all.type_params().map(|TypeParam { ident, .. }| ident).filter(move |ident| names.contains(ident))
    }

    /// A predicate comes along if what it says is about a used parameter.
    fn concerns(&self, predicate: &WherePredicate) -> bool {
        let WherePredicate::Type(predicate) = predicate else {
            return false;
        };
        let subject = mentioned(self.all, |finder| finder.visit_type_mut(&mut predicate.bounded_ty.clone()));
        subject.iter().any(|name| self.names.contains(name))
    }

    fn extend(&mut self, names: impl IntoIterator<Item = &'a Ident>) {
        for name in names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

/// The same generics for an impl, where defaults are not allowed.
pub(crate) fn without_defaults(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    for param in &mut generics.params {
        match param {
            GenericParam::Type(param) => (param.eq_token, param.default) = (None, None),
            GenericParam::Const(param) => (param.eq_token, param.default) = (None, None),
            GenericParam::Lifetime(_) => {}
        }
    }
    generics
}

fn name_of(param: &GenericParam) -> Option<&Ident> {
    match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    }
}

fn mentioned<'a>(all: &'a Generics, visit: impl FnOnce(&mut Finder<'a>)) -> Vec<&'a Ident> {
    let mut finder = Finder { all, found: Vec::new() };
    visit(&mut finder);
    finder.found
}

/// Visits copies and changes nothing; it is a `VisitMut` because one kind of visitor is enough to
/// compile.
struct Finder<'a> {
    all: &'a Generics,
    found: Vec<&'a Ident>,
}

impl Finder<'_> {
    fn see(&mut self, name: &Ident) {
        self.found.extend(self.all.params.iter().filter_map(name_of).filter(|param| *param == name));
    }

    fn see_tokens(&mut self, tokens: TokenStream) {
        for tree in tokens {
            match tree {
                TokenTree::Ident(name) => self.see(&name),
                TokenTree::Group(group) => self.see_tokens(group.stream()),
                _ => {}
            }
        }
    }
}

impl VisitMut for Finder<'_> {
    fn visit_path_mut(&mut self, path: &mut Path) {
        if path.leading_colon.is_none() {
            self.see(&path.segments[0].ident);
        }
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.see_tokens(mac.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse_quote;

    fn used(types: &[Type], generics: &Generics) -> String {
        let generics = Used::by(types, generics).closed().generics();
        let (params, _, clause) = generics.split_for_impl();
        format!("{} {}", params.to_token_stream(), clause.to_token_stream()).replace(' ', "")
    }

    #[test]
    fn only_what_is_used_is_carried() {
        let generics = parse_quote!(<T: Send, U: Copy, const N: usize>);
        assert_eq!(used(&[parse_quote!(Vec<T>)], &generics), "<T:Send>");
        assert_eq!(used(&[parse_quote!([u8; N])], &generics), "<constN:usize>");
        assert_eq!(used(&[parse_quote!(fn(U) -> T)], &generics), "<T:Send,U:Copy>");
        assert_eq!(used(&[parse_quote!(a::T), parse_quote!(String)], &generics), "");
    }

    #[test]
    fn bounds_bring_their_parameters() {
        let mut generics: Generics = parse_quote!(<T: Into<U>, U, V>);
        generics.where_clause = Some(parse_quote!(where U: From<u8>, V: Into<T>));
        assert_eq!(used(&[parse_quote!(T)], &generics), "<T:Into<U>,U>whereU:From<u8>");
        assert_eq!(used(&[parse_quote!(V)], &generics), "<T:Into<U>,U,V>whereU:From<u8>,V:Into<T>");
    }

    #[test]
    fn unfielded_parameters_are_found() {
        let generics: Generics = parse_quote!(<T, U, const N: usize>);
        let (t, u): (Type, Type) = (parse_quote!(T), parse_quote!((U, [u8; N])));
        let fields = Used::by([&t], &generics);
        let all = Used::by([&u], &generics).and(&fields);
        assert_eq!(all.types_beyond(&fields), ["U"]);
    }
}
