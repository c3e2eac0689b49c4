//! What `#[derive(Supervisor)]` is put on, and `#[supervisor(..)]`. The fields are in [`child`].

mod child;

use syn::{Data, DeriveInput, Expr, Fields, Lit};

use super::settings::{bare_word, literal, shown};
use super::{duration, rates};
use crate::errors::Errors;
use crate::model::{AutoShutdown, Intensity, Strategy, Tree};
use crate::names;
use crate::parse::{self, Setting};

const KEYS: [&str; 3] = ["strategy", "intensity", "auto_shutdown"];

/// The tree that a struct describes; `None` if it cannot describe one.
pub(crate) fn check(input: &DeriveInput, errors: &mut Errors) -> Option<Tree> {
    let written = parse::settings(&input.attrs, "supervisor", "strategy = \"one_for_all\"", errors);
    for lifetime in input.generics.lifetimes() {
        errors.report(
            lifetime,
            "a supervisor cannot borrow: it lives as long as its children do",
            format_args!("remove `{}` and own the data, or share it in an `Arc`", lifetime.lifetime),
        );
    }
    let mut tree = Tree {
        name: input.ident.clone(),
        generics: input.generics.clone(),
        strategy: None,
        intensity: None,
        auto_shutdown: None,
        children: Vec::new(),
    };
    settings(&mut tree, written, errors);
    let shuts_down = !matches!(tree.auto_shutdown, None | Some(AutoShutdown::Never));
    for field in fields(input, errors)? {
        if let Some(name) = &field.ident {
            tree.children.push(child::check(name, field, shuts_down, errors));
        }
    }
    input.generics.lifetimes().next().is_none().then_some(tree)
}

fn fields<'a>(
    input: &'a DeriveInput,
    errors: &mut Errors,
) -> Option<impl Iterator<Item = &'a syn::Field> + use<'a>> {
    let refused = "a supervisor is a struct with a named field for each child";
    let help =
        "write `struct Name { child: Child<Actor>, .. }`; the order of the fields is that of the start";
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(fields.named.iter()),
            Fields::Unnamed(fields) => errors.report(fields, refused, help),
            Fields::Unit => errors.report(&input.ident, refused, help),
        },
        Data::Enum(data) => errors.report(data.enum_token, refused, help),
        Data::Union(data) => errors.report(data.union_token, refused, help),
    }
    None
}

fn settings(tree: &mut Tree, written: Vec<Setting>, errors: &mut Errors) {
    let mut seen = Vec::new();
    for Setting { key, value } in written {
        let Some(name) = known(&key, "supervisor", &KEYS, &mut seen, errors) else { continue };
        let Some(value) = value else {
            errors.report(&key, format_args!("`{name}` needs one value"), example(&name));
            continue;
        };
        match name.as_str() {
            "strategy" => tree.strategy = one_of(&value, "strategy", &Strategy::NAMES, errors),
            "intensity" => tree.intensity = intensity(&value, errors),
            _ => tree.auto_shutdown = one_of(&value, "auto_shutdown", &AutoShutdown::NAMES, errors),
        }
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "strategy" => "write one of the strategies, as `strategy = \"one_for_all\"`",
        "intensity" => "write how many restarts there may be in which time, as `intensity = \"5 in 10s\"`",
        _ => "write when, as `auto_shutdown = \"any_significant\"`",
    }
}

fn intensity(value: &Expr, errors: &mut Errors) -> Option<Intensity> {
    let Some(read) = text(value).as_deref().and_then(rates::intensity) else {
        errors.report(
            value,
            format_args!("`{}` is no intensity", shown(value)),
            format_args!("{}; the units are {}", example("intensity"), duration::units()),
        );
        return None;
    };
    if read.restarts > 0 && read.window.is_zero() {
        errors.report(
            value,
            "within no time there is no limit on restarts",
            "write a time over zero, as `intensity = \"5 in 10s\"`, or no restarts at all, as `\"0 in 1s\"`",
        );
        return None;
    }
    Some(read)
}

/// A key that there is, for the first time.
fn known(
    key: &syn::Ident,
    of: &str,
    keys: &[&str],
    seen: &mut Vec<String>,
    errors: &mut Errors,
) -> Option<String> {
    let name = key.to_string();
    if !keys.contains(&name.as_str()) {
        let all = format!("the settings are {}", names::listed(keys, ""));
        let help = match names::nearest(&name, keys) {
            Some(near) => format!("did you mean `{near}`? In all, {all}"),
            None => all,
        };
        errors.report(key, format_args!("a {of} has no setting `{name}`"), help);
        return None;
    }
    if seen.contains(&name) {
        errors.report(key, format_args!("`{name}` is set already"), "remove one of the two");
        return None;
    }
    seen.push(name.clone());
    Some(name)
}

/// One of some words in quotes.
fn one_of<T: Copy>(value: &Expr, key: &str, all: &[(&str, T)], errors: &mut Errors) -> Option<T> {
    let words: Vec<_> = all.iter().map(|(word, _)| *word).collect();
    let written = text(value).or_else(|| bare_word(value)).unwrap_or_default();
    let found = all.iter().find(|(word, _)| *word == written).map(|(_, found)| *found);
    match (text(value), found) {
        (Some(_), Some(found)) => return Some(found),
        (None, Some(_)) => errors.report(
            value,
            format_args!("the value of `{key}` stands in quotes"),
            format_args!("write `{key} = \"{written}\"`"),
        ),
        (_, None) => {
            let all = format!("the values are {}", names::listed(&words, "\""));
            let help = match names::nearest(&written, &words) {
                Some(near) => format!("did you mean \"{near}\"? In all, {all}"),
                None => all,
            };
            errors.report(value, format_args!("`{key}` cannot be `{}`", shown(value)), help);
        }
    }
    None
}

/// What stands in quotes.
fn text(value: &Expr) -> Option<String> {
    match literal(value) {
        Some(Lit::Str(text)) => Some(text.value()),
        _ => None,
    }
}
