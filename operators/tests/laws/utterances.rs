//! The four laws for `Utterances`, which take hops and lend audio.

use std::f32::consts::TAU;

use engine::operator::Chain;
use engine::time::MediaTime;
use operators::{Ask, AskHead, FrontEnd, Hop, Purpose, Speech, UtteranceConfig, Utterances, hop_time};

use crate::law::{self, Emitted};
use crate::signal::{Audio, Random};

impl Emitted for Ask {
    type Log = Vec<(AskHead, Vec<f32>)>;

    fn record(&self, log: &mut Self::Log) {
        let pcm = self.pcm();
        let lends_none = matches!(self.head.purpose, Purpose::Abandon | Purpose::Onset | Purpose::Settled(_));
        assert_eq!(pcm.is_empty(), lends_none);
        log.push((self.head, pcm));
    }

    fn due(&self) -> MediaTime {
        self.head.proof
    }
}

/// Bursts of noisy speech with pauses of every kind, long enough for forced cuts.
fn talk() -> Vec<Hop> {
    let mut random = Random::new(3);
    let bursts =
        [(100, 60), (3, 20), (700, 25), (400, 200), (150, 22), (30, 90), (900, 10), (800, 5), (60, 500)];
    let voiced = bursts.iter().flat_map(|&(speech, pause)| (0..speech + pause).map(move |at| at < speech));
    let hop = |(at, is_voiced): (u64, bool)| {
        let mut hop = Hop { start: MediaTime::from_flicks(hop_time().flicks() * at), ..Hop::default() };
        hop.pcm.fill_with(|| random.unit());
        hop.speech = if is_voiced { 0.9 } else { 0.2 } + 0.1 * random.unit();
        hop.power_db = -30.0 + 10.0 * random.unit();
        hop
    };
    (100..).zip(voiced).map(hop).collect()
}

#[test]
fn utterances() {
    let settling = UtteranceConfig { settle: Some(MediaTime::from_millis(200)), ..UtteranceConfig::live() };
    for config in [UtteranceConfig::live(), UtteranceConfig::batch(), settling] {
        law::all(|| Utterances::new(&config).unwrap(), &talk());
    }
}

/// Three bursts of buzzing syllables, which earshot takes for speech.
fn syllables() -> Audio {
    let buzz = |t: f32| (1..20).map(|n| (t * 120.0 * n as f32 * TAU).sin() / n as f32).sum::<f32>();
    let voice = move |t: f32, _| 0.3 * (t * 4.0 * TAU / 2.0).sin().powi(2) * buzz(t);
    let hush = |_, _| 0.0;
    Audio::new(16_000, 1).then(0.3, hush).then(2.4, voice).then(0.7, hush).then(1.3, voice).then(0.5, hush)
}

#[test]
fn speech() {
    let make = || Chain::new(FrontEnd::new().unwrap(), Speech::new(&UtteranceConfig::live()).unwrap());
    law::all(make, &syllables());
}
