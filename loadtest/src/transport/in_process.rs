//! Feeds into the engine alone: what it costs a block to cross a lane to a worker, with N feeds. No server, no socket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::audio::{Block, Format};
use engine::lane::{LaneConfig, LaneSender, WhenFull};
use engine::time::MediaTime;
use engine::worker::{Consumer, Worker};
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::measure::{Generator, Latencies};
use crate::pace::{Pacer, Punctuality, Timeline, now};
use crate::programme::Programme;

/// What is played into the engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineLoad {
    /// Feeds, evenly pinned to the workers.
    pub n_feeds: usize,
    /// Threads.
    pub n_workers: usize,
    /// Audio in a block.
    pub block: Duration,
    /// Blocks that may wait in a lane.
    pub n_blocks: usize,
    /// Blocks that each feed plays.
    pub n_plays: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// From when a block was due until a worker took it; what was shed never was.
    pub latencies: Latencies,
    /// Blocks that found their lane full.
    pub n_shed: u64,
    /// How punctual this program was.
    pub generator: Generator,
}

/// Plays to its end, on the calling thread's local set of tokio.
pub async fn play(load: EngineLoad, programme: &Programme) -> Result<Crossing, Failure> {
    let taken = Arc::new(Mutex::new(Latencies::new()));
    let spawn =
        |n| Worker::spawn(&format!("dsp-{n}")).map_err(|error| Failure::runtime("start a worker", error));
    let workers = (0..load.n_workers.max(1)).map(spawn).collect::<Result<Vec<_>, _>>()?;
    let samples: Arc<[f32]> = programme.samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let punctuality = Punctuality::new();
    let piece = MediaTime::from_frames(block_frames(&load, programme) as u64, programme.rate);
    let start = now();
    let mut feeds = JoinSet::new();
    for feed_idx in 0..load.n_feeds {
        let Some(worker) = workers.get(feed_idx % workers.len()) else { continue };
        let lane = pin(worker, &load, programme, &taken).await;
        let phase = piece.to_duration().mul_f64(feed_idx as f64 / load.n_feeds as f64);
        // Whoever is pinned late begins late: pinning is not measured.
        let begin = start.max(now()) + phase;
        let pacer = Pacer::new(Timeline::new(begin, piece), punctuality.clone());
        feeds.spawn_local(feed(pacer, lane, Arc::clone(&samples), load.n_plays));
    }
    let n_shed = feeds.join_all().await.into_iter().sum();
    // Workers end when their lanes are closed and empty, and consumers hand in what they noted.
    drop(workers);
    let mut latencies = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (0..n_shed).for_each(|_| latencies.record_never());
    Ok(Crossing { latencies, n_shed, generator: punctuality.count() })
}

fn block_frames(load: &EngineLoad, programme: &Programme) -> usize {
    let frames = load.block.as_nanos() * u128::from(programme.rate.hz()) / 1_000_000_000;
    usize::try_from(frames).unwrap_or(usize::MAX).max(1)
}

/// A worker takes up so many feeds at once, and then more.
async fn pin(
    worker: &Worker,
    load: &EngineLoad,
    programme: &Programme,
    taken: &Arc<Mutex<Latencies>>,
) -> LaneSender {
    // One channel is always valid.
    let format = Format::new(programme.rate, 1).unwrap_or(Format::SPEECH);
    let config = LaneConfig {
        format,
        block_frames: block_frames(load, programme),
        n_blocks: load.n_blocks,
        when_full: WhenFull::ShedAfter(Duration::ZERO),
    };
    let mut clerk: Box<dyn Consumer> = Box::new(Clerk { noted: Latencies::new(), taken: Arc::clone(taken) });
    loop {
        match worker.pin(config, clerk) {
            Ok(lane) => return lane,
            Err(back) => clerk = back,
        }
        tokio::task::yield_now().await;
    }
}

/// Blocks that were shed.
async fn feed(mut pacer: Pacer, lane: LaneSender, samples: Arc<[f32]>, n_plays: u64) -> u64 {
    let mut n_shed = 0;
    let mut at = 0;
    for _ in 0..n_plays {
        let turn = pacer.next().await;
        let Some(mut block) = lane.take() else {
            n_shed += 1;
            continue;
        };
        // A block carries when it was due where receivers say when it came.
        block.restart(MediaTime::ZERO, turn.idx * block.capacity() as u64, turn.due);
        at = fill(&mut block, &samples, at);
        lane.send(block);
    }
    n_shed
}

/// Round and round; where it goes on.
fn fill(block: &mut Block, samples: &[f32], mut at: usize) -> usize {
    while block.n_frames() < block.capacity() && !samples.is_empty() {
        at += block.extend_interleaved(samples.get(at..).unwrap_or_default());
        at %= samples.len();
    }
    at
}

/// Notes when each block was taken.
struct Clerk {
    noted: Latencies,
    taken: Arc<Mutex<Latencies>>,
}

impl Consumer for Clerk {
    fn consume(&mut self, block: &Block) {
        self.noted.record(Instant::now().saturating_duration_since(block.received_at()));
    }

    fn finish(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).merge(&self.noted);
    }

    fn failed(&mut self, _: &str) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::task::LocalSet;

    use super::*;
    use crate::transport::testing;

    #[tokio::test]
    async fn each_block_of_each_feed_crosses_or_is_shed() {
        let (programme, _) = testing::programme();
        // More feeds than a worker takes up at once.
        let (n_feeds, n_plays) = (150, 4);
        let block = Duration::from_millis(2);
        let load = EngineLoad { n_feeds, n_workers: 2, block, n_blocks: 8, n_plays };
        let crossing = LocalSet::new().run_until(play(load, &programme)).await.unwrap();
        let n_blocks = n_feeds as u64 * n_plays;
        assert_eq!((crossing.latencies.count(), crossing.generator.n_pieces), (n_blocks, n_blocks));
        assert_eq!(crossing.latencies.n_never(), crossing.n_shed);
    }

    #[test]
    fn blocks_go_round() {
        let samples = [1.0, 2.0, 3.0];
        let mut at = 0;
        let mut blocks = Vec::new();
        for _ in 0..3 {
            let mut block = Block::spare(Format::SPEECH, 4);
            at = fill(&mut block, &samples, at);
            blocks.push(block.channel(0).to_vec());
        }
        assert_eq!(blocks.concat(), [1.0, 2.0, 3.0].repeat(4));
    }
}
