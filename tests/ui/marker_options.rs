use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message(priority)]
    fn freeze(&mut self) {}

    #[message(derive)]
    fn thaw(&mut self) {}

    #[message = "melt"]
    fn melt(&mut self) {}

    #[message(preemptable)]
    async fn flow(&mut self) {}

    #[message(blocking, derive(Debug), blocking)]
    fn pour(&mut self) {}

    #[message(blocking(true))]
    fn drip(&mut self) {}

    #[started(early)]
    fn open(&mut self) {}
}

fn main() {}
