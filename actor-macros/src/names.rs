//! Names: those we make from the user's, and those that the user nearly wrote.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;

/// The span of `ident`, for a name that we make of it: an error about the name points at what the
/// user wrote, while lints see that a macro wrote it.
pub(crate) fn made_at(ident: &Ident) -> Span {
    ident.span().resolved_at(Span::mixed_site())
}

/// A type name after the actor's: `Account` and `Ref` make `AccountRef`.
pub(crate) fn type_name(actor: &Ident, rest: &str, span: Span) -> Ident {
    Ident::new(&format!("{}{rest}", actor.unraw()), span)
}

/// `look_up` as `LookUp`. Empty if the name has nothing but underscores.
pub(crate) fn camel_case(name: &Ident) -> String {
    let name = name.unraw().to_string();
    name.split('_').map(capitalized).collect()
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// The one of `known` that `written` is most likely a slip for, if it is close to any.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = written.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|name| (distance(&plain, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `known` for a sentence: `a`, `b` and `c`, each in backticks and with `quote` around it.
pub(crate) fn listed(known: &[&str], quote: &str) -> String {
    let names: Vec<_> = known.iter().map(|name| format!("`{quote}{name}{quote}`")).collect();
    match names.as_slice() {
        [init @ .., last] if !init.is_empty() => format!("{} and {last}", init.join(", ")),
        _ => names.concat(),
    }
}

/// The edits (insert, remove, replace) that lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camel(name: &str) -> String {
        camel_case(&syn::parse_str::<Ident>(name).unwrap())
    }

    #[test]
    fn handler_names_become_camel_case() {
        assert_eq!(camel("deposit"), "Deposit");
        assert_eq!(camel("look_up"), "LookUp");
        assert_eq!(camel("lookUp"), "LookUp");
        assert_eq!(camel("_look__up_2"), "LookUp2");
        assert_eq!(camel("r#type"), "Type");
        assert_eq!(camel("über_weisen"), "ÜberWeisen");
        assert_eq!(camel("__"), "");
    }

    #[test]
    fn slips_find_what_was_meant() {
        let known = ["reject", "wait", "drop_newest", "drop_oldest"];
        assert_eq!(nearest("Reject", &known), Some("reject"));
        assert_eq!(nearest("rejct", &known), Some("reject"));
        assert_eq!(nearest("drop-oldest", &known), Some("drop_oldest"));
        assert_eq!(nearest("drop_old", &known), Some("drop_oldest"));
        assert_eq!(nearest("block", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn lists_read_as_a_sentence() {
        assert_eq!(listed(&["a"], ""), "`a`");
        assert_eq!(listed(&["a", "b", "c"], "\""), r#"`"a"`, `"b"` and `"c"`"#);
    }
}
