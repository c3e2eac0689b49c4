use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64, #[cfg(unix)] user: u32) {
        let _ = (cents, user);
    }
}

fn main() {}
