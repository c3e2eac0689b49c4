use actor_core::{Actor, messages};

#[derive(Actor)]
#[actor(overflow = "rejct")]
struct Misspelt;

#[derive(Actor)]
#[actor(overflow = wait)]
struct Unquoted;

#[derive(Actor)]
#[actor(overflow = "explode")]
struct Unknown;

#[messages]
impl Misspelt {}
#[messages]
impl Unquoted {}
#[messages]
impl Unknown {}

fn main() {}
