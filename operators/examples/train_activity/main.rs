//! Trains the model of `Activity` and writes `operators/src/activity/model.rs`: `make train-activity`.
//!
//! Usage: `train_activity FOLDER MODEL` with the folder that `operators/train/fetch.sh` filled. The same audio gives
//! the same file on the same machine: everything is seeded and runs on one thread.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a tool for developers")]

mod mix;
mod net;
mod random;
mod write;

use std::path::Path;
use std::time::Instant;

use engine::audio::{Block, Format};
use engine::operator::{Chain, Operator};
use engine::time::MediaTime;
use operators::{Features, FrontEnd, Hop, Voice, VoiceConfig};

use mix::{Label, Part, Pool, Programme};
use net::{Example, N_KINDS, Net};
use random::Random;

/// Programmes to train on and to judge by, seconds of each, and passes over the examples.
const N_TRAIN: usize = 160;
const N_JUDGE: usize = 30;
const PROGRAMME_SECS: usize = 240;
const N_EPOCHS: usize = 16;
/// Looks this many hops after a change of kind, or shortly before one, count several times: edges matter.
const CHANGE_HOPS: usize = 80;
const CHANGE_WEIGHT: usize = 4;
/// Hops of a block, and from the newest hop of a look to the middle of what it is about.
const BLOCK_FRAMES: usize = 1_600;
const MIDDLE_HOPS: usize = 45;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(model)) = (args.next(), args.next()) else {
        return Err("usage: train_activity FOLDER MODEL".into());
    };
    let mut random = Random(1);
    let train = examples(&Pool::read(Path::new(&folder), Part::Train)?, N_TRAIN, &mut random)?;
    let judge = examples(&Pool::read(Path::new(&folder), Part::Judge)?, N_JUDGE, &mut random)?;
    eprintln!("{} examples to train on, {} to judge by", train.len(), judge.len());
    let mut net = Net::new(&train, &mut random);
    net.train(&train, N_EPOCHS, &mut random);
    let recalls = [recalls(&net, &train), recalls(&net, &judge)];
    eprintln!("recall of speech, music, noise: {:.3?} trained on, {:.3?} not", recalls[0], recalls[1]);
    write::model(Path::new(&model), &net, [train.len(), judge.len()], recalls)
}

/// Looks at `n` made programmes and what they should be taken for.
fn examples(pool: &Pool, n: usize, random: &mut Random) -> Result<Vec<Example>, Box<dyn std::error::Error>> {
    let mut examples = Vec::new();
    for _ in 0..n {
        let programme = Programme::make(pool, PROGRAMME_SECS, random);
        let mut hear = Chain::new(FrontEnd::new()?, Voice::new(VoiceConfig::default())?);
        let (mut features, mut n_hops) = (Features::default(), 0);
        let mut look_at = |hop: &Hop| {
            n_hops += 1;
            if let Some(look) = features.push(hop) {
                let at = n_hops - MIDDLE_HOPS;
                let label = programme.labels[at];
                let near = at.saturating_sub(CHANGE_HOPS)..(at + 20).min(programme.labels.len());
                let n_times =
                    if programme.labels[near].iter().all(|l| *l == label) { 1 } else { CHANGE_WEIGHT };
                if label != Label::Silence {
                    examples.extend(std::iter::repeat_n((*look, label as usize), n_times));
                }
            }
        };
        #[allow(clippy::disallowed_methods, reason = "no operator looks at it")]
        let mut block = Block::new(Format::SPEECH, BLOCK_FRAMES, Instant::now());
        for (i, piece) in programme.samples.chunks(BLOCK_FRAMES).enumerate() {
            block.restart(MediaTime::ZERO, (i * BLOCK_FRAMES) as u64, block.received_at());
            block.extend_planar(&[piece]);
            hear.push(&block, &mut look_at);
        }
    }
    Ok(examples)
}

/// Share of each kind's examples that are taken for it.
fn recalls(net: &Net, examples: &[Example]) -> [f32; N_KINDS] {
    let (mut n_right, mut n_all) = ([0.0; N_KINDS], [0.0; N_KINDS]);
    for (look, kind) in examples {
        let p = net.probabilities(look);
        let best = (0..N_KINDS).max_by(|a, b| p[*a].total_cmp(&p[*b]));
        n_all[*kind] += 1.0;
        n_right[*kind] += f32::from(u8::from(best == Some(*kind)));
    }
    std::array::from_fn(|kind| n_right[kind] / n_all[kind])
}
