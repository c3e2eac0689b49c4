//! The attributes that `#[messages]` gives a meaning.

use std::fmt;

use syn::{Attribute, FnArg, Path, Signature};

/// What a method of a block is marked as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Message,
    Started,
    Stopped,
    Down,
}

impl Marker {
    const ALL: [Marker; 4] = [Marker::Message, Marker::Started, Marker::Stopped, Marker::Down];

    fn name(self) -> &'static str {
        match self {
            Marker::Message => "message",
            Marker::Started => "started",
            Marker::Stopped => "stopped",
            Marker::Down => "down",
        }
    }

    /// `#[message]`, or `#[actor_core::message]` where the short name means something else.
    fn of(path: &Path) -> Option<Marker> {
        let last = path.segments.last()?;
        let ours = match path.segments.len() {
            1 => true,
            2 => path.segments[0].ident == "actor_core",
            _ => false,
        };
        Marker::ALL.into_iter().find(|marker| ours && last.ident == marker.name())
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`#[{}]`", self.name())
    }
}

/// A marker where the user put it.
pub(crate) struct Mark {
    pub(crate) marker: Marker,
    pub(crate) attr: Attribute,
}

/// Takes the markers out of `attrs`.
pub(crate) fn take(attrs: &mut Vec<Attribute>) -> Vec<Mark> {
    let mut marks = Vec::new();
    for attr in std::mem::take(attrs) {
        match Marker::of(attr.path()) {
            Some(marker) => marks.push(Mark { marker, attr }),
            None => attrs.push(attr),
        }
    }
    marks
}

/// Takes `#[strategy(..)]` out of the attributes of the arguments, but the receiver.
pub(crate) fn take_strategies(sig: &mut Signature) -> Vec<Vec<Attribute>> {
    let typed = sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    let taken = typed.map(|argument| {
        let all = std::mem::take(&mut argument.attrs);
        let (strategies, others) = all.into_iter().partition(|attr| attr.path().is_ident("strategy"));
        argument.attrs = others;
        strategies
    });
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse_quote;

    #[test]
    fn markers_are_taken_and_the_rest_stays() {
        let mut attrs: Vec<Attribute> = vec![
            parse_quote!(#[doc = "x"]),
            parse_quote!(#[message(derive(Clone))]),
            parse_quote!(#[other::message]),
            parse_quote!(#[::actor_core::started]),
        ];
        let marks: Vec<_> = take(&mut attrs).into_iter().map(|mark| mark.marker).collect();
        assert_eq!(marks, [Marker::Message, Marker::Started]);
        assert_eq!(attrs.len(), 2);
    }

    #[test]
    fn strategies_are_taken_from_arguments() {
        let mut sig: Signature = parse_quote!(fn f(&self, #[a] #[strategy(0..1)] b: u8, c: u8));
        let strategies: Vec<_> = take_strategies(&mut sig).iter().map(Vec::len).collect();
        assert_eq!(strategies, [1, 0]);
        let left: Signature = parse_quote!(fn f(&self, #[a] b: u8, c: u8));
        assert_eq!(sig.to_token_stream().to_string(), left.to_token_stream().to_string());
    }
}
