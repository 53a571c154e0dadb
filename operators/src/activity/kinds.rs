//! Kinds: what kind of sound a hop lies in, from a small net. No segments.

use engine::operator::{Emit, Operator};
use engine::time::MediaTime;

use super::features::Features;
use super::{MUSIC, net};
use crate::hop::Hop;

/// Hops with `speech` filled in, the same hops out at once with `kinds` and `music` filled: what the newest look, ten
/// times a second, said of the 100 ms that began half a second ago.
#[derive(Default)]
pub struct Kinds {
    features: Features,
    hop: Hop,
}

impl Operator for Kinds {
    type In = Hop;
    type Out = Hop;

    fn push(&mut self, hop: &Hop, out: &mut dyn Emit<Hop>) {
        let mut kinds = self.hop.kinds;
        if let Some(look) = self.features.push(hop) {
            kinds = net::probabilities(look);
        }
        self.hop.clone_from(hop);
        self.hop.kinds = kinds;
        self.hop.music = kinds[MUSIC] - hop.speech;
        out.emit(&self.hop);
    }

    fn reset(&mut self) {
        self.features.reset();
        self.hop.kinds = Hop::default().kinds;
    }

    /// None: a hop is told at once, by what is known at its end.
    fn latency(&self) -> MediaTime {
        MediaTime::ZERO
    }
}
