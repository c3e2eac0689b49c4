use actor_core::{Actor, Context, Reply, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[started]
    fn open(&mut self, path: &str) -> bool {
        path.is_empty()
    }

    #[message(urgent)]
    fn rename(self, name: &str, ctx: &Context<Self>) {
        let _ = (name, ctx);
    }

    #[message]
    unsafe fn look_up<K>(&self, reply: Reply<u8>, key: K) -> u8 {
        1
    }

    #[message]
    fn deposit(&mut self, cents: i64) {
        let _ = cents;
    }
}

fn main() {}
