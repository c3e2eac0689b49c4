use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64) {
        let _ = cents;
    }

    #[message]
    fn deposit(&mut self, euros: f64) {
        let _ = euros;
    }
}

fn main() {}
