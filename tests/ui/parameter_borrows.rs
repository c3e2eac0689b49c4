use actor_core::{Actor, messages};

#[derive(Actor)]
struct Cell<T: Clone, U> {
    first: T,
    second: U,
}

#[messages]
impl<T: Clone, U> Cell<T, U> {
    #[message]
    fn put(&mut self, first: T, second: U) {
        (self.first, self.second) = (first, second);
    }

    #[message]
    fn first(&self) -> T {
        self.first.clone()
    }
}

fn main() {}
