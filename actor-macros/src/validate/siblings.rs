//! What the handlers of a block are to each other: no two of a name, one of each life-cycle kind.

use proc_macro2::Ident;
use syn::ext::IdentExt;

use crate::errors::Errors;
use crate::model::{Carried, Handler, Target};
use crate::names;
use crate::parse::{Mark, Marker, Method};

/// What is to become of a marked method.
pub(crate) enum Admission {
    /// It is the first of its name and kind.
    Granted,
    /// It is one life-cycle method too many, but a method that others may call.
    Refused,
    /// It has the name of another one, which the compiler would report again.
    Removed,
}

/// The marked methods seen so far.
pub(crate) struct Siblings<'a> {
    target: &'a Target,
    /// Whether there is an enum of messages that are made up.
    arbitrary: bool,
    methods: Vec<Seen>,
    /// Message handlers by the names of their structs.
    structs: Vec<(String, Ident)>,
}

struct Seen {
    name: Ident,
    marker: Marker,
    /// Whether a `cfg` says if it is there at all. Two such methods may be one another's stand-in.
    conditional: bool,
}

impl<'a> Siblings<'a> {
    pub(crate) fn new(target: &'a Target, arbitrary: bool) -> Self {
        Siblings { target, arbitrary, methods: Vec::new(), structs: Vec::new() }
    }

    /// Reports a `method` that stands where another one does already.
    pub(crate) fn admit(&mut self, method: &Method, mark: &Mark, errors: &mut Errors) -> Admission {
        let conditional = !Carried::of(&method.attrs).cfg.is_empty();
        let new = Seen { name: method.sig.ident.clone(), marker: mark.marker, conditional };
        let rivals = || self.methods.iter().filter(|other| !(conditional && other.conditional));
        let same_kind = rivals().find(|other| new.marker != Marker::Message && other.marker == new.marker);
        let admission = if rivals().any(|other| other.name == new.name) {
            errors.report(
                &new.name,
                format_args!("this block has a handler `{}` already", new.name),
                "give one of the two another name",
            );
            Admission::Removed
        } else if let Some(other) = same_kind {
            errors.report(
                &mark.attr,
                format_args!(
                    "`{}` is marked {} already, and an actor has one such method",
                    other.name, mark.marker
                ),
                "remove one of the two markers, and call the one method from the other",
            );
            Admission::Refused
        } else {
            Admission::Granted
        };
        self.methods.push(new);
        admission
    }

    /// Looks at the names that are made of a message handler's.
    pub(crate) fn check_name(&mut self, handler: &Handler, errors: &mut Errors) {
        let name = &handler.name;
        let camel = names::camel_case(name);
        if camel.is_empty() {
            errors.report(
                name,
                "a handler's name needs a letter, because its message is named after it",
                "rename it",
            );
            return;
        }
        if camel == "Ref" || camel == "Message" || camel == "Any" && self.arbitrary {
            errors.report(
                name,
                format_args!(
                    "a handler of an actor cannot be called `{name}`: the name of its message is taken"
                ),
                "say in the name what the message is about",
            );
            return;
        }
        let other = self.structs.iter().find(|(other, _)| *other == camel).map(|(_, other)| other);
        match other {
            Some(other) if other != name => errors.report(
                name,
                format_args!(
                    "`{name}` and `{other}` make a message of one name, `{}{camel}`",
                    self.target.name.unraw()
                ),
                "rename one of the two",
            ),
            // The same name twice: the two exclude each other by `cfg`.
            Some(_) => {}
            None => self.structs.push((camel, name.clone())),
        }
    }
}
