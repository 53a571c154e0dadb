//! The pool: recogniser threads that serve all feeds, the earliest deadline first, and each feed's way to them. Lock-free:
//! a mailbox a feed, which every recogniser looks through.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::queue::{ArrayQueue, SegQueue};
use crossbeam::sync::{Parker, Unparker};
use engine::budget::{Budget, Deadline};
use engine::event::{EventKind, GapReason};
use engine::lane::WhenFull;
use engine::time::SampleRate;
use models::Recognizer;
use operators::{Ask, DecodePolicy, Decoder, Purpose};

use super::desk::Desk;
use super::job::{Answer, Feed, FeedPart, Job, key};
use super::load::{Load, Pace};
use super::mailbox::{Due, Mailbox};
use super::recogniser::{self, Ear};
use crate::publish::{Item, Passage, Post};

/// How recognition is queued.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Finals of a feed that may wait. More are waited for or shed, by `when_full`.
    pub finals_max: usize,
    /// What a feed does when too many of its finals wait.
    pub when_full: WhenFull,
    /// How long after its deadline a final is still decoded, not shed. `None`: however late it is.
    pub patience: Option<Duration>,
    /// Guards and retries.
    pub policy: DecodePolicy,
}

/// Budgets of what recognition leads to, where the kinds of events have none.
const NO_BUDGET: Budget = Budget::from_millis(3_000);

/// What the recognisers and the feeds share.
pub(super) struct Shared {
    pub(super) is_closed: AtomicBool,
    wakers: Vec<Unparker>,
    inboxes: Vec<Arc<SegQueue<Arc<Feed>>>>,
    /// Storage of audio, reused.
    spare: ArrayQueue<Vec<f32>>,
    base: Instant,
    pub(super) load: Load,
    patience: Option<Duration>,
    /// Recognisers that take jobs.
    n_awake: AtomicUsize,
}

impl Shared {
    /// For a recogniser a waker; instants are counted from `base`.
    pub(super) fn new(config: &PoolConfig, wakers: Vec<Unparker>, base: Instant) -> Self {
        Self {
            is_closed: AtomicBool::new(false),
            inboxes: wakers.iter().map(|_| Arc::default()).collect(),
            spare: ArrayQueue::new(config.finals_max + 2 * wakers.len() + 2),
            base,
            load: Load::new(wakers.len()),
            patience: config.patience,
            n_awake: AtomicUsize::new(wakers.len()),
            wakers,
        }
    }

    /// The desk of recogniser `idx`.
    pub(super) fn desk(&self, idx: usize) -> Desk {
        Desk::new(self.inboxes.get(idx).map(Arc::clone).unwrap_or_default())
    }

    /// Whether a recogniser that would fail may leave the jobs to others: when it is not the last one. It must
    /// [`Self::come_back`].
    pub(super) fn leave_to_others(&self) -> bool {
        let leave = |n: usize| (n > 1).then(|| n - 1);
        self.n_awake.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave).is_ok()
    }

    /// See [`Self::leave_to_others`].
    pub(super) fn come_back(&self) {
        self.n_awake.fetch_add(1, Ordering::AcqRel);
    }

    /// An instant as the mailboxes count.
    pub(super) fn micros(&self, instant: Instant) -> Due {
        Due::try_from(instant.saturating_duration_since(self.base).as_micros()).unwrap_or(Due::MAX - 1)
    }

    /// What of the job has to be decoded, if that serves somebody: not partials past their deadline, not finals past all patience, which
    /// are told as lost, and not what was abandoned.
    pub(super) fn still_wanted(&self, mut job: Job, now: Instant) -> Option<Job> {
        let late = now.saturating_duration_since(job.deadline.instant());
        let is_partial = job.head.purpose == Purpose::Partial;
        let patience = self.patience.map(|patience| if is_partial { Duration::ZERO } else { patience });
        if patience.is_some_and(|patience| late > patience) {
            job.answer(Answer::Lost(GapReason::Overload), now, now);
        } else if !job.is_abandoned() {
            job.shorten();
            return Some(job);
        }
        self.give_back(job.pcm);
        None
    }

    /// Answers a job, and counts the time that it took.
    pub(super) fn served(&self, job: Job, answer: Answer, began_at: Instant, ended_at: Instant) {
        let busy = u64::try_from(ended_at.saturating_duration_since(began_at).as_micros());
        self.load.note(busy.unwrap_or(u64::MAX), self.micros(ended_at));
        job.answer(answer, began_at, ended_at);
        self.give_back(job.pcm);
    }

    /// Keeps the storage of a job; beyond what circulates it is dropped.
    fn give_back(&self, pcm: Vec<f32>) {
        let _ = self.spare.push(pcm);
    }

    fn wake_all(&self) {
        self.wakers.iter().for_each(Unparker::unpark);
    }
}

/// Recogniser threads. Dropping it waits until everything asked for is answered; all askers must have been dropped.
pub struct RecogniserPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    config: PoolConfig,
}

impl RecogniserPool {
    /// Starts a thread for each recogniser.
    pub fn start(recognizers: Vec<Box<dyn Recognizer>>, config: PoolConfig) -> io::Result<Self> {
        let parkers: Vec<Parker> = recognizers.iter().map(|_| Parker::new()).collect();
        let wakers = parkers.iter().map(|parker| parker.unparker().clone()).collect();
        let shared = Arc::new(Shared::new(&config, wakers, Instant::now()));
        let mut threads = Vec::with_capacity(recognizers.len());
        for (idx, (recognizer, parker)) in recognizers.into_iter().zip(parkers).enumerate() {
            let decoder = Decoder::new(config.policy.clone()).map_err(io::Error::other)?;
            let (ear, desk) = (Ear::new(recognizer, decoder), shared.desk(idx));
            let of_thread = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("recognise-{idx}"));
            threads.push(builder.spawn(move || recogniser::run(ear, desk, &of_thread, &parker))?);
        }
        Ok(Self { shared, threads, config })
    }

    /// A handle for one feed of `rate`, whose answers go to `post`.
    #[must_use]
    pub fn asker(&self, rate: SampleRate, post: Post) -> Asker {
        Asker::new(&self.shared, &self.config, rate, post)
    }
}

impl Drop for RecogniserPool {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.wake_all();
        for thread in self.threads.drain(..) {
            // What a recogniser throws is caught in its thread.
            let _ = thread.join();
        }
    }
}

/// One feed's way into the pool.
pub struct Asker {
    shared: Arc<Shared>,
    feed: Arc<Feed>,
    part: Arc<FeedPart>,
    room: Parker,
    when_full: WhenFull,
}

/// When what was asked for was heard.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// When the audio that completed the request arrived: its deadline counts from there.
    pub arrived_at: Instant,
    /// When a worker took it.
    pub taken_at: Instant,
    /// Now.
    pub asked_at: Instant,
}

impl Asker {
    pub(super) fn new(shared: &Arc<Shared>, config: &PoolConfig, rate: SampleRate, post: Post) -> Self {
        let room = Parker::new();
        let feed = Arc::new(Feed {
            mailbox: Mailbox::new(config.finals_max.max(1)),
            room: room.unparker().clone(),
            is_closed: AtomicBool::new(false),
        });
        for inbox in &shared.inboxes {
            inbox.push(Arc::clone(&feed));
        }
        Self {
            shared: Arc::clone(shared),
            feed,
            part: Arc::new(FeedPart::new(rate, post)),
            room,
            when_full: config.when_full,
        }
    }

    /// Hands a request to the pool.
    pub fn ask(&self, ask: &Ask, moments: Moments) {
        let (head, part) = (ask.head, &self.part);
        let passage = Passage { taken_at: Some(moments.taken_at), ..Passage::direct(moments.asked_at) };
        part.post.send(Item::Asked { head: Box::new(head), rate: part.rate, passage });
        match head.purpose {
            Purpose::Confirm if part.lost.load(Ordering::Acquire) == key(&head) => {
                self.send_final(self.job(ask, moments));
            }
            Purpose::Confirm => {}
            Purpose::Abandon => part.abandoned.store(key(&head), Ordering::Release),
            Purpose::Partial => {
                let job = self.job(ask, moments);
                // The newest replaces what still waits.
                if let Some(old) = self.feed.mailbox.put_partial(self.due(&job), job) {
                    self.shared.give_back(old.pcm);
                }
                self.shared.wake_all();
            }
            Purpose::Speculative | Purpose::Final => self.send_final(self.job(ask, moments)),
        }
    }

    /// How often partials may be asked for now.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.shared.load.pace()
    }

    fn due(&self, job: &Job) -> Due {
        self.shared.micros(job.deadline.instant())
    }

    fn job(&self, ask: &Ask, moments: Moments) -> Box<Job> {
        let mut pcm = self.shared.spare.pop().unwrap_or_default();
        ask.copy_pcm(&mut pcm);
        let kind = match ask.head.purpose {
            Purpose::Partial => EventKind::TranscriptPartial,
            _ => EventKind::TranscriptFinal,
        };
        let deadline: Deadline = kind.budget().unwrap_or(NO_BUDGET).deadline(moments.arrived_at);
        let feed = Arc::clone(&self.part);
        let Moments { taken_at, asked_at, .. } = moments;
        Box::new(Job { head: ask.head, pcm, taken_at, asked_at, deadline, feed })
    }

    fn send_final(&self, job: Box<Job>) {
        if let Err(job) = self.put_final(job) {
            job.answer(Answer::Lost(GapReason::Overload), job.asked_at, job.asked_at);
            self.shared.give_back(job.pcm);
        }
        self.shared.wake_all();
    }

    /// `Err` gives the job back: there is no room, and waiting is over.
    fn put_final(&self, mut job: Box<Job>) -> Result<(), Box<Job>> {
        let patience_ends = match self.when_full {
            WhenFull::Wait => None,
            WhenFull::ShedAfter(patience) => Some(job.asked_at + patience),
        };
        loop {
            job = match self.feed.mailbox.put_final(self.due(&job), job) {
                Ok(()) => return Ok(()),
                Err(back) => back,
            };
            match patience_ends {
                None => self.room.park(),
                Some(end) if end > job.asked_at && Instant::now() < end => self.room.park_deadline(end),
                Some(_) => return Err(job),
            }
        }
    }
}

impl Drop for Asker {
    /// A partial that still waits is not needed: its final is asked for already.
    fn drop(&mut self) {
        drop(self.feed.mailbox.take_partial());
        self.feed.is_closed.store(true, Ordering::Release);
        self.shared.wake_all();
    }
}
