use actor_core::{Actor, Reply, messages};

struct Order;

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message(redeliver)]
    fn deposit(&mut self) {}

    #[message(redeliver = 0)]
    fn withdraw(&mut self) {}

    #[message(redeliver = 2, redeliver = 3)]
    fn settle(&mut self) {}

    #[message(redeliver = 2)]
    fn look_up(&self, reply: Reply<u8>) {
        reply.send(1);
    }
}

fn main() {}
