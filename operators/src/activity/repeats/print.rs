//! Prints of the sound: 32 bits that survive coding and a shift within a hop, after Haitsma and Kalker, "A highly robust
//! audio fingerprinting system" (ISMIR 2002): signs of how differences between bands change.

use crate::hop::{Hop, N_MELS};

/// Bands, one more than bits; two mel bands each, up to about 5 kHz.
const N_BANDS: usize = 33;
const MELS_PER_BAND: usize = 2;
/// Hops that are averaged, and between the averages that are compared, 80 ms.
const SMOOTH: usize = 8;
/// Hops of which a print is made.
const SUPPORT: usize = 2 * SMOOTH;
/// Loud hops that a print needs among them.
const LOUD_MIN: usize = 12;
/// Mel bands below this are all the same, log10 of power.
const MEL_MIN: f32 = -6.5;
/// Bits that are doubtful: those nearest to the other sign.
pub(super) const N_DOUBTFUL: usize = 3;

/// The print of a hop and those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Print {
    /// Its bits; 0 where it is quiet, which no other print is.
    pub(super) bits: u32,
    /// One bit each.
    pub(super) doubtful: [u32; N_DOUBTFUL],
}

/// Makes prints.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    bands: [[f32; N_BANDS]; SUPPORT],
    loud: [bool; SUPPORT],
    at: usize,
}

impl Default for Printer {
    fn default() -> Self {
        Self { bands: [[MEL_MIN; N_BANDS]; SUPPORT], loud: [false; SUPPORT], at: 0 }
    }
}

impl Printer {
    /// Takes the next hop.
    pub(super) fn push(&mut self, hop: &Hop, loud: bool) -> Print {
        const { assert!(N_BANDS * MELS_PER_BAND <= N_MELS) };
        for (band, mels) in self.bands[self.at].iter_mut().zip(hop.log_mel.chunks_exact(MELS_PER_BAND)) {
            *band = mels.iter().map(|mel| mel.max(MEL_MIN)).sum();
        }
        self.loud[self.at] = loud;
        self.at = (self.at + 1) % SUPPORT;
        if self.loud.iter().filter(|loud| **loud).count() < LOUD_MIN {
            return Print::default();
        }
        self.print()
    }

    fn print(&self) -> Print {
        // The newest half less the half before it.
        let mut change = [0.0; N_BANDS];
        for age in 0..SUPPORT {
            let bands = &self.bands[(self.at + SUPPORT - 1 - age) % SUPPORT];
            let sign = if age < SMOOTH { 1.0 } else { -1.0 };
            for (change, band) in change.iter_mut().zip(bands) {
                *change += sign * band;
            }
        }
        let mut print = Print::default();
        let mut least = [f32::INFINITY; N_DOUBTFUL];
        for (bit, pair) in change.windows(2).enumerate() {
            let slope = pair[0] - pair[1];
            let mask = 1 << bit;
            print.bits |= if slope > 0.0 { mask } else { 0 };
            if let Some(rank) = least.iter().position(|other| slope.abs() < *other) {
                least[rank..].rotate_right(1);
                print.doubtful[rank..].rotate_right(1);
                (least[rank], print.doubtful[rank]) = (slope.abs(), mask);
            }
        }
        print.bits = print.bits.max(1);
        print
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hops whose spectrum wanders; `level` shifts all bands.
    fn hop(at: usize, level: f32) -> Hop {
        let mut hop = Hop::default();
        for (band, mel) in hop.log_mel.iter_mut().enumerate() {
            *mel = level - 2.0 + (0.37 * at as f32 + 0.9 * band as f32).sin();
        }
        hop
    }

    #[test]
    fn a_print_does_not_depend_on_level_and_quiet_has_none() {
        let (mut printer, mut louder) = (Printer::default(), Printer::default());
        for at in 0..40 {
            let (print, other) = (printer.push(&hop(at, 0.0), true), louder.push(&hop(at, 1.0), true));
            assert_eq!(print.bits == 0, at + 1 < LOUD_MIN, "hop {at}");
            if at >= SUPPORT {
                assert!((print.bits ^ other.bits).count_ones() <= 1, "hop {at}: {print:?} {other:?}");
                let doubtful = print.doubtful.iter().fold(0, |all, bit| all | bit);
                assert_eq!(doubtful.count_ones() as usize, N_DOUBTFUL);
            }
        }
        let quiet: Vec<u32> = (0..SUPPORT).map(|at| printer.push(&hop(at, 0.0), false).bits).collect();
        assert_eq!(quiet[SUPPORT - 1], 0);
    }
}
