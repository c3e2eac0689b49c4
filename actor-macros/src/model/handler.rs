//! A marked method: what it is given, and what it gives back.

use proc_macro2::Ident;
use quote::format_ident;
use syn::{
    Expr, FnArg, GenericArgument, Pat, PatType, PathArguments, PathSegment, ReturnType, Type, TypeReference,
    Visibility,
};

use super::attributes::Carried;
use super::target::Target;
use crate::parse::{Marker, Method};

/// A marked method.
pub(crate) struct Handler {
    pub(crate) marker: Marker,
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    pub(crate) carried: Carried,
    /// Derives for the message struct.
    pub(crate) derives: Vec<syn::Path>,
    pub(crate) is_async: bool,
    /// A sync one that runs where blocking holds nobody up.
    pub(crate) is_blocking: bool,
    /// How many times its message is handled again after a failure.
    pub(crate) redeliver: Option<u32>,
    /// How often its message comes among those that are made up; `None` if never.
    pub(crate) weight: Option<u32>,
    /// All but the receiver.
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Output,
}

/// An argument of a handler.
pub(crate) struct Argument {
    /// Its name, if its pattern is one.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    /// What makes up its values.
    pub(crate) strategy: Option<Expr>,
}

/// What an argument is for. Types are known by their names: a macro sees nothing more of them.
#[derive(Clone)]
pub(crate) enum Role {
    /// A part of the message.
    Data,
    /// `&mut Context<_>`.
    Context(Access),
    /// `Reply<value, error>`.
    Reply { value: Box<Type>, error: Option<Box<Type>> },
    /// `&StopReason`.
    StopReason(Access),
    /// `Down`.
    Down(Access),
}

/// How an argument is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Owned,
    Shared,
    Exclusive,
}

/// What a handler gives back.
pub(crate) enum Output {
    Nothing,
    Value(Box<Type>),
    /// A type called `Result`.
    Fallible(Box<Type>),
}

impl Handler {
    /// The model of `method` as a `marker`; `target` tells a context by value from other types of
    /// that name.
    pub(crate) fn of(method: &Method, marker: Marker, target: &Target) -> Handler {
        let typed = method.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(argument) => Some(argument),
            FnArg::Receiver(_) => None,
        });
        Handler {
            marker,
            name: method.sig.ident.clone(),
            vis: method.vis.clone(),
            carried: Carried::of(&method.attrs),
            derives: Vec::new(),
            redeliver: None,
            weight: None,
            is_async: method.sig.asyncness.is_some(),
            is_blocking: false,
            arguments: typed
                .enumerate()
                .map(|(place, typed)| Argument::of(typed, place, marker, target))
                .collect(),
            output: Output::of(&method.sig.output),
        }
    }

    /// The arguments that are fields of the message.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Argument> {
        self.arguments.iter().filter(|argument| matches!(argument.role, Role::Data))
    }

    /// The value and error types of a reply that comes later.
    pub(crate) fn deferred(&self) -> Option<(&Type, Option<&Type>)> {
        self.arguments.iter().find_map(|argument| match &argument.role {
            Role::Reply { value, error } => Some((&**value, error.as_deref())),
            _ => None,
        })
    }

    /// The types that the reply is made of.
    pub(crate) fn reply_types(&self) -> impl Iterator<Item = &Type> {
        let output = match &self.output {
            Output::Value(ty) | Output::Fallible(ty) => Some(&**ty),
            Output::Nothing => None,
        };
        let (value, error) = self.deferred().unzip();
        output.into_iter().chain(value).chain(error.flatten())
    }
}

impl Argument {
    fn of(typed: &PatType, place: usize, marker: Marker, target: &Target) -> Argument {
        let name = match &*typed.pat {
            Pat::Ident(pat) => pat.ident.clone(),
            // `validate` turns the handler down; the name only fills the place.
            _ => format_ident!("argument_{place}"),
        };
        Argument { name, ty: (*typed.ty).clone(), role: Role::of(&typed.ty, marker, target), strategy: None }
    }
}

impl Role {
    fn of(ty: &Type, marker: Marker, target: &Target) -> Role {
        let (ty, access) = match ty {
            Type::Reference(TypeReference { mutability: Some(_), elem, .. }) => (&**elem, Access::Exclusive),
            Type::Reference(TypeReference { elem, .. }) => (&**elem, Access::Shared),
            owned => (owned, Access::Owned),
        };
        let Some(last) = last_segment(ty) else {
            return Role::Data;
        };
        let life_cycle = marker != Marker::Message;
        if last.ident == "Context" && (access != Access::Owned || life_cycle || is_of(last, target)) {
            Role::Context(access)
        } else if last.ident == "Reply" && access == Access::Owned {
            Role::reply(last)
        } else if last.ident == "StopReason" && marker == Marker::Stopped {
            Role::StopReason(access)
        } else if last.ident == "Down" && marker == Marker::Down {
            Role::Down(access)
        } else {
            Role::Data
        }
    }

    /// A `Reply` without arguments is a type of the user's own.
    fn reply(segment: &PathSegment) -> Role {
        let mut types = type_arguments(segment).cloned().map(Box::new);
        match (types.next(), types.next(), types.next()) {
            (Some(value), error, None) => Role::Reply { value, error },
            _ => Role::Data,
        }
    }
}

impl Output {
    fn of(output: &ReturnType) -> Output {
        match output {
            ReturnType::Default => Output::Nothing,
            ReturnType::Type(_, ty) => match &**ty {
                Type::Tuple(unit) if unit.elems.is_empty() => Output::Nothing,
                other if last_segment(other).is_some_and(|last| last.ident == "Result") => {
                    Output::Fallible(ty.clone())
                }
                _ => Output::Value(ty.clone()),
            },
        }
    }
}

/// `Context<Self>` or `Context<Account>`, where an arbitrary `Context` may be anything.
fn is_of(segment: &PathSegment, target: &Target) -> bool {
    type_arguments(segment)
        .filter_map(last_segment)
        .any(|last| last.ident == "Self" || last.ident == target.name)
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(ty) => ty.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

fn type_arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let all = match &segment.arguments {
        PathArguments::AngleBracketed(all) => Some(&all.args),
        _ => None,
    };
    all.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
