//! Sounds that were heard before, such as jingles and spots: where they begin and end, and where they were. Finds exact
//! repetition only, coded or not; judges nothing.

mod memory;
mod print;

use crate::hop::Hop;
use memory::Memory;
use print::Printer;

/// Hops from one remembered print to the next.
const STEP: u64 = 4;
/// Prints compared at first, 1.28 s, and to see whether it goes on, 0.24 s.
const COMPARED: u64 = 32;
const WATCHED: u64 = 6;
/// Share of wrong bits from which it is not the same, at first and later. Half of them are wrong by chance.
const WRONG_AT_FIRST: f32 = 0.22;
const WRONG_LATER: f32 = 0.34;
/// Wrong bits of a single print that is still the same.
const WRONG_BITS: u32 = 10;
/// A print that is not the same alone is passed over on the way back to the beginning, and on to the end for 0.24 s.
const PASSED_OVER: u64 = 1;
const PASSED_OVER_HOPS: u64 = 24;
/// Bits by which a quiet print differs from any.
const QUIET_WRONG: u32 = 16;
/// Hops kept, 5 s: how far back a beginning is looked for.
const RECENT: usize = 512;
const BACK_MAX: u64 = 125;
/// Least length, 2 s.
const LENGTH_MIN: u64 = 200;
/// From the first and the last print that is the same to the edges, hops (measured).
const START_LAG: u64 = 9;
const END_LAG: u64 = 5;

/// What is told of a repetition. Hops are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told {
    /// It began, for sure.
    Began {
        /// Its first hop, to about 0.1 s.
        hop_idx: u64,
        /// First hop of the same sound before.
        earlier: u64,
    },
    /// The last one that began is over.
    Over {
        /// First hop after it, to about 0.1 s.
        hop_idx: u64,
    },
}

/// Listens for repetitions.
#[derive(Clone, Debug)]
pub(super) struct Repeats {
    printer: Printer,
    memory: Memory,
    recent: [u32; RECENT],
    n_hops: u64,
    open: Option<Open>,
}

/// A repetition that goes on. Counts of hops.
#[derive(Clone, Copy, Debug)]
struct Open {
    first: u64,
    /// Last one that was the same.
    last: u64,
    /// How many hops ago the same was heard.
    ago: u64,
    told: bool,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            printer: Printer::default(),
            memory: Memory::new(),
            recent: [0; RECENT],
            n_hops: 0,
            open: None,
        }
    }
}

impl Repeats {
    /// Takes the next hop; `loud`: above the silence level.
    pub(super) fn push(&mut self, hop: &Hop, loud: bool) -> Option<Told> {
        let print = self.printer.push(hop, loud);
        self.recent[(self.n_hops % RECENT as u64) as usize] = print.bits;
        self.n_hops += 1;
        let told = match self.open.take() {
            Some(open) => self.follow(open),
            None => {
                // Whatever is found first: a later one is looked for when this one is over.
                self.open = self.memory.like(&print).find_map(|number| self.beginning(number));
                None
            }
        };
        if self.n_hops.is_multiple_of(STEP) {
            self.memory.add(print.bits);
        }
        told
    }

    /// Forgets all.
    pub(super) fn reset(&mut self) {
        self.printer = Printer::default();
        self.memory.clear();
        self.n_hops = 0;
        self.open = None;
    }

    /// Wrong bits of the print `back` steps before the newest, when that is print `number` again.
    fn wrong(&self, number: u64, back: u64) -> u32 {
        let (Some(now), Some(then)) = (self.n_hops.checked_sub(back * STEP + 1), number.checked_sub(back))
        else {
            return QUIET_WRONG;
        };
        match (self.recent[(now % RECENT as u64) as usize], self.memory.bits(then)) {
            (0, _) | (_, 0) => QUIET_WRONG,
            (now, then) => (now ^ then).count_ones(),
        }
    }

    /// Share of wrong bits in the last `n` prints.
    fn wrong_share(&self, number: u64, n: u64) -> f32 {
        let sum: u32 = (0..n).map(|back| self.wrong(number, back)).sum();
        sum as f32 / (n * u64::from(u32::BITS)) as f32
    }

    /// The repetition that goes on now if the newest print is `number` again.
    fn beginning(&self, number: u64) -> Option<Open> {
        let ago = self.n_hops.checked_sub(number * STEP)?;
        if self.wrong_share(number, COMPARED) > WRONG_AT_FIRST {
            return None;
        }
        let (mut n_back, mut n_passed) = (0, 0);
        for back in 0..BACK_MAX {
            if self.wrong(number, back) <= WRONG_BITS {
                (n_back, n_passed) = (back, 0);
            } else if n_passed == PASSED_OVER {
                break;
            } else {
                n_passed += 1;
            }
        }
        Some(Open { first: self.n_hops - n_back * STEP, last: self.n_hops, ago, told: false })
    }

    fn follow(&mut self, mut open: Open) -> Option<Told> {
        if (self.n_hops - open.ago).is_multiple_of(STEP) {
            let number = (self.n_hops - open.ago) / STEP;
            if self.wrong(number, 0) <= WRONG_BITS {
                open.last = self.n_hops;
            }
            let is_over =
                self.n_hops - open.last > PASSED_OVER_HOPS || self.wrong_share(number, WATCHED) > WRONG_LATER;
            if is_over {
                let hop_idx = open.last.saturating_sub(END_LAG);
                return open.told.then_some(Told::Over { hop_idx });
            }
        }
        let began = !open.told && open.last >= open.first + LENGTH_MIN;
        open.told |= began;
        self.open = Some(open);
        let hop_idx = open.first.saturating_sub(START_LAG);
        began.then(|| Told::Began { hop_idx, earlier: hop_idx.saturating_sub(open.ago) })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sound that no other `seed` makes, by the hop.
    pub(in crate::activity) fn sound(seed: u32, at: u64) -> Hop {
        let mut hop = Hop::default();
        for (band, mel) in hop.log_mel.iter_mut().enumerate() {
            let mut mixed = seed.wrapping_mul(0x9e37_79b9) ^ (at as u32 / 3).wrapping_mul(0x85eb_ca6b);
            mixed = (mixed ^ (band as u32 / 3).wrapping_mul(0xc2b2_ae35)).wrapping_mul(0x27d4_eb2f);
            *mel = -3.0 + (mixed >> 8) as f32 / (1 << 24) as f32;
        }
        hop
    }

    /// What is told of pieces of `(sound, its first hop, hops)`; sound 0 is silence.
    fn told(pieces: &[(u32, u64, u64)]) -> Vec<Told> {
        let mut repeats = Repeats::default();
        let mut told = Vec::new();
        for (seed, first, n_hops) in pieces {
            for at in *first..first + n_hops {
                told.extend(repeats.push(&sound(*seed, at), *seed > 0));
            }
        }
        told
    }

    fn check(told: &[Told], expected: &[Told]) {
        assert_eq!(told.len(), expected.len(), "{told:?}, expected {expected:?}");
        for pair in told.iter().zip(expected) {
            let near = |a: &u64, b: &u64| a.abs_diff(*b) <= 15;
            let same = match pair {
                (Told::Began { hop_idx, earlier }, Told::Began { hop_idx: at, earlier: before }) => {
                    near(hop_idx, at) && near(earlier, before)
                }
                (Told::Over { hop_idx }, Told::Over { hop_idx: at }) => near(hop_idx, at),
                _ => false,
            };
            assert!(same, "{told:?}, expected {expected:?}");
        }
    }

    #[test]
    fn what_was_heard_before_is_told_with_its_edges() {
        let pieces = [(1, 0, 700), (7, 0, 400), (2, 0, 8_003), (7, 0, 400), (3, 0, 500)];
        let again = 700 + 400 + 8_003;
        let expected = [Told::Began { hop_idx: again, earlier: 700 }, Told::Over { hop_idx: again + 400 }];
        check(&told(&pieces), &expected);
    }

    #[test]
    fn a_part_of_it_is_enough_and_too_little_or_too_soon_is_not() {
        let part = [(7, 0, 600), (2, 0, 7_000), (7, 200, 300), (3, 0, 500)];
        check(&told(&part), &[Told::Began { hop_idx: 7_600, earlier: 200 }, Told::Over { hop_idx: 7_900 }]);
        check(&told(&[(7, 0, 600), (2, 0, 7_000), (7, 200, 170), (3, 0, 500)]), &[]);
        check(&told(&[(7, 0, 600), (2, 0, 4_000), (7, 0, 600), (3, 0, 500)]), &[]);
    }

    #[test]
    fn silence_is_no_repetition() {
        check(&told(&[(0, 0, 1_000), (2, 0, 7_000), (0, 0, 1_000), (3, 0, 7_000), (0, 0, 1_000)]), &[]);
    }
}
