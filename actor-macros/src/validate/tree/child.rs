//! A field of a supervisor, and its `#[child(..)]`.

use syn::{Expr, Ident, Lit};

use super::{known, text};
use crate::errors::Errors;
use crate::model::{Backoff, Child, Restart, Stop};
use crate::parse::{self, Setting};
use crate::validate::settings::{literal, shown};
use crate::validate::{duration, rates, settings};

const KEYS: [&str; 13] = [
    "permanent",
    "transient",
    "temporary",
    "backoff",
    "significant",
    "shutdown",
    "start",
    "stall",
    "silence",
    "on_silence",
    "name",
    "dynamic",
    "max",
];

/// The child that a field is, as far as it says.
pub(super) fn check(name: &Ident, field: &syn::Field, shuts_down: bool, errors: &mut Errors) -> Child {
    let before = errors.count();
    let mut child = Child::of(name.clone(), field.ty.clone());
    let mut keys = Keys::default();
    for Setting { key, value } in parse::settings(&field.attrs, "child", "transient", errors) {
        let Some(name) = known(&key, "child", &KEYS, &mut keys.seen, errors) else { continue };
        if let Some((_, restart)) = Restart::NAMES.iter().find(|(word, _)| *word == name) {
            if let Some(first) = &keys.restart {
                errors.report(
                    &key,
                    format_args!("this child is `{first}` already"),
                    "remove one of the two: a child has one restart type",
                );
                continue;
            }
            child.restart = Some(*restart);
        }
        match flag_or_value(&key, &name, value, errors) {
            None => continue,
            Some(None) => child.significant |= name == "significant",
            Some(Some(value)) => read(&mut child, &name, &value, errors),
        }
        keys.note(&name, key);
    }
    contradictions(&child, &keys, shuts_down, errors);
    // What is wrong would only be found again in what is made of it.
    if errors.count() == before { child } else { Child::of(name.clone(), field.ty.clone()) }
}

/// Where the settings stand whose combination may be wrong.
#[derive(Default)]
struct Keys {
    seen: Vec<String>,
    restart: Option<Ident>,
    all: Vec<(String, Ident)>,
}

impl Keys {
    fn note(&mut self, name: &str, key: Ident) {
        if Restart::NAMES.iter().any(|(word, _)| *word == name) {
            self.restart = Some(key.clone());
        }
        self.all.push((name.to_owned(), key));
    }

    fn get(&self, name: &str) -> Option<&Ident> {
        self.all.iter().find(|(known, _)| known == name).map(|(_, key)| key)
    }
}

/// Whether the key stands alone, or has its value, as it has to.
#[allow(clippy::option_option)]
fn flag_or_value(key: &Ident, name: &str, value: Option<Expr>, errors: &mut Errors) -> Option<Option<Expr>> {
    let takes_value = matches!(
        name,
        "backoff" | "shutdown" | "start" | "stall" | "silence" | "on_silence" | "name" | "max"
    );
    match (takes_value, value) {
        (true, None) => {
            errors.report(key, format_args!("`{name}` needs one value"), example(name));
            None
        }
        (false, Some(value)) => {
            errors.report(
                value,
                format_args!("`{name}` takes no value"),
                format_args!("write `{name}` alone"),
            );
            None
        }
        (_, value) => Some(value),
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "backoff" => "write the first and the longest delay, as `backoff = \"50ms..5s\"`",
        "shutdown" => "write a time, as `shutdown = \"5s\"`, or `\"kill\"` or `\"infinity\"`",
        "start" => "write a time, as `start = \"30s\"`, or `\"infinity\"`",
        "stall" => "write how long a handler may take, as `stall = \"1s\"`",
        "silence" => settings::SILENCE,
        "on_silence" => settings::ON_SILENCE,
        "name" => "write a name in quotes, as `name = \"audit\"`",
        _ => "write a number, as `max = 100_000`",
    }
}

fn read(child: &mut Child, name: &str, value: &Expr, errors: &mut Errors) {
    let text = text(value);
    let text = text.as_deref();
    let before = errors.count();
    let is_read = match name {
        "backoff" => {
            child.backoff = text.and_then(rates::backoff);
            child.backoff.inspect(|read| backoff(*read, value, errors)).is_some()
        }
        "shutdown" => {
            child.stop = text.and_then(stop);
            child.stop.is_some()
        }
        "start" => {
            child.start = text.and_then(stop).filter(|limit| *limit != Stop::AtOnce);
            child.start.is_some()
        }
        "stall" => {
            child.stall = settings::stall(value, errors);
            child.stall.is_some()
        }
        "silence" => {
            child.silence = settings::silence(value, errors);
            child.silence.is_some()
        }
        "on_silence" => {
            child.on_silence = settings::on_silence(value, errors);
            child.on_silence.is_some()
        }
        "name" => {
            child.name = text.filter(|name| is_name(name)).map(str::to_owned);
            child.name.is_some()
        }
        _ => {
            child.max = number(value).filter(|max| *max > 0);
            child.max.is_some()
        }
    };
    if !is_read && errors.count() == before {
        errors.report(value, format_args!("`{name}` cannot be `{}`", shown(value)), example(name));
    }
}

fn stop(text: &str) -> Option<Stop> {
    match text.trim() {
        "kill" => Some(Stop::AtOnce),
        "infinity" => Some(Stop::Never),
        time => duration::parse(time).ok().filter(|time| !time.is_zero()).map(Stop::Within),
    }
}

fn number(value: &Expr) -> Option<u32> {
    match literal(value) {
        Some(Lit::Int(number)) if matches!(number.suffix(), "" | "usize") => number.base10_parse().ok(),
        _ => None,
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.chars().any(|c| c == '/' || c.is_control())
}

fn backoff(read: Backoff, value: &Expr, errors: &mut Errors) {
    if read.first.is_zero() {
        errors.report(
            value,
            "a backoff that begins with no delay never has one: it doubles",
            "write a first delay over zero, as `backoff = \"50ms..5s\"`",
        );
    } else if read.first > read.most {
        errors.report(
            value,
            "the first delay is longer than the longest",
            "write the shorter one first, as `backoff = \"50ms..5s\"`",
        );
    }
}

/// Settings that are right each and wrong together.
fn contradictions(child: &Child, keys: &Keys, shuts_down: bool, errors: &mut Errors) {
    let restart = child.restart.unwrap_or(Restart::Permanent);
    let is_other = child.type_name().is_some_and(|name| name == "Child" || name == "Subtree");
    if let Some(key) = keys.get("dynamic").filter(|_| is_other) {
        errors.report(
            key,
            "this field is one child, and `dynamic` is for any number",
            "make its type `Children<..>`, or leave `dynamic` out",
        );
    }
    if let Some(key) = keys.get("max").filter(|_| is_other) {
        errors.report(
            key,
            "this field is one child, and `max` limits a number of them",
            "make its type `Children<..>`, or leave `max` out",
        );
    }
    if let Some(key) = keys.get("stall").filter(|_| child.type_name().is_some_and(|name| name == "Subtree")) {
        errors.report(
            key,
            "a supervisor has no handlers that could stall",
            "write `stall` on the fields of the tree, or leave it out",
        );
    }
    for name in ["silence", "on_silence"] {
        if let Some(key) = keys.get(name).filter(|_| child.type_name().is_some_and(|name| name == "Subtree"))
        {
            errors.report(
                key,
                "a supervisor is not looked at for silence",
                format_args!("write `{name}` on the fields of the tree, or leave it out"),
            );
        }
    }
    if let Some(key) = keys.get("start").filter(|_| child.is_dynamic()) {
        errors.report(
            key,
            "children that are added later are not waited for at the start",
            "leave `start` out; who adds a child can wait for it, with `.start()`",
        );
    }
    if let Some(key) = keys.get("backoff").filter(|_| restart == Restart::Temporary) {
        errors.report(
            key,
            "a temporary child is never started again, so a backoff has nothing to delay",
            "leave `backoff` out, or make the child `transient`",
        );
    }
    significance(child, keys, shuts_down, errors);
}

fn significance(child: &Child, keys: &Keys, shuts_down: bool, errors: &mut Errors) {
    let Some(key) = keys.get("significant") else { return };
    if child.is_dynamic() {
        errors.report(
            key,
            "children that come and go are not significant",
            "leave `significant` out, or make the one that counts a field of its own",
        );
    } else if matches!(child.restart, None | Some(Restart::Permanent)) {
        errors.report(
            key,
            "a permanent child is always started again, so its end never shuts the supervisor down",
            "make it `transient` or `temporary`",
        );
    }
    if !shuts_down {
        errors.report(
            key,
            "a significant child has no effect on a supervisor that never shuts down by itself",
            "add `auto_shutdown = \"any_significant\"` to `#[supervisor(..)]`, or leave `significant` out",
        );
    }
}
