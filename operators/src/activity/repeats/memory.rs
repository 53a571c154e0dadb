//! What was heard in the last 43 minutes, as prints that can be looked up.

use super::print::Print;

/// Prints that are remembered, four hops apart: 43 minutes. With their index 0.4 MB.
const MEMORY: usize = 1 << u16::BITS;
/// Prints younger than this are not found, 60 s: music repeats itself at once, a station later.
const AGE_MIN: u64 = 1_500;

/// Every fourth print, numbered from 1.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    prints: Vec<u32>,
    /// Place of a print with these bits, by a hash of them: the newest that is old enough. What is in that place by now
    /// may be another print: one with these bits, if it is old enough, has its own place here.
    index: Vec<u16>,
    newest: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { prints: vec![0; MEMORY], index: vec![0; MEMORY], newest: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.prints.fill(0);
        self.index.fill(0);
        self.newest = 0;
    }

    /// Remembers the next print.
    pub(super) fn add(&mut self, bits: u32) {
        self.newest += 1;
        self.prints[place(self.newest)] = bits;
        let old_enough = self.newest.saturating_sub(AGE_MIN);
        let bits = self.bits(old_enough);
        if bits != 0 {
            self.index[hash(bits)] = place(old_enough) as u16;
        }
    }

    /// Bits of a print; 0 where it is quiet or forgotten.
    pub(super) fn bits(&self, number: u64) -> u32 {
        let is_there = number > 0 && number <= self.newest && self.newest - number < MEMORY as u64;
        if is_there { self.prints[place(number)] } else { 0 }
    }

    /// Number of the newest print in a place; 0 where there is none.
    fn newest_in(&self, place: u16) -> u64 {
        let age = (self.newest as u16).wrapping_sub(place);
        self.newest.saturating_sub(u64::from(age))
    }

    /// Earlier prints that are like `print`, but for doubtful bits.
    pub(super) fn like(&self, print: &Print) -> impl Iterator<Item = u64> {
        let flipped = |choice: u32| {
            let chosen = print.doubtful.iter().enumerate().filter(move |(i, _)| choice >> i & 1 == 1);
            chosen.fold(print.bits, |bits, (_, mask)| bits ^ mask)
        };
        let choices = if print.bits == 0 { 0..0 } else { 0..1 << print.doubtful.len() };
        choices.filter_map(move |choice| {
            let bits = flipped(choice);
            let number = self.newest_in(self.index[hash(bits)]);
            let is_old_enough = number + AGE_MIN <= self.newest;
            (bits != 0 && is_old_enough && self.bits(number) == bits).then_some(number)
        })
    }
}

fn place(number: u64) -> usize {
    (number % MEMORY as u64) as usize
}

/// Fibonacci hashing.
fn hash(bits: u32) -> usize {
    (bits.wrapping_mul(0x9e37_79b9) >> (32 - MEMORY.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_are_found_after_a_minute_and_until_they_are_forgotten() {
        let mut memory = Memory::new();
        let sought = Print { bits: 0b1010, doubtful: [1, 2, 4] };
        let found = |memory: &Memory| memory.like(&sought).collect::<Vec<_>>();
        memory.add(0b1010);
        memory.add(0b1100);
        for n in 0..AGE_MIN - 2 {
            memory.add(1 << 20 | n as u32);
        }
        assert_eq!(found(&memory), [0; 0]);
        memory.add(0);
        memory.add(0);
        assert_eq!(found(&memory), [1, 2], "itself, and with two doubtful bits turned");
        assert_eq!((memory.bits(1), memory.bits(2), memory.bits(0)), (0b1010, 0b1100, 0));
        for n in 0..MEMORY as u64 {
            memory.add(1 << 21 | n as u32);
        }
        assert_eq!(found(&memory), [0; 0]);
        assert_eq!(memory.bits(1), 0);
    }

    #[test]
    fn a_young_print_in_the_place_of_an_old_one_is_not_found() {
        let mut memory = Memory::new();
        let sought = Print { bits: 0b1010, doubtful: [1, 2, 4] };
        memory.add(sought.bits);
        for n in 0..MEMORY as u64 - 1 {
            memory.add(1 << 21 | n as u32);
        }
        memory.add(sought.bits);
        let found = |memory: &Memory| memory.like(&sought).collect::<Vec<_>>();
        for n in 0..AGE_MIN - 1 {
            memory.add(1 << 22 | n as u32);
        }
        assert_eq!((memory.newest, found(&memory)), (MEMORY as u64 + AGE_MIN, vec![]));
        memory.add(0);
        assert_eq!(found(&memory), [MEMORY as u64 + 1]);
    }
}
