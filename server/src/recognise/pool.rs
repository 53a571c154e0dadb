//! The pool: recogniser threads that serve all feeds, the earliest deadline first, and each feed's way to them. Lock-free:
//! a mailbox a feed, which every recogniser looks through.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::queue::{ArrayQueue, SegQueue};
use crossbeam::sync::{Parker, Unparker};
use engine::budget::{Budget, Deadline};
use engine::event::{EventKind, GapReason};
use engine::lane::WhenFull;
use engine::time::{MediaTime, SampleRate};
use models::{CONTEXT_FRAMES_MIN, Recognizer, SAMPLE_RATE_HZ};
use operators::{Ask, AskHead, DecodePolicy, Effort, HOP_FRAMES, Purpose};

use super::cost::{Price, work};
use super::desk::{Desk, Leftovers, Outlook};
use super::governor::{Entry, Governor, Refused, Seat};
use super::job::{Answer, Feed, FeedPart, Job, key};
use super::ladder::Step;
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
    /// How long after its deadline something is still decoded, not shed. `None`: however late it is.
    pub patience: Option<Duration>,
    /// Guards and retries.
    pub policy: DecodePolicy,
    /// What [`super::measure`] says of a recogniser, where that is known; it is corrected while running.
    pub measured: Option<Duration>,
}

impl PoolConfig {
    /// For files: they wait for room, and nothing is too late.
    #[must_use]
    pub fn batch(policy: DecodePolicy) -> Self {
        let when_full = WhenFull::Wait;
        Self { finals_max: BATCH_FINALS, when_full, patience: None, policy, measured: None }
    }

    /// For live feeds: what there is no room for, and what is far too late, is shed, each as a gap.
    #[must_use]
    pub fn live(policy: DecodePolicy, measured: Option<Duration>) -> Self {
        let (when_full, patience) = (WhenFull::ShedAfter(Duration::ZERO), Some(LIVE_PATIENCE));
        Self { finals_max: LIVE_FINALS, when_full, patience, policy, measured }
    }
}

/// Finals of a file that may wait for a recogniser.
const BATCH_FINALS: usize = 4;
/// Finals of a live feed that may wait for a recogniser.
const LIVE_FINALS: usize = 16;
/// How long after its deadline a request of a live feed is still decoded.
const LIVE_PATIENCE: Duration = Duration::from_millis(3_500);
/// Encoder contexts at which a looping final is decoded again. The full context of 1500 would mend a few more, and take
/// two recognisers from 210 to 275 MB for good: a recogniser keeps the memory of the longest context it has used.
pub const RETRY_CONTEXTS: [u32; 2] = [768, 896];
/// Time after which a partial that waits for a recogniser is brought up to date.
const REFRESH: MediaTime = MediaTime::from_millis(300);
/// What most finals have to keep (p95); their budget, twice as long, is for all of them (p99).
pub(super) const FINAL_AIM: Budget = Budget::from_millis(1_500);

/// Length of a usual final and a usual partial, s.
const USUAL_FINAL_SECS: usize = 5;
const USUAL_PARTIAL_SECS: usize = 3;

/// What the recognisers and the feeds share.
pub(super) struct Shared {
    pub(super) is_closed: AtomicBool,
    wakers: Vec<Unparker>,
    inboxes: Vec<Arc<SegQueue<Arc<Feed>>>>,
    leftovers: Leftovers,
    /// Storage of audio, reused.
    spare: ArrayQueue<Vec<f32>>,
    base: Instant,
    pub(super) governor: Governor,
    patience: Option<Duration>,
    partial_context: u32,
}

impl Shared {
    /// For a recogniser a waker; instants are counted from `base`.
    pub(super) fn new(config: &PoolConfig, wakers: Vec<Unparker>, base: Instant, price: Price) -> Self {
        Self {
            is_closed: AtomicBool::new(false),
            inboxes: wakers.iter().map(|_| Arc::default()).collect(),
            leftovers: Leftovers::default(),
            spare: ArrayQueue::new(config.finals_max + 2 * wakers.len() + 2),
            base,
            governor: Governor::new(wakers.len(), price, config.when_full),
            patience: config.patience,
            partial_context: config.policy.partial_context,
            wakers,
        }
    }

    /// The desk of recogniser `idx`.
    pub(super) fn desk(&self, idx: usize) -> Desk {
        Desk::new(self.inboxes.get(idx).map(Arc::clone).unwrap_or_default(), self.leftovers.clone())
    }

    /// An instant as the mailboxes count.
    pub(super) fn micros(&self, instant: Instant) -> Due {
        Due::try_from(instant.saturating_duration_since(self.base).as_micros()).unwrap_or(Due::MAX - 1)
    }

    /// What recognisers may expect at `now`.
    pub(super) fn outlook(&self, now: Instant) -> Outlook {
        let takes = |secs: usize, context: u32| {
            let time = self.governor.price.of(work(secs * SAMPLE_RATE_HZ as usize, context));
            Due::try_from(time.as_micros()).unwrap_or(Due::MAX / 2)
        };
        Outlook {
            now: self.micros(now),
            final_takes: takes(USUAL_FINAL_SECS, CONTEXT_FRAMES_MIN),
            partial_takes: takes(USUAL_PARTIAL_SECS, self.partial_context),
            left_max: self.governor.left_max(),
        }
    }

    /// What of the job has to be decoded, if that serves somebody: not what is late beyond all patience, which is
    /// told as lost, and not what was abandoned.
    pub(super) fn still_wanted(&self, mut job: Job, now: Instant) -> Option<Job> {
        let late = now.saturating_duration_since(job.deadline.instant());
        let is_too_late = job.place.is_none() && self.patience.is_some_and(|patience| late > patience);
        if is_too_late {
            job.answer(Answer::Lost(GapReason::Overload), now, now);
        } else if !job.is_abandoned() {
            job.shorten();
            return Some(job);
        }
        self.drop_job(job);
        None
    }

    /// Answers a job, and counts the time that it took.
    pub(super) fn served(&self, job: Job, answer: Answer, began_at: Instant, ended_at: Instant) {
        let took = ended_at.saturating_duration_since(began_at);
        if matches!(answer, Answer::Decoded { .. }) {
            let work = self.work(&job.head, job.pcm.len());
            self.governor.price.learn(work, took);
        }
        job.answer(answer, began_at, ended_at);
        self.drop_job(job);
    }

    /// How much work a decode is.
    fn work(&self, head: &AskHead, n_samples: usize) -> u64 {
        let is_partial = head.purpose == Purpose::Partial;
        work(n_samples, if is_partial { self.partial_context } else { CONTEXT_FRAMES_MIN })
    }

    /// Nobody needs the job any more: the feed's next partial may be taken.
    fn drop_job(&self, job: Job) {
        if job.head.purpose == Purpose::Partial {
            job.feed.has_partial.store(false, Ordering::Release);
        }
        self.give_back(job.pcm);
        if let Some(place) = job.place {
            drop(place);
            // Another recogniser may have found a job, and no place.
            self.wake_all();
        }
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
        let price = Price::new(config.measured);
        let shared = Arc::new(Shared::new(&config, wakers, Instant::now(), price));
        let mut threads = Vec::with_capacity(recognizers.len());
        for (idx, (recognizer, parker)) in recognizers.into_iter().zip(parkers).enumerate() {
            let ear = Ear::new(recognizer, &config.policy).map_err(io::Error::other)?;
            let desk = shared.desk(idx);
            let of_thread = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("recognise-{idx}"));
            threads.push(builder.spawn(move || recogniser::run(ear, desk, &of_thread, &parker))?);
        }
        Ok(Self { shared, threads, config })
    }

    /// A place for a feed with partials this often, if it fits.
    pub fn join(&self, entry: Entry, partial: Option<MediaTime>) -> Result<Arc<Seat>, Refused> {
        self.shared.governor.join(entry, partial)
    }

    /// A handle for a stretch of one feed at `rate`, whose answers go to `post`.
    #[must_use]
    pub fn asker(&self, seat: Arc<Seat>, rate: SampleRate, post: Post) -> Asker {
        Asker::new(&self.shared, &self.config, seat, FeedPart::new(rate, post))
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
    seat: Arc<Seat>,
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
    pub(super) fn new(shared: &Arc<Shared>, config: &PoolConfig, seat: Arc<Seat>, part: FeedPart) -> Self {
        let room = Parker::new();
        let takes_what_is_left = seat.takes_what_is_left();
        let (finals_max, when_full) = if takes_what_is_left {
            (BATCH_FINALS, WhenFull::Wait)
        } else {
            (config.finals_max.max(1), config.when_full)
        };
        let feed = Arc::new(Feed {
            mailbox: Mailbox::new(finals_max),
            takes_what_is_left,
            room: room.unparker().clone(),
            is_closed: AtomicBool::new(false),
            priority: seat.priority(),
            has_partial: Arc::clone(&part.has_partial),
        });
        for inbox in &shared.inboxes {
            inbox.push(Arc::clone(&feed));
        }
        let part = Arc::new(part);
        Self { shared: Arc::clone(shared), feed, part, seat, room, when_full }
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
            Purpose::Confirm | Purpose::Onset | Purpose::Settled(_) => {}
            Purpose::Abandon => part.abandoned.store(key(&head), Ordering::Release),
            Purpose::Partial => self.send_partial(self.job(ask, moments)),
            Purpose::Speculative | Purpose::Final => self.send_final(self.job(ask, moments)),
        }
    }

    /// What the feed may ask for at this step. A partial that waits is brought up to date more often than one is decoded.
    #[must_use]
    pub fn effort(&self, step: Step) -> Effort {
        let interval =
            |time: MediaTime| if self.feed.mailbox.has_partial() { time.min(REFRESH) } else { time };
        let partial = self.seat.partial.filter(|_| step == Step::All).map(interval);
        Effort { partial, speculates: step < Step::OnceOnly }
    }

    /// What the feed has given up at `now`.
    #[must_use]
    pub fn step(&self, now: Instant) -> Step {
        self.shared.governor.tick(self.shared.micros(now));
        self.seat.step()
    }

    fn due(&self, job: &Job) -> Due {
        self.shared.micros(job.deadline.instant())
    }

    fn job(&self, ask: &Ask, moments: Moments) -> Box<Job> {
        let mut pcm = self.shared.spare.pop().unwrap_or_default();
        ask.copy_pcm(&mut pcm);
        let budget = match ask.head.purpose {
            Purpose::Partial => EventKind::TranscriptPartial.budget().unwrap_or(FINAL_AIM),
            _ => FINAL_AIM,
        };
        let deadline: Deadline = budget.deadline(moments.arrived_at);
        let feed = Arc::clone(&self.part);
        let step = self.seat.step();
        let Moments { taken_at, asked_at, .. } = moments;
        let n_samples = pcm.len() - feed.n_known(&ask.head) * HOP_FRAMES;
        let work = self.shared.work(&ask.head, n_samples);
        match ask.head.purpose {
            Purpose::Partial => self.seat.asked_partial(work, ask.head.proof),
            _ => self.seat.asked_final(work),
        }
        Box::new(Job { head: ask.head, pcm, taken_at, asked_at, deadline, step, place: None, feed })
    }

    /// The newest replaces what still waits.
    fn send_partial(&self, job: Box<Job>) {
        if job.step >= Step::NoPartials {
            return self.shared.give_back(job.pcm);
        }
        if let Some(old) = self.feed.mailbox.put_partial(self.due(&job), job) {
            self.shared.give_back(old.pcm);
        }
        self.shared.wake_all();
    }

    fn send_final(&self, job: Box<Job>) {
        let put = if job.step == Step::OthersFirst { Err(job) } else { self.put_final(job) };
        match put {
            Ok(()) => self.shared.wake_all(),
            Err(job) => {
                job.answer(Answer::Lost(GapReason::Overload), job.asked_at, job.asked_at);
                self.shared.give_back(job.pcm);
            }
        }
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
