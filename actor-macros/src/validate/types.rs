//! What a type may not have in it if it is to travel.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{
    BoundLifetimes, Expr, GenericArgument, Lifetime, ParenthesizedGenericArguments, PathArguments, Type,
    TypeBareFn, TypeImplTrait, TypeParamBound, TypeReference, TypeTraitObject,
};

/// The first thing in a type that a message cannot carry.
pub(crate) enum Obstacle {
    /// A reference that is not `'static`.
    Borrow(TypeReference),
    /// A lifetime in another type.
    Lifetime(Lifetime),
    /// `impl Trait`.
    Impl(TypeImplTrait),
    /// A type that stays on its thread, and what to write instead.
    Local(Local),
}

/// See [`Obstacle::Local`].
pub(crate) struct Local {
    pub(crate) ty: Type,
    pub(crate) instead: String,
}

/// What keeps `ty` from travelling, as far as it can be read from the type.
pub(crate) fn obstacle(ty: &Type) -> Option<Obstacle> {
    let mut search = Search { bound: Vec::new(), found: None };
    search.visit_type_mut(&mut ty.clone());
    search.found.or_else(|| local(ty).map(Obstacle::Local))
}

/// Looks for the types that everyone knows are not `Send`, where nothing can make up for it. The
/// compiler finds the others, but finds them in every place that the message passes through.
fn local(ty: &Type) -> Option<Local> {
    let found = |instead| Some(Local { ty: ty.clone(), instead });
    match ty {
        Type::Ptr(_) => found("an index, an id or an owned value".to_owned()),
        Type::TraitObject(object) if is_local_object(object) => found(format!("`{} + Send`", typed(object))),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let arguments = match &last.arguments {
                PathArguments::AngleBracketed(all) => &all.args,
                _ => return None,
            };
            if last.ident == "Rc" && arguments.len() == 1 {
                return found(format!("`Arc<{}>`", typed(arguments)));
            }
            let passes = PASSING.iter().any(|name| last.ident == name);
            arguments.iter().filter(|_| passes).find_map(|argument| match argument {
                GenericArgument::Type(ty) => local(ty),
                _ => None,
            })
        }
        Type::Tuple(tuple) => tuple.elems.iter().find_map(local),
        Type::Array(array) => local(&array.elem),
        Type::Paren(paren) => local(&paren.elem),
        Type::Group(group) => local(&group.elem),
        _ => None,
    }
}

/// Types that are `Send` only if what is in them is.
const PASSING: [&str; 9] =
    ["Option", "Result", "Vec", "VecDeque", "Box", "Arc", "Mutex", "HashMap", "BTreeMap"];

/// `dyn Fn()` and `dyn Any`, which have no `Send` unless it is written.
fn is_local_object(object: &TypeTraitObject) -> bool {
    object.bounds.iter().all(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| {
            last.ident == "Any" || matches!(last.arguments, PathArguments::Parenthesized(_))
        }),
        _ => true,
    })
}

impl ToTokens for Obstacle {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Obstacle::Borrow(ty) => ty.to_tokens(tokens),
            Obstacle::Lifetime(lifetime) => lifetime.to_tokens(tokens),
            Obstacle::Impl(ty) => ty.to_tokens(tokens),
            Obstacle::Local(local) => local.ty.to_tokens(tokens),
        }
    }
}

/// The owned type to write in the place of a borrowed one.
pub(crate) fn owned(reference: &TypeReference) -> TokenStream {
    match &*reference.elem {
        Type::Slice(slice) => {
            let elem = &slice.elem;
            quote!(Vec<#elem>)
        }
        Type::TraitObject(object) => quote!(Box<#object + Send>),
        Type::Path(path) => match path.path.segments.last().map(|last| last.ident.to_string()).as_deref() {
            Some("str") => quote!(String),
            Some("Path") => quote!(PathBuf),
            Some("OsStr") => quote!(OsString),
            Some("CStr") => quote!(CString),
            _ => quote!(#path),
        },
        other => quote!(#other),
    }
}

/// `tokens` as a user would type them.
pub(crate) fn typed(tokens: impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let mut typed = spaced.clone();
    for (apart, together) in [
        (" < ", "<"),
        (" > ", "> "),
        (" >", ">"),
        (" ::", "::"),
        (":: ", "::"),
        (" ,", ","),
        ("& ", "&"),
        ("* ", "*"),
        (" ;", ";"),
        ("( ", "("),
        (" )", ")"),
        ("> ,", ">,"),
        ("> >", ">>"),
        ("[ ", "["),
        (" ]", "]"),
    ] {
        typed = typed.replace(apart, together);
    }
    typed.trim().to_owned()
}

struct Search {
    /// Lifetimes that a `for<..>` in the type itself brings.
    bound: Vec<Lifetime>,
    found: Option<Obstacle>,
}

impl Search {
    fn find(&mut self, obstacle: impl FnOnce() -> Obstacle) {
        self.found.get_or_insert_with(obstacle);
    }

    fn travels(&self, lifetime: &Lifetime) -> bool {
        lifetime.ident == "static" || self.bound.contains(lifetime)
    }
}

impl VisitMut for Search {
    fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
        if !ty.lifetime.as_ref().is_some_and(|lifetime| self.travels(lifetime)) {
            self.find(|| Obstacle::Borrow(ty.clone()));
        }
        visit_mut::visit_type_reference_mut(self, ty);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if !self.travels(lifetime) {
            self.find(|| Obstacle::Lifetime(lifetime.clone()));
        }
    }

    fn visit_bound_lifetimes_mut(&mut self, lifetimes: &mut BoundLifetimes) {
        self.bound.extend(lifetimes.lifetimes.iter().filter_map(|param| match param {
            syn::GenericParam::Lifetime(param) => Some(param.lifetime.clone()),
            _ => None,
        }));
    }

    fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
        self.find(|| Obstacle::Impl(ty.clone()));
    }

    /// The elided lifetimes of a function's arguments are its own.
    fn visit_type_bare_fn_mut(&mut self, _: &mut TypeBareFn) {}

    /// As those of `Fn(&str)` are.
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}

    fn visit_expr_mut(&mut self, _: &mut Expr) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in `ty`, without the blanks that tokens bring.
    fn found(ty: &str) -> String {
        let found = obstacle(&syn::parse_str(ty).unwrap());
        found.map(typed).unwrap_or_default().replace(' ', "")
    }

    #[test]
    fn owned_types_travel() {
        for ty in [
            "String",
            "&'static str",
            "Box<dyn Fn(&str) -> &str + Send>",
            "fn(&u8) -> &u8",
            "Box<dyn for<'a> Read<'a>>",
            "Cow<'static, [u8]>",
            "[u8; 4]",
        ] {
            assert_eq!(found(ty), "");
        }
    }

    #[test]
    fn borrowed_types_do_not() {
        assert_eq!(found("&str"), "&str");
        assert_eq!(found("Vec<&'a str>"), "&'astr");
        assert_eq!(found("Cow<'_, str>"), "'_");
        assert_eq!(found("Box<dyn Read + 'a>"), "'a");
        assert_eq!(found("Option<impl Into<u8>>"), "implInto<u8>");
    }

    #[test]
    fn types_that_stay_on_their_thread_are_known() {
        assert_eq!(found("Option<(u8, Rc<String>)>"), "Rc<String>");
        assert_eq!(found("Arc<Mutex<*const u8>>"), "*constu8");
        assert_eq!(found("Box<dyn Fn(u8) -> u8>"), "dynFn(u8)->u8");
        assert_eq!(found("Box<dyn Fn(u8) -> u8 + Send>"), "");
        assert_eq!(found("Fragile<Rc<String>>"), "");
        assert_eq!(found("Box<dyn Draw>"), "");
    }

    #[test]
    fn a_borrowed_type_has_an_owned_one() {
        let owned = |ty| typed(owned(&syn::parse_str(ty).unwrap()));
        assert_eq!(owned("&str"), "String");
        assert_eq!(owned("&mut [u8]"), "Vec<u8>");
        assert_eq!(owned("&std::path::Path"), "PathBuf");
        assert_eq!(owned("&Vec<HashMap<u8, u8>>"), "Vec<HashMap<u8, u8>>");
        assert_eq!(owned("&dyn Read"), "Box<dyn Read + Send>");
    }
}
