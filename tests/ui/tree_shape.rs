use actor_core::{Actor, Child, Supervisor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {}

#[derive(Supervisor)]
struct Tuple(Child<Account>);

#[derive(Supervisor)]
struct Unit;

#[derive(Supervisor)]
enum Either {
    One,
}

#[derive(Supervisor)]
union Overlap {
    one: u8,
}

#[derive(Supervisor)]
struct Borrows<'a> {
    name: &'a str,
}

fn main() {}
