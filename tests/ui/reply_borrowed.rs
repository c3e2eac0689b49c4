use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account;

#[messages]
impl Account {
    #[message]
    fn owner(&self) -> &str {
        "nobody"
    }

    #[message]
    fn note(&self) -> Result<std::borrow::Cow<'_, str>, String> {
        Ok("".into())
    }

    #[message]
    fn halt(&self) -> ! {
        std::process::abort()
    }
}

fn main() {}
