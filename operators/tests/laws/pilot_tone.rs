//! The four laws for the worked example of docs/writing-an-operator.md, and what it finds.

#[path = "../../examples/pilot_tone/tone.rs"]
mod tone;

use std::f32::consts::TAU;

use engine::audio::Format;
use engine::operator::Operator;
use engine::time::{MediaTime, SampleRate};
use tone::{PilotTone, PilotToneConfig, Turn};

use crate::law::{self, Emitted};
use crate::signal::{Audio, BLOCK_FRAMES, Random, Signal};

const CONFIG: PilotToneConfig = PilotToneConfig { hz: 440.0, share_min: 0.3 };

// [laws]
impl Emitted for Turn {
    type Log = Vec<Turn>;

    fn record(&self, log: &mut Vec<Turn>) {
        log.push(*self);
    }

    fn due(&self) -> MediaTime {
        self.proof
    }
}

#[test]
fn it_keeps_the_four_laws() {
    for signal in [Audio::eventful(8_000, 2), Audio::eventful(11_025, 1)] {
        law::all(|| PilotTone::new(signal.format(), CONFIG).unwrap(), &signal);
    }
}
// [/laws]

/// When the tone came and went, ms since the start of `signal`.
fn turns(signal: &Audio) -> Vec<(bool, u64)> {
    let mut pilot = PilotTone::new(signal.format(), CONFIG).unwrap();
    let (mut start, mut turns) = (None, Vec::new());
    signal.each(&mut || BLOCK_FRAMES, &mut |block, _| {
        let start = *start.get_or_insert(block.time_of(0));
        pilot.push(block, &mut |turn: &Turn| {
            turns.push((turn.is_there, turn.proof.saturating_sub(start).as_millis()))
        });
    });
    turns
}

#[test]
fn it_comes_and_goes_and_another_tone_is_not_it() {
    let mut random = Random::new(3);
    let mut noise = move || 0.05 * random.unit();
    let tone = |hz: f32, t: f32| 0.1 * (t * hz * TAU).sin();
    let signal = Audio::new(8_000, 1)
        .then(1.0, |_, _| noise())
        .then(1.0, |t, _| tone(440.0, t))
        .then(1.0, |t, _| tone(640.0, t))
        .then(1.0, |_, _| 0.0);
    // Five windows of 20 ms each time.
    assert_eq!(turns(&signal), [(true, 1_100), (false, 2_100)]);
}

#[test]
fn what_cannot_be_listened_for_is_refused() {
    let format = Format::new(SampleRate::new(8_000).unwrap(), 1).unwrap();
    for config in [
        PilotToneConfig { hz: 4_000.0, ..CONFIG },
        PilotToneConfig { hz: f64::NAN, ..CONFIG },
        PilotToneConfig { share_min: 0.0, ..CONFIG },
    ] {
        assert!(PilotTone::new(format, config).is_err(), "{config:?}");
    }
}
