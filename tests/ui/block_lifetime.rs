use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl<'a> Account {
    #[message]
    fn rename(&mut self, name: &'a str) {
        let _ = name;
    }
}

fn main() {}
