use actor_core::{Actor, Child, Subtree, Supervisor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {}

#[derive(Supervisor)]
struct Bank {
    account: Account,
    name: String,
    branch: Subtree<Account>,
    good: Child<Account>,
}

fn main() {}
