//! The keys and values of `#[actor(..)]`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitInt, LitStr, UnOp};

use crate::errors::Errors;
use crate::model::{Mailbox, Overflow, Remedy, Settings};
use crate::names;
use crate::parse::Setting;
use crate::validate::duration;

const KEYS: [&str; 8] = [
    "mailbox",
    "overflow",
    "soft_quantum",
    "hard_quantum",
    "stall",
    "silence",
    "on_silence",
    "clear_on_restart",
];

/// What the system looks at turns after: no quantum and no limit can be less.
const SHORTEST: Duration = Duration::from_millis(1);
/// What timers can tell four times within.
const SHORTEST_SILENCE: Duration = Duration::from_millis(4);

/// What the settings say, as far as they say anything.
pub(crate) fn check(written: Vec<Setting>, errors: &mut Errors) -> Settings {
    let mut settings = Settings::default();
    let mut seen = Vec::new();
    let (mut hard, mut remedy) = (None, None);
    for Setting { key, value } in written {
        let name = key.unraw().to_string();
        if !KEYS.contains(&name.as_str()) {
            unknown(&key, &name, errors);
            continue;
        }
        if seen.contains(&name) {
            errors.report(&key, format_args!("`{name}` is set already"), "remove one of the two");
            continue;
        }
        match value {
            None if name == "clear_on_restart" => settings.clear_on_restart = true,
            Some(value) if name == "clear_on_restart" => {
                errors.report(value, "`clear_on_restart` takes no value", "write `clear_on_restart` alone");
            }
            None => errors.report(&key, format_args!("`{name}` needs one value"), example(&name)),
            Some(value) if name == "mailbox" => settings.mailbox = mailbox(&value, errors),
            Some(value) if name == "overflow" => settings.overflow = overflow(&value, errors),
            Some(value) if name == "stall" => settings.stall = stall(&value, errors),
            Some(value) if name == "silence" => settings.silence = silence(&value, errors),
            Some(value) if name == "on_silence" => {
                settings.on_silence = on_silence(&value, errors);
                remedy = Some(key);
            }
            Some(value) if name == "soft_quantum" => settings.soft_quantum = quantum(&name, &value, errors),
            Some(value) => {
                settings.hard_quantum = quantum(&name, &value, errors);
                hard = Some(value);
            }
        }
        seen.push(name);
    }
    if let Some(key) = remedy.filter(|_| !seen.iter().any(|name| name == "silence")) {
        errors.report(
            key,
            "`on_silence` says what becomes of an actor that exceeds a limit, and this one has none",
            "write the limit too, as `silence = \"30s\"`, or leave `on_silence` out",
        );
        settings.on_silence = None;
    }
    if let (Some(soft), Some(limit), Some(value)) = (settings.soft_quantum, settings.hard_quantum, hard)
        && limit < soft
    {
        errors.report(
            value,
            "the hard quantum is less than the soft one",
            format_args!(
                "a turn is asked to end before its worker is taken over: write `hard_quantum = \"{}ms\"` or more",
                soft.as_micros().div_ceil(1000)
            ),
        );
    }
    settings
}

fn unknown(key: impl ToTokens, name: &str, errors: &mut Errors) {
    let help = match names::nearest(name, &KEYS) {
        Some(near) => format!("did you mean `{near}`? The settings are {}", names::listed(&KEYS, "")),
        None => format!("the settings are {}", names::listed(&KEYS, "")),
    };
    errors.report(key, format_args!("an actor has no setting `{name}`"), help);
}

fn example(name: &str) -> &'static str {
    match name {
        "mailbox" => "write a number of messages, as `mailbox = 256`, or `mailbox = \"unbounded\"`",
        "overflow" => "write one of the policies, as `overflow = \"reject\"`",
        "soft_quantum" => {
            "write how long a turn may take before it is asked to end, as `soft_quantum = \"2ms\"`"
        }
        "stall" => "write how long a handler may take, as `stall = \"1s\"`",
        "silence" => SILENCE,
        "on_silence" => ON_SILENCE,
        _ => "write how long a turn may take before its worker is taken over, as `hard_quantum = \"50ms\"`",
    }
}

fn quantum(name: &str, value: &Expr, errors: &mut Errors) -> Option<Duration> {
    watched(name, "a quantum", value, errors)
}

/// How long a handler may take.
pub(super) fn stall(value: &Expr, errors: &mut Errors) -> Option<Duration> {
    watched("stall", "a limit for handlers", value, errors)
}

pub(super) const SILENCE: &str = "write how long it may hear of nobody, as `silence = \"30s\"`";
pub(super) const ON_SILENCE: &str =
    "write what becomes of it, as `on_silence = \"stop\"`: \"report\", \"stop\" or \"restart\"";

/// How long an actor may hear of nobody.
pub(super) fn silence(value: &Expr, errors: &mut Errors) -> Option<Duration> {
    let limit = duration::read("silence", value, errors)?;
    if limit < SHORTEST_SILENCE {
        errors.report(
            value,
            "a limit for silence is 4 ms at least",
            "it is looked four times within it: write `silence = \"4ms\"` or more",
        );
        return None;
    }
    Some(limit)
}

/// What becomes of an actor that is silent.
pub(super) fn on_silence(value: &Expr, errors: &mut Errors) -> Option<Remedy> {
    let policy = match literal(value) {
        Some(Lit::Str(word)) => Remedy::named(&word.value()),
        _ => None,
    };
    if policy.is_none() {
        errors.report(value, format_args!("`on_silence` cannot be `{}`", shown(value)), ON_SILENCE);
    }
    policy
}

/// A time whose end somebody has to see.
fn watched(name: &str, what: &str, value: &Expr, errors: &mut Errors) -> Option<Duration> {
    let time = duration::read(name, value, errors)?;
    if time < SHORTEST {
        errors.report(
            value,
            format_args!("{what} is a millisecond at least"),
            format_args!("turns are looked at once a millisecond: write `{name} = \"1ms\"` or more"),
        );
        return None;
    }
    Some(time)
}

fn mailbox(value: &Expr, errors: &mut Errors) -> Option<Mailbox> {
    match literal(value) {
        Some(Lit::Int(number)) => room(number, errors),
        Some(Lit::Str(word)) => mailbox_word(word, errors),
        _ if is_negative(value) => {
            errors.report(
                value,
                "a mailbox holds one message at least",
                "write a number from 1 up, as `mailbox = 256`",
            );
            None
        }
        _ => {
            errors.report(
                value,
                "the room of a mailbox is a plain number, or \"unbounded\"",
                example("mailbox"),
            );
            None
        }
    }
}

fn room(number: &LitInt, errors: &mut Errors) -> Option<Mailbox> {
    if !matches!(number.suffix(), "" | "usize") {
        let help = format!("write `mailbox = {}`", number.base10_digits());
        errors.report(number, "a number of messages has no type of its own", help);
        return None;
    }
    match number.base10_parse::<u32>() {
        Ok(0) => errors.report(
            number,
            "a mailbox holds one message at least",
            "write a number from 1 up, or `mailbox = \"unbounded\"` if it should have no limit",
        ),
        Ok(room) => return Some(Mailbox::Room(room)),
        Err(_) => errors.report(
            number,
            format_args!("a mailbox has room for {} messages at most", u32::MAX),
            "write a number that memory can hold, or `mailbox = \"unbounded\"`",
        ),
    }
    None
}

fn mailbox_word(word: &LitStr, errors: &mut Errors) -> Option<Mailbox> {
    let value = word.value();
    let help = match value.trim() {
        "unbounded" => return Some(Mailbox::Unbounded),
        number if number.parse::<u32>().is_ok() => format!("write `mailbox = {number}`, without the quotes"),
        near if names::nearest(near, &["unbounded"]).is_some() => {
            "did you mean `mailbox = \"unbounded\"`?".to_owned()
        }
        _ => example("mailbox").to_owned(),
    };
    errors.report(word, format_args!("the room of a mailbox cannot be \"{value}\""), help);
    None
}

fn overflow(value: &Expr, errors: &mut Errors) -> Option<Overflow> {
    let written = match literal(value) {
        Some(Lit::Str(word)) => word.value(),
        _ => bare_word(value).unwrap_or_default(),
    };
    let policies = format!("the policies are {}", names::listed(&Overflow::NAMES, "\""));
    match (literal(value), Overflow::named(&written), names::nearest(&written, &Overflow::NAMES)) {
        (Some(Lit::Str(_)), Some(policy), _) => return Some(policy),
        (None, Some(_), _) => {
            errors.report(
                value,
                "an overflow policy stands in quotes",
                format_args!("write `overflow = \"{written}\"`"),
            );
        }
        (_, _, Some(near)) => errors.report(
            value,
            format_args!("there is no overflow policy `{written}`"),
            format_args!("did you mean \"{near}\"? In all, {policies}"),
        ),
        _ => errors.report(value, format_args!("there is no overflow policy `{}`", shown(value)), policies),
    }
    None
}

pub(super) fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

pub(super) fn bare_word(value: &Expr) -> Option<String> {
    match value {
        Expr::Path(path) => path.path.get_ident().map(|word| word.unraw().to_string()),
        _ => None,
    }
}

fn is_negative(value: &Expr) -> bool {
    matches!(value, Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }))
}

/// The value as text, without the quotes that a string brings.
pub(super) fn shown(value: &Expr) -> String {
    match literal(value) {
        Some(Lit::Str(word)) => word.value(),
        _ => TokenStream::to_string(&value.to_token_stream()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use syn::{Attribute, parse_quote};

    fn checked(attr: Attribute) -> (Settings, Vec<String>) {
        let mut errors = Errors::default();
        let written = parse::settings(&[attr], "actor", "mailbox = 256", &mut errors);
        let settings = check(written, &mut errors);
        (settings, errors.texts())
    }

    #[track_caller]
    fn assert_refused(attr: Attribute, what: &str) {
        let (settings, errors) = checked(attr);
        assert_eq!(settings, Settings::default());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(what), "{}", errors[0]);
    }

    #[test]
    fn settings_are_understood() {
        let (settings, errors) =
            checked(parse_quote!(#[actor(mailbox = 1_000usize, overflow = "drop_oldest")]));
        let overflow = Some(Overflow::DropOldest);
        let expected = Settings { mailbox: Some(Mailbox::Room(1000)), overflow, ..Settings::default() };
        assert_eq!((settings, errors.len()), (expected, 0));
        let (settings, _) = checked(parse_quote!(#[actor(clear_on_restart)]));
        assert!(settings.clear_on_restart);
        let (settings, _) = checked(parse_quote!(#[actor(mailbox = "unbounded")]));
        assert_eq!(settings.mailbox, Some(Mailbox::Unbounded));
        let (settings, _) = checked(parse_quote!(#[actor(stall = "250ms")]));
        assert_eq!(settings.stall, Some(Duration::from_millis(250)));
    }

    #[test]
    fn bad_mailboxes_are_refused() {
        assert_refused(parse_quote!(#[actor(mailbox = 0)]), "one message at least");
        assert_refused(parse_quote!(#[actor(mailbox = -3)]), "one message at least");
        assert_refused(parse_quote!(#[actor(mailbox = 4294967296)]), "4294967295");
        assert_refused(parse_quote!(#[actor(mailbox = 99999999999999999999999)]), "4294967295");
        assert_refused(parse_quote!(#[actor(mailbox = 8u8)]), "`mailbox = 8`");
        assert_refused(parse_quote!(#[actor(mailbox = 2.5)]), "plain number");
        assert_refused(parse_quote!(#[actor(mailbox = ROOM)]), "plain number");
        assert_refused(parse_quote!(#[actor(mailbox = "64")]), "`mailbox = 64`");
        assert_refused(parse_quote!(#[actor(mailbox = "Unbound")]), "did you mean");
        assert_refused(parse_quote!(#[actor(mailbox)]), "needs one value");
    }

    #[test]
    fn bad_policies_are_refused() {
        assert_refused(parse_quote!(#[actor(overflow = "rejct")]), "did you mean \"reject\"");
        assert_refused(parse_quote!(#[actor(overflow = wait)]), "`overflow = \"wait\"`");
        assert_refused(parse_quote!(#[actor(overflow = "explode")]), "`explode`");
        assert_refused(parse_quote!(#[actor(overflow = 3)]), "`3`");
    }

    #[test]
    fn quanta_are_understood_and_bad_ones_refused() {
        let (settings, errors) = checked(parse_quote!(#[actor(soft_quantum = "2ms", hard_quantum = "1s")]));
        let expected = (Some(Duration::from_millis(2)), Some(Duration::from_secs(1)));
        assert_eq!(((settings.soft_quantum, settings.hard_quantum), errors.len()), (expected, 0));
        assert_refused(parse_quote!(#[actor(soft_quantum = "0ms")]), "a millisecond at least");
        assert_refused(parse_quote!(#[actor(hard_quantum = "999us")]), "`hard_quantum = \"1ms\"`");
        assert_refused(parse_quote!(#[actor(hard_quantum)]), "needs one value");
        let (_, errors) = checked(parse_quote!(#[actor(hard_quantum = "2ms", soft_quantum = "1500us")]));
        assert!(errors.is_empty(), "{errors:?}");
        let (_, errors) = checked(parse_quote!(#[actor(hard_quantum = "2ms", soft_quantum = "2_001us")]));
        assert!(errors.len() == 1 && errors[0].contains("`hard_quantum = \"3ms\"`"), "{errors:?}");
    }

    #[test]
    fn bad_limits_are_refused() {
        let (settings, _) = checked(parse_quote!(#[actor(silence = "30s", on_silence = "report")]));
        assert_eq!(settings.silence, Some(Duration::from_secs(30)));
        assert_eq!(settings.on_silence, Some(Remedy::Report));
        assert_refused(parse_quote!(#[actor(silence = "3ms")]), "4 ms at least");
        assert_refused(parse_quote!(#[actor(silence)]), "needs one value");
        let (_, errors) = checked(parse_quote!(#[actor(silence = "30s", on_silence = "die")]));
        assert!(errors.len() == 1 && errors[0].contains("cannot be"), "{errors:?}");
        assert_refused(parse_quote!(#[actor(on_silence = "stop")]), "this one has none");
        assert_refused(parse_quote!(#[actor(stall = "soon")]), "`soon` is no length of time");
        assert_refused(parse_quote!(#[actor(stall = "10us")]), "a millisecond at least");
        assert_refused(parse_quote!(#[actor(stall = 1)]), "in quotes");
        assert_refused(parse_quote!(#[actor(stall)]), "needs one value");
    }

    #[test]
    fn bad_keys_are_refused() {
        assert_refused(parse_quote!(#[actor(mailbx = 3)]), "did you mean `mailbox`");
        assert_refused(parse_quote!(#[actor(speed = 3)]), "the settings are");
        let (settings, errors) = checked(parse_quote!(#[actor(mailbox = 1, mailbox = 2)]));
        assert_eq!((settings.mailbox, errors.len()), (Some(Mailbox::Room(1)), 1));
    }
}
