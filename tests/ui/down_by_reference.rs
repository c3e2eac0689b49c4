use actor_core::{Actor, Down, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[down]
    fn gone(&mut self, down: &Down) -> bool {
        let _ = down;
        true
    }
}

fn main() {}
