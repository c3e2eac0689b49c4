use actor_core::{Actor, messages};

#[derive(Actor)]
struct Index {
    words: Vec<String>,
}

#[messages]
impl Index {
    #[message(preemptible)]
    async fn no_loop(&mut self) -> usize {
        self.words.len()
    }

    #[message(preemptible)]
    async fn in_a_closure(&mut self) -> usize {
        let count = |letter: char| {
            let mut count = 0;
            for word in &self.words {
                count += word.matches(letter).count();
            }
            count
        };
        count('a') + count('b')
    }

    #[message(preemptible)]
    async fn in_an_async_block(&mut self) {
        async {
            while self.words.pop().is_some() {}
        }
        .await
    }

    #[message(preemptible)]
    async fn in_a_function(&mut self) {
        fn spin() {
            loop {
                std::hint::spin_loop();
            }
        }
        spin();
    }

    #[message(preemptible)]
    async fn in_a_macro(&mut self) {
        println!("{}", {
            let mut n = 0;
            while n < 10 {
                n += 1;
            }
            n
        });
    }

    #[message(preemptible)]
    async fn run_by_the_compiler(&mut self) -> usize {
        const {
            let mut n = 0;
            while n < 10 {
                n += 1;
            }
            n
        }
    }
}

fn main() {}
