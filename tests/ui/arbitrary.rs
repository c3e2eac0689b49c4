use actor_core::{Actor, ActorRef, Recipient, Reply, messages};

#[derive(Actor)]
struct Account;

#[messages(arbitrary, arbitrary, tested, arbitrary = 3)]
impl Account {
    #[message]
    fn forward(&mut self, to: Recipient<AccountClose>, later: Option<Box<dyn FnOnce() + Send>>) {
        let _ = (to, later);
    }

    #[message(weight = 0)]
    fn open(&mut self) {}

    #[message(weight = 2, skip_arbitrary)]
    fn close(&mut self) {}

    #[message]
    fn deposit(&mut self, #[strategy] cents: i64, #[strategy(0..1)] #[strategy(0..2)] times: u8) {
        let _ = (cents, times);
    }

    #[message]
    fn ask(&mut self, #[strategy(0..1)] reply: Reply<u8>) {
        drop(reply);
    }

    #[message]
    fn any(&mut self) {}

    #[started]
    fn start(&mut self, #[strategy(0..1)] ctx: &mut actor_core::Context<Self>) {
        let _ = ctx;
    }

    fn helper(&self, #[strategy(0..1)] n: u8) {
        let _ = n;
    }
}

#[derive(Actor)]
struct Plain;

#[messages]
impl Plain {
    #[message(weight = 2)]
    fn one(&mut self, #[strategy(0..1)] n: u8) {
        let _ = n;
    }

    #[message(skip_arbitrary)]
    fn other(&mut self, actor: ActorRef<Account>) {
        let _ = actor;
    }
}

#[derive(Actor)]
struct Silent;

#[messages(arbitrary)]
impl Silent {
    #[message(skip_arbitrary)]
    fn one(&mut self) {}
}

fn main() {}
