use actor_core::Actor;

#[derive(Actor)]
struct Account;

fn main() {}
