use actor_core::messages;

#[messages]
struct Account;

fn main() {}
