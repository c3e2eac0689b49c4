//! Type parameters of an actor, which have to be `'static`.

use syn::{Generics, Lifetime, Type, TypeParam, TypeParamBound, WherePredicate, parse_quote};

use super::types::typed;
use crate::errors::Errors;

/// Traits that say nothing of how long a type lives. Others may have `'static` among their own bounds.
const SILENT: [&str; 14] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Display",
    "Eq",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Send",
    "Sized",
    "Sync",
    "Unpin",
];

/// Reports the type parameters that may borrow, which the compiler would do once for each thing that is made of
/// them; and gives them the bounds that they lack, so that what is expanded is sound. True if there are any.
pub(crate) fn check(generics: &mut Generics, errors: &mut Errors) -> bool {
    let before = errors.count();
    let may_borrow: Vec<_> = generics.type_params().map(|param| may_borrow(param, generics)).collect();
    for (param, _) in generics.type_params_mut().zip(may_borrow).filter(|(_, may_borrow)| *may_borrow) {
        if !param.bounds.iter().any(|bound| is_trait(bound, "Send")) {
            param.bounds.push(parse_quote!(Send));
        }
        param.bounds.push(parse_quote!('static));
        errors.report(
            &param.ident,
            "a type parameter of an actor has to be `'static`, and as a rule `Send`: what is made of it travels \
             to other threads, and lives as long as it likes",
            format_args!("write `{}: {}`", param.ident, typed(&param.bounds)),
        );
    }
    errors.count() > before
}

/// Whether nothing says that the parameter is `'static`, and nothing is there that may imply it.
fn may_borrow(param: &TypeParam, generics: &Generics) -> bool {
    let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let mut said = predicates.filter_map(|predicate| match predicate {
        WherePredicate::Type(predicate) => Some(predicate),
        _ => None,
    });
    param.bounds.iter().all(is_silent)
        && said.all(|predicate| match &predicate.bounded_ty {
            Type::Path(path) if path.path.get_ident().is_some() => {
                !path.path.is_ident(&param.ident) || predicate.bounds.iter().all(is_silent)
            }
            // `Vec<T>: 'static` says it too.
            _ => !predicate.bounds.iter().any(|bound| matches!(bound, TypeParamBound::Lifetime(_))),
        })
}

fn is_silent(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(_) => SILENT.iter().any(|name| is_trait(bound, name)),
        TypeParamBound::Lifetime(Lifetime { ident, .. }) => ident != "static",
        _ => false,
    }
}

fn is_trait(bound: &TypeParamBound, name: &str) -> bool {
    let TypeParamBound::Trait(bound) = bound else { return false };
    bound.path.segments.last().is_some_and(|last| last.ident == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(mut generics: Generics) -> usize {
        let mut errors = Errors::default();
        let any = check(&mut generics, &mut errors);
        assert_eq!(any, errors.count() > 0);
        assert!(!check(&mut generics, &mut errors), "it has been put right");
        errors.count()
    }

    #[test]
    fn only_what_is_certain_is_reported() {
        assert_eq!(reported(parse_quote!(<T, U: Clone + Send, V: ?Sized + std::fmt::Debug>)), 3);
        assert_eq!(reported(parse_quote!(<T: 'static, U: Send + 'static, V: Storage, const N: usize>)), 0);
        let mut generics: Generics = parse_quote!(<T, U, V>);
        generics.where_clause = Some(parse_quote!(where T: Send + 'static, U: Send, V: Storage));
        assert_eq!(reported(generics), 1);
        let mut generics: Generics = parse_quote!(<T>);
        generics.where_clause = Some(parse_quote!(where Vec<T>: 'static));
        assert_eq!(reported(generics), 0);
    }
}
