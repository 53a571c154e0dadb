//! The pool: recogniser threads, a bounded queue of finals, and one slot a feed for its newest partial.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, select};
use crossbeam::queue::ArrayQueue;
use engine::event::GapReason;
use engine::lane::WhenFull;
use engine::time::SampleRate;
use models::{Recognizer, Transcription};
use operators::{Ask, AskHead, BuildError, DecodePolicy, Decoder, Outcome, Purpose};

use crate::publish::{Item, Passage, Post};

/// How recognition is queued.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Finals that may wait. More are waited for or shed, by `when_full`.
    pub finals_max: usize,
    /// What a feed does when too many finals wait.
    pub when_full: WhenFull,
    /// Guards and retries.
    pub policy: DecodePolicy,
}

/// The answer to a request, and the way it took.
#[derive(Debug)]
pub struct Heard {
    /// What was asked for.
    pub head: AskHead,
    /// Rate of the feed's own audio.
    pub rate: SampleRate,
    /// What came of it.
    pub answer: Answer,
    /// When what happened.
    pub passage: Passage,
}

/// What came of a request.
#[derive(Debug)]
pub enum Answer {
    /// It was decoded.
    Decoded {
        /// How it went.
        outcome: Outcome,
        /// The words, where there are any.
        transcription: Transcription,
        /// Model that heard them.
        model: Arc<str>,
    },
    /// It was not: shed, or the recogniser failed.
    Lost(GapReason),
}

struct Job {
    head: AskHead,
    pcm: Vec<f32>,
    taken_at: Instant,
    asked_at: Instant,
    feed: Arc<Feed>,
}

impl Job {
    fn answer(&self, answer: Answer, began_at: Instant) {
        let passage = Passage {
            taken_at: Some(self.taken_at),
            stated_at: self.asked_at,
            queued: Some(began_at.saturating_duration_since(self.asked_at)),
            recognised: Some(began_at.elapsed()),
        };
        let heard = Heard { head: self.head, rate: self.feed.rate, answer, passage };
        self.feed.post.send(Item::Heard(Box::new(heard)));
    }
}

/// What the pool knows of a feed.
struct Feed {
    rate: SampleRate,
    partial: ArrayQueue<Job>,
    /// Speculation that nobody waits for any more.
    abandoned: AtomicU64,
    /// Speculation that was not decoded.
    lost: AtomicU64,
    post: Post,
}

/// Recogniser threads.
pub struct RecogniserPool {
    finals: Sender<Job>,
    bell: Sender<Arc<Feed>>,
    spare: Arc<ArrayQueue<Vec<f32>>>,
    threads: Vec<JoinHandle<Duration>>,
    when_full: WhenFull,
}

/// Feeds whose partials may ring at once; a ring that finds no room is found by the next one.
const BELLS: usize = 256;

impl RecogniserPool {
    /// Checks the policy.
    pub fn check(config: &PoolConfig) -> Result<(), BuildError> {
        Decoder::new(config.policy.clone()).map(drop)
    }

    /// Starts a thread for each recogniser.
    pub fn start(recognizers: Vec<Box<dyn Recognizer>>, config: &PoolConfig) -> io::Result<Self> {
        let (finals, finals_of_threads) = bounded(config.finals_max.max(1));
        let (bell, bell_of_threads) = bounded(BELLS);
        let spare = Arc::new(ArrayQueue::new(config.finals_max + 2 * recognizers.len() + 2));
        let mut threads = Vec::with_capacity(recognizers.len());
        for (idx, recognizer) in recognizers.into_iter().enumerate() {
            let thread = Recogniser {
                model: recognizer.model().into(),
                recognizer,
                decoder: Decoder::new(config.policy.clone()).map_err(io::Error::other)?,
                finals: finals_of_threads.clone(),
                bell: bell_of_threads.clone(),
                spare: Arc::clone(&spare),
            };
            let builder = std::thread::Builder::new().name(format!("recognise-{idx}"));
            threads.push(builder.spawn(move || thread.run())?);
        }
        Ok(Self { finals, bell, spare, threads, when_full: config.when_full })
    }

    /// A handle for one feed of `rate`, whose answers go to `post`.
    #[must_use]
    pub fn asker(&self, rate: SampleRate, post: Post) -> Asker {
        let (abandoned, lost) = (AtomicU64::new(0), AtomicU64::new(0));
        Asker {
            finals: self.finals.clone(),
            bell: self.bell.clone(),
            spare: Arc::clone(&self.spare),
            feed: Arc::new(Feed { rate, partial: ArrayQueue::new(1), abandoned, lost, post }),
            when_full: self.when_full,
        }
    }

    /// Waits until everything asked for is answered; all askers must have been dropped. Gives the time spent decoding.
    pub fn join(self) -> Duration {
        drop((self.finals, self.bell));
        // What a recogniser throws is caught in its thread.
        self.threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    }
}

/// One feed's way into the pool.
pub struct Asker {
    finals: Sender<Job>,
    bell: Sender<Arc<Feed>>,
    spare: Arc<ArrayQueue<Vec<f32>>>,
    feed: Arc<Feed>,
    when_full: WhenFull,
}

impl Asker {
    /// Hands a request to the pool. `taken_at`: when the worker took the block that led to it.
    pub fn ask(&self, ask: &Ask, taken_at: Instant) {
        let (head, feed) = (ask.head, &self.feed);
        let passage = Passage { taken_at: Some(taken_at), ..Passage::direct(Instant::now()) };
        feed.post.send(Item::Asked { head: Box::new(head), rate: feed.rate, passage });
        match head.purpose {
            Purpose::Confirm if feed.lost.load(Ordering::Acquire) == key(&head) => {
                self.send_final(self.job(ask, taken_at));
            }
            Purpose::Confirm => {}
            Purpose::Abandon => feed.abandoned.store(key(&head), Ordering::Release),
            Purpose::Partial => {
                // The newest replaces what still waits.
                drop(feed.partial.force_push(self.job(ask, taken_at)));
                let _ = self.bell.try_send(Arc::clone(feed));
            }
            Purpose::Speculative | Purpose::Final => self.send_final(self.job(ask, taken_at)),
        }
    }

    fn job(&self, ask: &Ask, taken_at: Instant) -> Job {
        let mut pcm = self.spare.pop().unwrap_or_default();
        pcm.clear();
        pcm.extend_from_slice(ask.pcm());
        Job { head: ask.head, pcm, taken_at, asked_at: Instant::now(), feed: Arc::clone(&self.feed) }
    }

    fn send_final(&self, job: Job) {
        let refused = match self.when_full {
            WhenFull::Wait => self.finals.send(job).err().map(|e| e.into_inner()),
            WhenFull::ShedAfter(patience) => {
                self.finals.send_timeout(job, patience).err().map(|e| e.into_inner())
            }
        };
        if let Some(job) = refused {
            self.feed.lost.store(key(&job.head), Ordering::Release);
            job.answer(Answer::Lost(GapReason::Overload), Instant::now());
        }
    }
}

impl Drop for Asker {
    /// A partial that still waits holds its feed, and its feed holds it. At the end of a stretch nobody needs it: its
    /// final is asked for already.
    fn drop(&mut self) {
        drop(self.feed.partial.pop());
    }
}

/// One number for a decode: utterances are numbered by their start in ms, decodes within them from 1.
fn key(head: &AskHead) -> u64 {
    head.utterance << 16 | u64::from(head.attempt & 0xffff)
}

struct Recogniser {
    recognizer: Box<dyn Recognizer>,
    model: Arc<str>,
    decoder: Decoder,
    finals: Receiver<Job>,
    bell: Receiver<Arc<Feed>>,
    spare: Arc<ArrayQueue<Vec<f32>>>,
}

impl Recogniser {
    /// Gives the time spent decoding.
    fn run(mut self) -> Duration {
        let mut busy = Duration::ZERO;
        while let Some(job) = self.next() {
            let began_at = Instant::now();
            let is_wanted = job.head.purpose != Purpose::Speculative
                || job.feed.abandoned.load(Ordering::Acquire) != key(&job.head);
            if is_wanted {
                let answer = self.decode(&job);
                busy += began_at.elapsed();
                if matches!(answer, Answer::Lost(_)) {
                    job.feed.lost.store(key(&job.head), Ordering::Release);
                }
                job.answer(answer, began_at);
            }
            // Storage beyond what circulates is dropped.
            let _ = self.spare.push(job.pcm);
        }
        busy
    }

    /// Finals first. `None`: nothing more will come.
    fn next(&self) -> Option<Job> {
        loop {
            if let Ok(job) = self.finals.try_recv() {
                return Some(job);
            }
            select! {
                recv(self.finals) -> job => return job.ok(),
                recv(self.bell) -> feed => match feed {
                    Ok(feed) => if let Some(job) = feed.partial.pop() { return Some(job) },
                    Err(_) => return self.finals.recv().ok(),
                },
            }
        }
    }

    fn decode(&mut self, job: &Job) -> Answer {
        let Self { recognizer, decoder, model, .. } = self;
        let mut transcription = Transcription::default();
        let result = catch_unwind(AssertUnwindSafe(|| {
            decoder.recognise(&mut **recognizer, &job.head, &job.pcm, &mut transcription)
        }));
        match result {
            Ok(Ok(outcome)) => Answer::Decoded { outcome, transcription, model: Arc::clone(model) },
            Ok(Err(error)) => {
                tracing::warn!(
                    "recognition of {} to {} s failed: {error}",
                    job.head.span.start,
                    job.head.span.end
                );
                Answer::Lost(GapReason::RecogniserFailed)
            }
            Err(_) => {
                tracing::error!(
                    "the recogniser panicked at {} to {} s",
                    job.head.span.start,
                    job.head.span.end
                );
                Answer::Lost(GapReason::RecogniserFailed)
            }
        }
    }
}
