use actor_core::{Actor, Reply, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn look_up(&self, key: u32, reply: Reply<String>) -> Result<(), String> {
        reply.send(key.to_string());
        Ok(())
    }
}

fn main() {}
