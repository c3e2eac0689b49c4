//! What stands in the brackets of a marker.

use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, Meta, Path, Token, ext::IdentExt, parenthesized, token};

use crate::errors::Errors;
use crate::names;
use crate::parse::{Mark, Marker};

/// What a `#[message(..)]` asks for.
#[derive(Default)]
pub(crate) struct Options {
    /// The derives of the message struct.
    pub(crate) derives: Vec<Path>,
    /// The word that asks for checkpoints in loops.
    pub(crate) preemptible: Option<Ident>,
    /// The word that asks for a thread that may block.
    pub(crate) blocking: Option<Ident>,
    /// The word that asks for the message to be handled again after a failure, and how many times.
    pub(crate) redeliver: Option<(Ident, u32)>,
    /// How often the message comes among those that are made up.
    pub(crate) weight: Option<(Ident, u32)>,
    /// The word that says that it does not.
    pub(crate) skip_arbitrary: Option<Ident>,
}

/// So that the sum of all has room.
const MOST_WEIGHT: u32 = 1000;

const NAMES: [&str; 6] = ["blocking", "derive", "preemptible", "redeliver", "skip_arbitrary", "weight"];

pub(crate) fn check(mark: &Mark, errors: &mut Errors) -> Options {
    let list = match &mark.attr.meta {
        Meta::Path(_) => return Options::default(),
        Meta::List(list) => list,
        Meta::NameValue(_) => {
            let marker = mark.marker;
            errors.report(
                &mark.attr.meta,
                format_args!("{marker} has no value"),
                format_args!("write {marker}"),
            );
            return Options::default();
        }
    };
    if mark.marker != Marker::Message {
        let marker = mark.marker;
        if !list.tokens.is_empty() {
            errors.report(
                &list.tokens,
                format_args!("{marker} has no options"),
                format_args!("write {marker}"),
            );
        }
        return Options::default();
    }
    let read = |input: ParseStream<'_>| read_all(input, errors);
    match read.parse2(list.tokens.clone()) {
        Ok(options) => options,
        Err(error) => {
            errors.push(error);
            Options::default()
        }
    }
}

fn read_all(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Options> {
    let mut options = Options::default();
    while !input.is_empty() {
        let option = input.call(Ident::parse_any)?;
        if option == "derive" && input.peek(token::Paren) {
            let traits;
            parenthesized!(traits in input);
            options.derives.extend(Punctuated::<Path, Token![,]>::parse_terminated(&traits)?);
        } else if option == "derive" {
            errors.report(
                &option,
                "`derive` needs the traits to derive",
                "write `#[message(derive(Clone, Debug))]`",
            );
        } else if option == "preemptible" {
            word(option, input, &mut options.preemptible, errors);
        } else if option == "blocking" {
            word(option, input, &mut options.blocking, errors);
        } else if option == "redeliver" {
            redeliver(option, input, &mut options, errors);
        } else if option == "skip_arbitrary" {
            word(option, input, &mut options.skip_arbitrary, errors);
        } else if option == "weight" {
            weight(option, input, &mut options, errors);
        } else {
            unknown(&option, errors);
        }
        while !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
            input.parse::<proc_macro2::TokenTree>()?;
        }
    }
    Ok(options)
}

fn redeliver(option: Ident, input: ParseStream<'_>, options: &mut Options, errors: &mut Errors) {
    let times = input.parse::<Token![=]>().and_then(|_| input.parse::<LitInt>());
    match times.and_then(|times| times.base10_parse::<u32>()) {
        Ok(times) if times > 0 && options.redeliver.is_none() => options.redeliver = Some((option, times)),
        Ok(times) if times > 0 => {
            errors.report(&option, "`redeliver` is here twice", "remove one of the two");
        }
        _ => errors.report(
            &option,
            "`redeliver` needs a number of times, from 1 up",
            "write how many times the message is handled again after a failure, as `redeliver = 3`",
        ),
    }
}

fn weight(option: Ident, input: ParseStream<'_>, options: &mut Options, errors: &mut Errors) {
    let weight = input.parse::<Token![=]>().and_then(|_| input.parse::<LitInt>());
    match weight.and_then(|weight| weight.base10_parse::<u32>()) {
        Ok(weight) if (1..=MOST_WEIGHT).contains(&weight) && options.weight.is_none() => {
            options.weight = Some((option, weight));
        }
        Ok(weight) if (1..=MOST_WEIGHT).contains(&weight) => {
            errors.report(&option, "`weight` is here twice", "remove one of the two");
        }
        _ => errors.report(
            &option,
            format_args!("`weight` needs a number, from 1 to {MOST_WEIGHT}"),
            "write how often this message comes for each one without a weight, as `weight = 3`; or \
             `skip_arbitrary`, if it never should",
        ),
    }
}

/// An option that is a word and nothing more.
fn word(option: Ident, input: ParseStream<'_>, place: &mut Option<Ident>, errors: &mut Errors) {
    if !input.is_empty() && !input.peek(Token![,]) {
        errors.report(
            &option,
            format_args!("`{option}` is a word of its own"),
            format_args!("write `#[message({option})]`"),
        );
    } else if place.is_some() {
        errors.report(&option, format_args!("`{option}` is here twice"), "remove one of the two");
    }
    place.get_or_insert(option);
}

fn unknown(option: &Ident, errors: &mut Errors) {
    let what = format_args!("`#[message]` has no option `{option}`");
    match names::nearest(&option.to_string(), &NAMES) {
        Some(meant) => errors.report(option, what, format_args!("write `{meant}`")),
        None => errors.report(
            option,
            what,
            "the options are `blocking`, `preemptible`, `redeliver = 3`, `weight = 3`, `skip_arbitrary` and \
             `derive(..)`, as in `#[message(derive(Clone, Debug))]`",
        ),
    }
}
