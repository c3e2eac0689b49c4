use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[started]
    fn open(&mut self) -> Result<(), u8> {
        Ok(())
    }
}

fn main() {}
