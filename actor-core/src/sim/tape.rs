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
    taken: usize,
    /// Among how many was chosen with each number that was taken, as far as that is kept; 1 where it was no choice of a
    /// step.
    widths: Vec<u32>,
}

/// For so many numbers is kept among how many was chosen.
const WIDTHS: usize = 1 << 16;

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
        (0..length).map(number).collect::<Vec<_>>().into()
    }

    /// The numbers, without those at the end that change nothing.
    #[must_use]
    pub fn numbers(&self) -> &[u16] {
        let used = if self.taken() == 0 { self.numbers.len() } else { self.numbers.len().min(self.taken()) };
        let used = &self.numbers[..used];
        &used[..used.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1)]
    }

    /// How many numbers were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Among how many was chosen with each number that was taken.
    pub(super) fn widths(&self) -> &[u32] {
        &self.widths
    }

    /// The same numbers, none of which is taken.
    pub(super) fn rewound(&self) -> Tape {
        self.numbers().into()
    }

    /// The next number; 0 after the end.
    pub(super) fn next(&mut self) -> u16 {
        self.next_of(1)
    }

    fn next_of(&mut self, width: u32) -> u16 {
        let number = self.numbers.get(self.taken).copied().unwrap_or(0);
        self.taken += 1;
        if self.widths.len() < WIDTHS {
            self.widths.push(width);
        }
        number
    }

    /// A choice among `n`. None is taken from the tape where there is nothing to choose.
    pub(super) fn below(&mut self, n: usize) -> usize {
        match n {
            0 | 1 => 0,
            n if n <= usize::from(u16::MAX) => usize::from(self.next_of(n as u32)) % n,
            n => (usize::from(self.next()) | usize::from(self.next()) << 16) % n,
        }
    }
}

impl From<Vec<u16>> for Tape {
    fn from(numbers: Vec<u16>) -> Self {
        Tape { numbers, taken: 0, widths: Vec::new() }
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
