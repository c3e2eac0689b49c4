//! Ten small actors with a bug planted in each. A simulation finds it, and shrinks it to what matters; the same actor
//! without the bug passes. Each is generic over whether it has the bug: `PLANTED`.

mod ask_cycle;
mod double_join;
mod forgotten_leaver;
mod hunt;
mod lost_state;
mod lost_update;
mod missed_down;
mod old_timer;
mod retry;
mod second_reply;
mod unbounded_queue;

/// Two tests for each: the bug is found, and its twin passes.
macro_rules! planted {
    ($($name:ident),* $(,)?) => {
        mod found {
            $(#[test]
            fn $name() {
                crate::hunt::is_found(crate::$name::programs(), |sim, program| crate::$name::run::<true>(sim, program));
            })*
        }

        mod twins {
            $(#[test]
            fn $name() {
                crate::hunt::is_sound(crate::$name::programs(), |sim, program| crate::$name::run::<false>(sim, program));
            })*
        }
    };
}

planted!(
    ask_cycle,
    double_join,
    forgotten_leaver,
    lost_state,
    lost_update,
    missed_down,
    old_timer,
    retry,
    second_reply,
    unbounded_queue,
);
