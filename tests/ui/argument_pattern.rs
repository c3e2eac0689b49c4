use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn transfer(&mut self, (from, to): (u32, u32), _: i64, ref note: String) {
        let _ = (from, to, note);
    }
}

fn main() {}
