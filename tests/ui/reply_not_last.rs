use actor_core::{Actor, Reply, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn look_up(&self, reply: Reply<String>, key: u32) {
        reply.send(key.to_string());
    }

    #[message]
    fn look_up_twice(&self, first: Reply<String>, second: Reply<String>) {
        let _ = (first, second);
    }
}

fn main() {}
