use actor_core::{Actor, messages};

#[derive(Actor)]
pub struct Account;

struct Refused;

#[messages]
impl Account {
    #[message]
    pub fn withdraw(&mut self, cents: u32) -> Result<u32, Refused> {
        Ok(cents)
    }
}

fn main() {}
