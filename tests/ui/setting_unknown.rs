use actor_core::{Actor, messages};

#[derive(Actor)]
#[actor(mailbx = 16, colour = "red")]
struct Account;

#[messages]
impl Account {}

fn main() {}
