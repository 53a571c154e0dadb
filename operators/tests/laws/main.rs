//! The four laws, kept by every operator: a new one adds its line here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod law;
mod signal;

use operators::Sanitise;
use signal::{Audio, BLOCK_FRAMES};

#[test]
fn sanitise() {
    let signal = Audio::eventful(8_000, 2).then(0.1, |t, _| if t > 0.05 { f32::NAN } else { 1e-42 });
    law::all(|| Sanitise::new(signal.format(), BLOCK_FRAMES / 3).unwrap(), &signal);
}
