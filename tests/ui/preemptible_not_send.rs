use actor_core::{Actor, messages};

#[derive(Actor)]
struct Index {
    words: Vec<String>,
}

#[messages]
impl Index {
    #[message(preemptible)]
    async fn count(&mut self, letter: char) -> usize {
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        for word in &self.words {
            count.set(count.get() + word.matches(letter).count());
        }
        count.get()
    }
}

fn main() {}
