//! Feeds into the engine alone, in this process: how long a block waits for a worker, and how many find their lane full. No
//! server, no socket, no operators: a stand-in takes the processor time that they would.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::audio::{Block, Format};
use engine::lane::{LaneConfig, LaneSender, WhenFull};
use engine::time::{MediaTime, SampleRate};
use engine::worker::{Consumer, Worker};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use super::player::{Clock, Feed, Player, Step};
use crate::failure::Failure;

/// Notes that are handed in together, if nobody reads just then.
const NOTES: usize = 64;
/// Notes that are handed in even if who reads has to be waited for.
const NOTES_MAX: usize = 1_024;

/// A feed in the engine.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Of its audio, which has one channel.
    pub rate: SampleRate,
    /// Audio in a block.
    pub block: MediaTime,
    /// Audio that may wait for the worker; more is shed.
    pub lane: Duration,
    /// Processor time that a second of audio takes.
    pub work: Duration,
    /// Until when it takes any: what waits in the lane then was taken too late in any case.
    pub until: Instant,
}

/// Where it is noted what becomes of blocks: when each was due, and how long it waited for a worker, or that it was shed.
pub trait Ledger: Send {
    /// One block.
    fn note(&mut self, due: Instant, waited: Option<Duration>);
}

/// Notes of one feed on their way to a ledger that others write to and somebody reads: nobody waits for another.
pub struct Clerk<L: Ledger> {
    noted: Vec<(Instant, Option<Duration>)>,
    ledger: Arc<Mutex<L>>,
}

impl<L: Ledger> Clerk<L> {
    /// Writes to `ledger`.
    pub fn new(ledger: &Arc<Mutex<L>>) -> Self {
        Self { noted: Vec::new(), ledger: Arc::clone(ledger) }
    }

    fn note(&mut self, due: Instant, waited: Option<Duration>) {
        self.noted.push((due, waited));
        if self.noted.len() >= NOTES_MAX {
            self.hand_in();
        } else if self.noted.len().is_multiple_of(NOTES)
            && let Ok(mut ledger) = self.ledger.try_lock()
        {
            self.noted.drain(..).for_each(|(due, waited)| ledger.note(due, waited));
        }
    }

    fn hand_in(&mut self) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        self.noted.drain(..).for_each(|(due, waited)| ledger.note(due, waited));
    }
}

impl<L: Ledger> Drop for Clerk<L> {
    fn drop(&mut self) {
        self.hand_in();
    }
}

/// Pins a feed to a worker. What it takes is noted by `clerk`.
pub fn pin<L: Ledger + 'static>(worker: &Worker, place: Place, clerk: Clerk<L>) -> LaneSender {
    let Place { rate, block, lane, work, until } = place;
    // One channel is always valid.
    let format = Format::new(rate, 1).unwrap_or(Format::SPEECH);
    let config = LaneConfig {
        format,
        block_frames: usize::try_from(block.to_frames(rate)).unwrap_or(usize::MAX),
        n_blocks: usize::try_from(lane.as_nanos().div_ceil(block.to_duration().as_nanos().max(1)))
            .unwrap_or(1),
        when_full: WhenFull::ShedAfter(Duration::ZERO),
    };
    let work = work.mul_f64(block.as_secs_f64());
    let mut consumer: Box<dyn Consumer> = Box::new(StandIn { work, until, clerk });
    loop {
        match worker.pin(config, consumer) {
            Ok(lane) => return lane,
            // It takes up so many at once, and then more.
            Err(back) => consumer = back,
        }
        std::thread::yield_now();
    }
}

/// Plays into `lane` until `end` is true. What finds it full is noted by `clerk`.
pub async fn play<L: Ledger>(
    feed: Feed,
    lane: LaneSender,
    mut clerk: Clerk<L>,
    mut end: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut player = Player::new(feed, Clock::Counted)?;
    player.begin();
    let mut samples = Vec::new();
    let mut ended = pin!(end.wait_for(|end| *end));
    loop {
        tokio::select! {
            biased;
            // Where nobody is left to say it, it is the end, too.
            _ = ended.as_mut() => return Ok(()),
            // There is no connection to cut.
            Step::Send | Step::Reconnect = player.next() => {}
        }
        while let Some(outgoing) = player.outbox.front() {
            let due = outgoing.due();
            match lane.take() {
                Some(mut block) => {
                    // It carries when it was due where receivers say when it came.
                    block.restart(MediaTime::ZERO, outgoing.idx * block.capacity() as u64, due);
                    decode(&outgoing.bytes, &mut samples);
                    block.extend_interleaved(&samples);
                    lane.send(block);
                }
                None => clerk.note(due, None),
            }
            player.sent();
        }
    }
}

/// Samples of 16 bits, little-endian.
fn decode(bytes: &[u8], samples: &mut Vec<f32>) {
    samples.clear();
    let (pairs, _) = bytes.as_chunks::<2>();
    samples.extend(pairs.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32_768.0));
}

/// Takes blocks, and the time of a processor.
struct StandIn<L: Ledger> {
    /// For a block.
    work: Duration,
    until: Instant,
    clerk: Clerk<L>,
}

impl<L: Ledger> Consumer for StandIn<L> {
    fn consume(&mut self, block: &Block) {
        let due = block.received_at();
        let now = Instant::now();
        self.clerk.note(due, Some(now.saturating_duration_since(due)));
        if !self.work.is_zero() && now < self.until {
            let until = processor_time() + self.work;
            while processor_time() < until {
                std::hint::spin_loop();
            }
        }
    }

    /// The rest is handed in when this is dropped.
    fn finish(&mut self) {}

    fn failed(&mut self, _: &str) {}
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::task::LocalSet;

    use super::*;
    use crate::scenario::Trouble;
    use crate::transport::testing::{self, PIECE};

    #[derive(Default)]
    struct Book {
        waited: Vec<(Instant, Duration)>,
        n_shed: u64,
    }

    impl Ledger for Book {
        fn note(&mut self, due: Instant, waited: Option<Duration>) {
            match waited {
                Some(waited) => self.waited.push((due, waited)),
                None => self.n_shed += 1,
            }
        }
    }

    const LANE: Duration = Duration::from_secs(2);
    const BLOCK: MediaTime = MediaTime::from_millis(2);

    /// Plays the feed until `is_enough`. Answers what was noted, how many pieces were sent, and when the first was due.
    fn check(
        work: Duration,
        lane: Duration,
        trouble: Option<Trouble>,
        is_enough: fn(&Book) -> bool,
    ) -> (Book, u64) {
        let (setup, feed, _told) = testing::feed();
        trouble.into_iter().for_each(|trouble| setup.weather.set(trouble).unwrap());
        let book = Arc::new(Mutex::new(Book::default()));
        let worker = Worker::spawn("dsp").unwrap();
        let until = Instant::now() + Duration::from_secs(3_600);
        let place = Place { rate: SampleRate::HZ_16000, block: BLOCK, lane, work, until };
        let lane = pin(&worker, place, Clerk::new(&book));
        let (end, ended) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let watching = async {
                while !is_enough(&book.lock().unwrap()) {
                    tokio::task::yield_now().await;
                }
                end.send(true).unwrap();
            };
            tokio::join!(play(feed, lane, Clerk::new(&book), ended), watching).0.unwrap();
        });
        // It ends with its last block.
        drop(worker);
        let book = std::mem::take(&mut *book.lock().unwrap());
        (book, setup.punctuality.count().n_pieces)
    }

    #[test]
    fn each_block_is_taken_once_and_it_is_known_when_it_was_due() {
        let (book, n_pieces) = check(Duration::ZERO, LANE, None, |book| book.waited.len() >= 2 * NOTES);
        assert_eq!((book.waited.len() as u64, book.n_shed), (n_pieces, 0));
        let dues: Vec<Instant> = book.waited.iter().map(|(due, _)| *due).collect();
        assert!(dues.windows(2).all(|pair| pair[1] - pair[0] == PIECE), "{dues:?}");
    }

    #[test]
    fn a_worker_that_cannot_keep_up_sheds_and_everything_is_accounted_for() {
        // A block of 2 ms takes 20 ms, and ten may wait.
        let (work, lane) = (Duration::from_secs(10), PIECE * 10);
        let (book, n_pieces) = check(work, lane, None, |book| book.n_shed >= NOTES as u64);
        assert_eq!(book.waited.len() as u64 + book.n_shed, n_pieces);
    }

    #[test]
    fn a_burst_was_due_when_it_was_let_go() {
        let burst = Trouble::Burst(PIECE * 10);
        let (book, _) = check(Duration::ZERO, LANE, Some(burst), |book| book.waited.len() >= NOTES);
        let first = book.waited[0].0;
        let n_at_once = book.waited.iter().filter(|(due, _)| *due == first).count();
        assert!(n_at_once >= 10, "{n_at_once}");
    }
}
