use actor_core::{Actor, messages};

#[derive(Clone, Debug)]
struct Cents(i64);

#[derive(Actor)]
struct Account;

#[messages(arbitrary)]
impl Account {
    #[message]
    fn deposit(&mut self, cents: Cents) {
        let _ = cents.0;
    }
}

fn main() {}
