//! A function and the settings of its `#[actor_test]`.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Expr, FnArg, Lit, LitInt, LitStr, Pat, Type};

use super::settings::{literal, shown};
use super::{arbitrary, duration};
use crate::errors::Errors;
use crate::model::{Given, Test};
use crate::names;
use crate::parse::{Function, Setting};

const KEYS: [&str; 9] =
    ["workers", "build", "settle", "dead_letters", "failures", "leaks", "unanswered", "sim", "cases"];

/// In how many simulations a test runs, unless said.
const CASES: u64 = 256;

/// Settings that are lists of names, with an example each.
const LISTS: [(&str, &str, &str); 4] = [
    ("dead_letters", "of messages that may become dead letters", "[\"deposit\"]"),
    ("failures", "of types of actors that may fail", "[\"Account\"]"),
    ("leaks", "of types of actors that may be leaked", "[\"Session\"]"),
    ("unanswered", "of messages that need not be answered", "[\"settle\"]"),
];

/// The test, if it is one.
pub(crate) fn check(function: &Function, settings: Vec<Setting>, errors: &mut Errors) -> Option<Test> {
    let before = errors.count();
    let mut test = self::settings(settings, errors);
    for attr in function.attrs.iter().filter(|attr| is_test(attr)) {
        errors.report(attr, "`#[actor_test]` makes the function a test already", "remove this attribute");
    }
    qualifiers(function, errors);
    system(function, errors);
    test.given = given(function, test.simulated.is_some(), errors);
    (errors.count() == before).then_some(test)
}

/// `#[test]`, `#[tokio::test]` and the like.
fn is_test(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|last| last.ident == "test" || last.ident == "actor_test")
}

fn qualifiers(function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    let what = |word: &str| format!("a test cannot be `{word}`: the harness calls it as a plain function");
    let help = |word: &str| format!("remove `{word}`, or call a function that is `{word}` from the test");
    if let Some(word) = &sig.constness {
        errors.report(word, what("const"), help("const"));
    }
    if let Some(word) = &sig.unsafety {
        errors.report(word, what("unsafe"), help("unsafe"));
    }
    if let Some(word) = &sig.abi {
        errors.report(word, what("extern"), help("extern"));
    }
    if !sig.generics.params.is_empty() {
        errors.report(
            &sig.generics.params,
            "a test has no parameters of its own: the harness would not know what to put in their place",
            "move the body to a generic function, and write a test for each type",
        );
    }
}

/// The first argument.
fn system(function: &Function, errors: &mut Errors) {
    match function.sig.inputs.first() {
        None => errors.report(
            &function.sig.ident,
            "a test of actors takes its system, but this one takes nothing",
            "write `system: &System` as its argument; or `#[test]`, if it needs none",
        ),
        Some(FnArg::Receiver(receiver)) => {
            errors.report(receiver, "a test is no method", "write `system: &System` in the place of `self`");
        }
        Some(FnArg::Typed(argument)) if !is_shared(&argument.ty) => errors.report(
            &argument.ty,
            "the system is lent to the test, and looked at when that has returned",
            "write `&System`",
        ),
        Some(FnArg::Typed(_)) => {}
    }
}

/// The most values that a strategy of proptest can have side by side.
const MOST_GIVEN: usize = 12;

/// All arguments but the first.
fn given(function: &Function, is_simulated: bool, errors: &mut Errors) -> Vec<Given> {
    let typed = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    let mut all = typed.zip(&function.strategies);
    if let Some((_, attrs)) = all.next() {
        attrs.iter().for_each(|attr| errors.report(attr, "nothing makes up the system", "remove this"));
    }
    let mut given = Vec::new();
    for (argument, attrs) in all {
        if !is_simulated {
            errors.report(
                argument,
                "a test of actors takes its system and nothing else",
                "write `sim` to have it made up, in simulations; or make in the test what it needs",
            );
            continue;
        }
        if given.len() == MOST_GIVEN {
            let most = format_args!("no more than {MOST_GIVEN} arguments can be made up");
            errors.report(argument, most, "put some of them into a tuple");
        }
        let name = match &*argument.pat {
            Pat::Ident(name) => name.ident.unraw().to_string(),
            other => other.to_token_stream().to_string(),
        };
        let strategy = arbitrary::strategy(attrs, errors);
        given.push(Given { name, ty: (*argument.ty).clone(), strategy });
    }
    given
}

fn is_shared(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => reference.mutability.is_none(),
        Type::Group(group) => is_shared(&group.elem),
        _ => false,
    }
}

fn settings(written: Vec<Setting>, errors: &mut Errors) -> Test {
    let mut test = Test::default();
    let mut seen: Vec<(&str, syn::Ident)> = Vec::new();
    for Setting { key, value } in written {
        let name = key.unraw().to_string();
        let Some(known) = KEYS.into_iter().find(|known| *known == name) else {
            let help = match names::nearest(&name, &KEYS) {
                Some(near) => format!("did you mean `{near}`? The settings are {}", names::listed(&KEYS, "")),
                None => format!("the settings are {}", names::listed(&KEYS, "")),
            };
            errors.report(&key, format_args!("a test of actors has no setting `{name}`"), help);
            continue;
        };
        if seen.iter().any(|(seen, _)| *seen == known) {
            errors.report(&key, format_args!("`{name}` is set already"), "remove one of the two");
            continue;
        }
        seen.push((known, key.clone()));
        match value {
            None if known == "sim" => {
                test.simulated.get_or_insert(CASES);
            }
            Some(value) if known == "sim" => {
                errors.report(value, "`sim` takes no value", "write `sim` alone")
            }
            None => errors.report(&key, format_args!("`{name}` needs a value"), example(known)),
            Some(value) => set(&mut test, known, value, errors),
        }
    }
    go_together(&seen, errors);
    test
}

/// What is for simulations is not for systems, and the other way round.
fn go_together(seen: &[(&str, syn::Ident)], errors: &mut Errors) {
    let is_simulated = seen.iter().any(|(name, _)| *name == "sim");
    for (name, key) in seen {
        match *name {
            "cases" if !is_simulated => errors.report(
                key,
                "only in simulations a test runs more than once",
                "write `sim` as well, or remove `cases`",
            ),
            "workers" | "settle" if is_simulated => errors.report(
                key,
                format_args!(
                    "`{name}` means nothing in a simulation, which has one thread, and a time of its own"
                ),
                format_args!("remove `{name}`, or `sim`"),
            ),
            _ => {}
        }
    }
}

fn set(test: &mut Test, name: &'static str, value: Expr, errors: &mut Errors) {
    match name {
        "workers" => test.workers = workers(&value, errors),
        "build" => test.build = Some(value),
        "cases" => test.simulated = cases(&value, errors).or(test.simulated),
        "settle" => test.settle = duration::read(name, &value, errors),
        list => test.allowed.push((list, self::list(list, &value, errors))),
    }
}

fn example(name: &str) -> String {
    match name {
        "workers" => "write how many workers the system has, as `workers = 2`".to_owned(),
        "build" => "write what is to be set, as `build = |builder| builder.max_pinned(1)`".to_owned(),
        "cases" => "write in how many simulations it runs, as `cases = 1000`".to_owned(),
        "settle" => {
            "write how long asks may take when the test has returned, as `settle = \"2s\"`".to_owned()
        }
        list => LISTS
            .into_iter()
            .filter(|(name, ..)| *name == list)
            .map(|(name, of, example)| format!("write a list of names {of}, as `{name} = {example}`"))
            .collect(),
    }
}

fn workers(value: &Expr, errors: &mut Errors) -> Option<LitInt> {
    if let Some(Lit::Int(number)) = literal(value)
        && number.base10_parse::<usize>().is_ok_and(|number| number > 0)
    {
        return Some(number.clone());
    }
    errors.report(value, format_args!("`workers` cannot be `{}`", shown(value)), example("workers"));
    None
}

fn cases(value: &Expr, errors: &mut Errors) -> Option<u64> {
    let number = match literal(value) {
        Some(Lit::Int(number)) => number.base10_parse().ok().filter(|number| *number > 0),
        _ => None,
    };
    if number.is_none() {
        errors.report(value, format_args!("`cases` cannot be `{}`", shown(value)), example("cases"));
    }
    number
}

fn list(name: &str, value: &Expr, errors: &mut Errors) -> Vec<LitStr> {
    let Expr::Array(array) = value else {
        errors.report(value, format_args!("`{name}` is a list of names"), example(name));
        return Vec::new();
    };
    let mut names = Vec::new();
    for element in &array.elems {
        match literal(element) {
            Some(Lit::Str(text)) => names.push(text.clone()),
            _ => errors.report(
                element,
                format_args!("a name in `{name}` stands in quotes"),
                format_args!("write `\"{}\"`", shown(element)),
            ),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use quote::quote;

    fn texts(settings: proc_macro2::TokenStream, function: proc_macro2::TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        let function: Function = syn::parse2(function).unwrap();
        let settings = parse::arguments(settings, &mut errors);
        let test = check(&function, settings, &mut errors);
        let texts = errors.texts();
        assert_eq!(test.is_none(), !texts.is_empty());
        texts
    }

    #[test]
    fn a_test_with_all_settings_is_sound() {
        let settings = quote!(
            workers = 1,
            build = |b| b,
            settle = "1s",
            dead_letters = ["a", "b"],
            failures = [],
            leaks = ["C"],
            unanswered = ["d"]
        );
        assert!(
            texts(
                settings,
                quote!(
                    async fn f(system: &System) -> Result<(), E> {}
                )
            )
            .is_empty()
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let settings = quote!(wrkers = 1, settle, settle = "1s", workers = 0, leaks = [a], failures = "B");
        let found = texts(
            settings,
            quote!(
                #[test]
                const unsafe extern "C" fn f<T>(system: System, n: u8) {}
            ),
        );
        let simulated = |settings| {
            texts(
                settings,
                quote!(
                    fn f(sim: &Sim) {}
                ),
            )
        };
        assert!(simulated(quote!(sim, cases = 1_000, build = |b| b)).is_empty());
        assert!(simulated(quote!(cases = 2, sim)).is_empty());
        let given = texts(
            quote!(sim),
            quote!(
                fn f(
                    #[strategy(1)] sim: &Sim,
                    a: u8,
                    #[strategy] b: u8,
                    #[strategy(0..1)]
                    #[strategy(0..2)]
                    (c, d): (u8, u8),
                ) {
                }
            ),
        );
        assert_eq!(given.len(), 3, "{given:?}");
        assert_eq!(simulated(quote!(sim = 3, workers = 1, settle = "1s", cases = 0)).len(), 4);
        assert_eq!(simulated(quote!(cases = 1)).len(), 1);
        for part in [
            "did you mean `workers`",
            "`settle` needs a value",
            "`settle` is set already",
            "`workers` cannot be `0`",
            "write `\"a\"`",
            "`failures` is a list",
            "a test already",
            "`const`",
            "`unsafe`",
            "`extern`",
            "no parameters",
            "write `&System`",
            "nothing else",
        ] {
            assert!(found.iter().any(|text| text.contains(part)), "no `{part}` in {found:?}");
        }
        assert_eq!(found.len(), 13);
        assert_eq!(
            texts(
                quote!(),
                quote!(
                    fn f() {}
                )
            )
            .len(),
            1
        );
        assert_eq!(
            texts(
                quote!(),
                quote!(
                    fn f(&self) {}
                )
            )
            .len(),
            1
        );
    }
}
