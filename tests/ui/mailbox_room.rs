use actor_core::{Actor, messages};

#[derive(Actor)]
#[actor(mailbox = 0)]
struct None;

#[derive(Actor)]
#[actor(mailbox = -1)]
struct Negative;

#[derive(Actor)]
#[actor(mailbox = 99_999_999_999)]
struct TooLarge;

#[derive(Actor)]
#[actor(mailbox = "64")]
struct Quoted;

#[derive(Actor)]
#[actor(mailbox = 1.5)]
struct Fraction;

#[derive(Actor)]
#[actor(mailbox = 16u8)]
struct Typed;

#[derive(Actor)]
#[actor(mailbox = "unbound")]
struct Misspelt;

#[messages]
impl None {}
#[messages]
impl Negative {}
#[messages]
impl TooLarge {}
#[messages]
impl Quoted {}
#[messages]
impl Fraction {}
#[messages]
impl Typed {}
#[messages]
impl Misspelt {}

fn main() {}
