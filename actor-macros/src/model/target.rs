//! The type whose handlers a block holds.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{ExprPath, GenericArgument, Ident, Item, Path, PathArguments, QSelf, Type, TypePath};

use crate::names;

/// The actor type as the block's header names it.
pub(crate) struct Target {
    pub(crate) ty: TypePath,
    pub(crate) name: Ident,
}

impl Target {
    /// `None` if the type has no name of its own (`[T]`, `<A as B>::C`, ..).
    pub(crate) fn of(ty: &Type) -> Option<Target> {
        match ty {
            Type::Path(ty) if ty.qself.is_none() => {
                let name = ty.path.segments.last()?.ident.clone();
                Some(Target { ty: ty.clone(), name })
            }
            _ => None,
        }
    }

    /// The ref of this type, which the derive has put beside it. Its name is spanned on the type's.
    pub(crate) fn reference(&self) -> Path {
        let mut path = self.ty.path.clone();
        if let Some(last) = path.segments.last_mut() {
            last.ident = names::type_name(&self.name, "Ref", self.name.span());
        }
        path
    }

    /// A name for something that the block makes.
    pub(crate) fn sibling(&self, rest: &str, span: Span) -> Ident {
        names::type_name(&self.name, rest, span)
    }

    /// Whether the header hands lifetimes to the type.
    pub(crate) fn has_lifetimes(&self) -> bool {
        self.ty.path.segments.iter().any(|segment| match &segment.arguments {
            PathArguments::AngleBracketed(all) => {
                all.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
            }
            _ => false,
        })
    }

    /// `ty` as it reads outside of the block: with the actor in the place of `Self`.
    pub(crate) fn resolve(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        Resolver { actor: self.ty.clone() }.visit_type_mut(&mut ty);
        ty
    }
}

/// Puts `actor` in the place of each `Self` of `generics`.
pub(crate) fn resolve_self(generics: &mut syn::Generics, actor: TypePath) {
    Resolver { actor }.visit_generics_mut(generics);
}

struct Resolver {
    actor: TypePath,
}

impl Resolver {
    /// `Self::X` as `<Account>::X`.
    fn qualify(&self, qself: &mut Option<QSelf>, path: &mut Path) {
        if qself.is_some()
            || path.leading_colon.is_some()
            || path.segments[0].ident != "Self"
            || path.segments.len() < 2
        {
            return;
        }
        let rest = path.segments.iter().skip(1).cloned();
        let span = path.segments[0].ident.span();
        let qualified = Path { leading_colon: Some(syn::Token![::](span)), segments: rest.collect() };
        *qself = Some(QSelf {
            lt_token: syn::Token![<](span),
            ty: Box::new(Type::Path(self.actor.clone())),
            position: 0,
            as_token: None,
            gt_token: syn::Token![>](span),
        });
        *path = qualified;
    }
}

impl VisitMut for Resolver {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty {
            if path.qself.is_none() && path.path.is_ident("Self") {
                *ty = Type::Path(self.actor.clone());
                return;
            }
            self.qualify(&mut path.qself, &mut path.path);
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_expr_path_mut(&mut self, expr: &mut ExprPath) {
        self.qualify(&mut expr.qself, &mut expr.path);
        visit_mut::visit_expr_path_mut(self, expr);
    }

    /// An item in a block expression has a `Self` of its own.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse_quote;

    fn resolved(ty: Type) -> String {
        let target = Target::of(&parse_quote!(a::B<T>)).unwrap();
        target.resolve(&ty).to_token_stream().to_string().replace(' ', "")
    }

    #[test]
    fn self_becomes_the_type() {
        assert_eq!(resolved(parse_quote!(Vec<Self>)), "Vec<a::B<T>>");
        assert_eq!(resolved(parse_quote!(<Self as C>::D)), "<a::B<T>asC>::D");
        assert_eq!(resolved(parse_quote!(Self::D)), "<a::B<T>>::D");
        assert_eq!(resolved(parse_quote!([u8; Self::N])), "[u8;<a::B<T>>::N]");
        assert_eq!(resolved(parse_quote!(String)), "String");
    }

    #[test]
    fn names_are_made_of_the_last_segment() {
        let target = Target::of(&parse_quote!(a::r#b<T>)).unwrap();
        assert_eq!(target.reference().to_token_stream().to_string().replace(' ', ""), "a::bRef<T>");
        assert_eq!(target.sibling("X", Span::call_site()), "bX");
    }

    #[test]
    fn types_without_a_name_have_no_target() {
        assert!(Target::of(&parse_quote!([u8])).is_none());
        assert!(Target::of(&parse_quote!(<A as B>::C)).is_none());
    }
}
