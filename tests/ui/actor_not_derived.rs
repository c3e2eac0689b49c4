use actor_core::messages;

struct Account;

#[messages]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64) {
        let _ = cents;
    }
}

fn main() {}
