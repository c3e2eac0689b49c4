use actor_core::{Actor, messages};

#[derive(Actor)]
struct Account<'a> {
    owner: &'a str,
}

#[messages]
impl<'a> Account<'a> {
    #[message]
    fn owner(&self) -> String {
        self.owner.to_owned()
    }
}

fn main() {}
