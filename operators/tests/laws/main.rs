//! The four laws, kept by every operator: a new one adds its line here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod law;
mod pilot_tone;
mod signal;
mod utterances;

use engine::operator::Operator;
use engine::time::MediaTime;
use operators::{
    Activity, ActivityConfig, DeadAir, DeadAirConfig, Downmix, FrontEnd, Hop, Kinds, Levels, LevelsConfig,
    Loudness, LoudnessConfig, LoudnessTarget, Meters, MonoConfig, Resample, Sanitise, Voice, VoiceConfig,
};
use signal::{Audio, BLOCK_FRAMES, Signal as _};

#[test]
fn sanitise() {
    let signal = Audio::eventful(8_000, 2).then(0.1, |t, _| if t > 0.05 { f32::NAN } else { 1e-42 });
    law::all(|| Sanitise::new(signal.format(), BLOCK_FRAMES / 3).unwrap(), &signal);
}

#[test]
fn dead_air() {
    let config = DeadAirConfig { open_after: MediaTime::from_millis(500), ..DeadAirConfig::default() };
    for signal in [Audio::eventful(8_000, 2), Audio::eventful(11_025, 1)] {
        law::all(|| DeadAir::new(signal.format(), config).unwrap(), &signal);
    }
}

#[test]
fn levels() {
    let mut config = LevelsConfig { mono: Some(MonoConfig::default()), ..LevelsConfig::default() };
    let half = MediaTime::from_millis(500);
    config.phase.as_mut().unwrap().open_after = half;
    config.mono.as_mut().unwrap().open_after = half;
    config.channel_lost.as_mut().unwrap().open_after = half;
    for signal in [Audio::eventful(8_000, 2), Audio::eventful(11_025, 1), Audio::eventful(8_000, 6)] {
        law::all(|| Levels::new(signal.format(), config).unwrap(), &signal);
    }
}

#[test]
fn downmix() {
    let signal = Audio::eventful(44_100, 6);
    law::all(|| Downmix::new(signal.format(), BLOCK_FRAMES).unwrap(), &signal);
}

#[test]
fn resample() {
    for rate_hz in [48_000, 44_100, 16_000, 8_000, 47_999, 12_345] {
        let signal = Audio::eventful(rate_hz, 1);
        law::all(|| Resample::new(signal.format().rate()).unwrap(), &signal);
    }
}

#[test]
fn front_end() {
    law::all(|| FrontEnd::new().unwrap(), &Audio::eventful(16_000, 1));
}

#[test]
fn loudness() {
    let mut target = LoudnessTarget::EBU_R128;
    target.open_after = MediaTime::from_millis(500);
    let config = LoudnessConfig { meters: Meters::TenHertz, target: Some(target), ..Default::default() };
    for signal in [Audio::eventful(8_000, 2), Audio::eventful(11_025, 1), Audio::eventful(8_000, 5)] {
        law::all(|| Loudness::new(signal.format(), config).unwrap(), &signal);
    }
}

#[test]
fn kinds_and_activity() {
    let mut voice = Voice::new(VoiceConfig::default()).unwrap();
    let mut heard = Vec::new();
    for hop in &hops() {
        voice.push(hop, &mut |hop: &Hop| heard.push(hop.clone()));
    }
    let (mut kinds, mut known) = (Kinds::default(), Vec::new());
    for hop in &heard {
        kinds.push(hop, &mut |hop: &Hop| known.push(hop.clone()));
    }
    law::all(Kinds::default, &heard);
    law::all(|| Activity::new(ActivityConfig::default()).unwrap(), &known);
}

#[test]
fn voice() {
    law::all(|| Voice::new(VoiceConfig::default()).unwrap(), &hops());
}

/// Hops of eventful audio.
fn hops() -> Vec<Hop> {
    let mut front_end = FrontEnd::new().unwrap();
    let mut hops = Vec::new();
    Audio::eventful(16_000, 1).each(&mut || BLOCK_FRAMES, &mut |block, _| {
        front_end.push(block, &mut |hop: &Hop| hops.push(hop.clone()));
    });
    hops
}
