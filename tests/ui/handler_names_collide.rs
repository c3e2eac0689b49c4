use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn get_x(&self) {}

    #[message]
    #[allow(non_snake_case)]
    fn getX(&self) {}
}

fn main() {}
