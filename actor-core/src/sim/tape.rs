//! The tape: what all choices of a simulation are taken from.

use std::fmt;

/// The numbers that the choices of a simulation are taken from, one after the other. Each is taken modulo the number of
/// what can be chosen at that point, and 0 is what would happen without a tape: who came first, no fault, no delay. When
/// the tape ends, that is what is chosen from there on.
///
/// So a tape that is shorter, or has smaller numbers in it, makes a run that is simpler: what
/// [proptest](https://docs.rs/proptest) does to a `Vec<u16>` that fails is what one wants to be done to the run.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Tape {
    numbers: Vec<u16>,
    at: usize,
}

impl Tape {
    /// Numbers from a generator (splitmix64): the same for the same seed.
    #[must_use]
    pub fn random(seed: u64, length: usize) -> Tape {
        let mut state = seed;
        let number = |_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 48) as u16
        };
        Tape { numbers: (0..length).map(number).collect(), at: 0 }
    }

    /// The numbers, without those at the end that change nothing.
    #[must_use]
    pub fn numbers(&self) -> &[u16] {
        let used = &self.numbers[..self.numbers.len().min(self.at.max(1))];
        let used = if self.at == 0 { &self.numbers[..] } else { used };
        &used[..used.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1)]
    }

    /// How many numbers were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.at
    }

    /// The next number; 0 after the end.
    pub(super) fn next(&mut self) -> u16 {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        number
    }

    /// A choice among `n`. None is taken from the tape where there is nothing to choose.
    pub(super) fn below(&mut self, n: usize) -> usize {
        match n {
            0 | 1 => 0,
            n if n <= usize::from(u16::MAX) => usize::from(self.next()) % n,
            n => (usize::from(self.next()) | usize::from(self.next()) << 16) % n,
        }
    }
}

impl From<Vec<u16>> for Tape {
    fn from(numbers: Vec<u16>) -> Self {
        Tape { numbers, at: 0 }
    }
}

impl From<&[u16]> for Tape {
    fn from(numbers: &[u16]) -> Self {
        numbers.to_vec().into()
    }
}

impl<const N: usize> From<[u16; N]> for Tape {
    fn from(numbers: [u16; N]) -> Self {
        numbers.to_vec().into()
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.numbers(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_that_has_ended_chooses_what_came_first() {
        let mut tape = Tape::from([7, 9]);
        assert_eq!([tape.below(4), tape.below(1), tape.below(4), tape.below(4)], [3, 0, 1, 0]);
        assert_eq!(tape.taken(), 3);
    }

    #[test]
    fn what_changes_nothing_is_not_shown() {
        assert_eq!(format!("{:?}", Tape::from([3, 0, 17, 0, 0])), "[3, 0, 17]");
        let mut tape = Tape::from([3, 1, 17]);
        tape.below(2);
        assert_eq!(tape.numbers(), [3], "the others were not taken");
    }

    #[test]
    fn many_are_chosen_among_with_two_numbers() {
        let mut tape = Tape::from([1, 1]);
        assert_eq!(tape.below(100_000), 65_537);
    }
}
