//! Recognition of several feeds on a virtual clock, in one thread: stalls, bursts, overload, recognisers that fail, hang
//! or are slow, wall clocks that jump. The seed decides everything. What must hold for all seeds is checked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;
use engine::event::{Body, GapReason};
use engine::lane::WhenFull;
use engine::operator::Operator;
use engine::time::{MediaTime, SampleRate, Span};
use jiff::{SignedDuration, Timestamp};
use models::{DecodeOptions, RecognizeError, Recognizer, Transcription};
use operators::{Ask, DecodePolicy, HOP_FRAMES, Hop, Purpose, UtteranceConfig, Utterances, hop_time};

use super::cost::Price;
use super::job::{FeedPart, Job};
use super::pool::{FINAL_AIM, Shared};
use super::recogniser::Ear;
use super::{Admission, Asker, Entry, Listener, Moments, PoolConfig, Step};
use crate::publish::{Desk, FeedIdentity, Inbox, Now, Post, Record, Recorder, Seen, Sink, WallClock};

const SEEDS: u64 = 1_000;
/// Hops between two words that are said.
const WORD_HOPS: u64 = 40;
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest that a decode takes here: a hang that is ended.
const HANG: Duration = Duration::from_secs(4);

/// Numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// Hears the numbers of the hops that it is given, and a word at each [`WORD_HOPS`]th; fails when told so.
struct Counting(Arc<Mutex<Option<RecognizeError>>>);

impl Recognizer for Counting {
    fn recognize(
        &mut self,
        pcm: &[f32],
        _: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        out.clear();
        if let Some(error) = self.0.lock().unwrap().take() {
            return Err(error);
        }
        for (idx, hop) in pcm.chunks(HOP_FRAMES).enumerate() {
            let number = hop[0] as u64;
            if number.is_multiple_of(WORD_HOPS) {
                let at = idx * HOP_FRAMES;
                out.push_word(&format!("w{}", number / WORD_HOPS), at..at + HOP_FRAMES, 0.9);
            }
        }
        out.language.push_str("en");
        Ok(())
    }

    fn model(&self) -> &str {
        "counting"
    }
}

/// What one feed published.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Record>>>);

impl Sink for Log {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        self.0.lock().unwrap().push(record.clone());
        Ok(())
    }
}

/// A feed: the hops to come, when they arrive, and what is made of them.
struct SimFeed {
    utterances: Utterances,
    asker: Asker,
    post: Post,
    inbox: Inbox,
    desk: Desk,
    log: Log,
    /// Whether each hop is speech.
    speech: Vec<bool>,
    /// When each arrives, microseconds; they rise.
    arrivals: Vec<u64>,
    n_heard: usize,
    step: Step,
    highest: Step,
    /// Words in audio that was asked for, for good.
    asked: Vec<u64>,
}

/// A recogniser at work until an instant, microseconds.
struct SimEar {
    ear: Ear,
    fault: Arc<Mutex<Option<RecognizeError>>>,
    desk: super::desk::Desk,
    working: Option<(u64, u64, Job)>,
}

struct Simulation {
    random: Random,
    base: Instant,
    now: u64,
    wall_shift_ms: i64,
    shared: Arc<Shared>,
    feeds: Vec<SimFeed>,
    ears: Vec<SimEar>,
    /// Decode time over that of a free machine.
    slowness: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let config = PoolConfig {
            finals_max: 1 + random.below(8) as usize,
            when_full: WhenFull::ShedAfter(Duration::ZERO),
            patience: Some(PATIENCE),
            policy: DecodePolicy { hole: None, ..DecodePolicy::default() },
            measured: None,
        };
        let n_ears = 1 + random.below(3) as usize;
        let base = Instant::now();
        let wakers = (0..n_ears).map(|_| Parker::new().unparker().clone()).collect();
        let shared = Arc::new(Shared::new(&config, wakers, base, Price::new(None)));
        let ears = (0..n_ears).map(|idx| {
            let fault = Arc::new(Mutex::new(None));
            let ear = Ear::new(Box::new(Counting(Arc::clone(&fault))), &config.policy).unwrap();
            SimEar { ear, fault, desk: shared.desk(idx), working: None }
        });
        let ears = ears.collect();
        let n_feeds = 1 + random.below(5) as usize;
        let feeds = (0..n_feeds).map(|idx| SimFeed::new(idx, &mut random, &shared, &config)).collect();
        let slowness = 1 + random.below(12);
        Self { random, base, now: 0, wall_shift_ms: 0, shared, feeds, ears, slowness }
    }

    fn at(&self, micros: u64) -> Instant {
        self.base + Duration::from_micros(micros)
    }

    fn wall(&self) -> Now {
        let since =
            SignedDuration::from_micros(self.now as i64) + SignedDuration::from_millis(self.wall_shift_ms);
        Now { instant: self.at(self.now), wall: Timestamp::from_second(1_800_000_000).unwrap() + since }
    }

    /// Everything until all is heard and answered; gives the highest step of the ladder, too.
    fn run(mut self) -> (Vec<Vec<Record>>, Step) {
        while let Some(next) = self.next_event() {
            self.now = next;
            if self.random.percent(1) {
                self.wall_shift_ms = self.random.below(7_200_000) as i64 - 3_600_000;
            }
            self.hear();
            self.recognise();
            self.publish();
        }
        let highest = self.feeds.iter().map(|feed| feed.highest).max();
        (self.feeds.iter().map(|feed| feed.check(self.slowness)).collect(), highest.unwrap_or(Step::All))
    }

    fn next_event(&self) -> Option<u64> {
        let arrivals = self.feeds.iter().filter_map(|feed| feed.arrivals.get(feed.n_heard).copied());
        let decodes = self.ears.iter().filter_map(|ear| ear.working.as_ref().map(|work| work.1));
        arrivals.chain(decodes).min()
    }

    fn hear(&mut self) {
        let (now, base) = (self.now, self.base);
        for feed in &mut self.feeds {
            feed.keep_step(base + Duration::from_micros(now));
            while feed.arrivals.get(feed.n_heard).is_some_and(|at| *at <= now) {
                feed.hear(base + Duration::from_micros(now));
            }
        }
    }

    fn recognise(&mut self) {
        for idx in 0..self.ears.len() {
            if let Some((began, ends, job)) = self.ears[idx].working.take() {
                if ends > self.now {
                    self.ears[idx].working = Some((began, ends, job));
                    continue;
                }
                let answer = self.ears[idx].ear.decode(&job);
                self.shared.served(job, answer, self.at(began), self.at(ends));
            }
            while self.ears[idx].working.is_none() {
                let outlook = self.shared.outlook(self.at(self.now));
                let Some(job) = self.ears[idx].desk.next(&outlook) else { break };
                let Some(job) = self.shared.still_wanted(*job, self.at(self.now)) else { continue };
                let ends = self.now + self.decode_micros(idx, &job);
                self.ears[idx].working = Some((self.now, ends, job));
            }
        }
    }

    /// How long a decode will take; it may fail at its end.
    fn decode_micros(&mut self, idx: usize, job: &Job) -> u64 {
        let secs = job.head.span.duration().as_secs_f64();
        if self.random.percent(2) {
            let error = RecognizeError::Failed("killed after a hang".to_owned());
            *self.ears[idx].fault.lock().unwrap() = Some(error);
            return HANG.as_micros() as u64;
        }
        if self.random.percent(3) {
            *self.ears[idx].fault.lock().unwrap() = Some(RecognizeError::Failed("it died".to_owned()));
        }
        (20_000 + (15_000.0 * secs) as u64) * self.slowness
    }

    fn publish(&mut self) {
        let now = self.wall();
        let mut events = Vec::new();
        for feed in &mut self.feeds {
            while let Ok(item) = feed.inbox.items.try_recv() {
                feed.desk.take(item, &mut events, now).unwrap();
            }
        }
    }
}

impl SimFeed {
    fn new(idx: usize, random: &mut Random, shared: &Arc<Shared>, config: &PoolConfig) -> Self {
        let (post, inbox) = Post::to_inbox(4_096);
        let log = Log::default();
        let entry = Entry { priority: random.below(3) as u8, admission: Admission::Always };
        let seat = shared.governor.join(entry, UtteranceConfig::live().partial).unwrap();
        let asker = Asker::new(shared, config, seat, FeedPart::new(SampleRate::HZ_16000, post.clone()));
        let identity = FeedIdentity { name: format!("feed-{idx}"), epoch: 1 };
        let recorder = Recorder::new(identity, WallClock::File { start: Timestamp::UNIX_EPOCH });
        let (mut speech, mut arrivals) = (Vec::new(), Vec::new());
        while speech.len() < 3_000 {
            speech.extend(std::iter::repeat_n(true, 10 + random.below(1_500) as usize));
            speech.extend(std::iter::repeat_n(false, 5 + random.below(250) as usize));
        }
        let mut late = 0;
        for at in 0..speech.len() as u64 {
            if random.below(600) == 0 {
                late = 100_000 + random.below(6_000_000);
            }
            // After a stall everything that was late comes at once.
            let due = 10_000 * (at + 1);
            let held_until = arrivals.last().copied().unwrap_or(0);
            arrivals.push(held_until.max(due + std::mem::take(&mut late)));
        }
        Self {
            utterances: Utterances::new(&UtteranceConfig::live()).unwrap(),
            asker,
            post,
            inbox,
            desk: Desk::new(recorder, Listener::new(None), vec![Box::new(log.clone())]),
            log,
            speech,
            arrivals,
            n_heard: 0,
            step: Step::All,
            highest: Step::All,
            asked: Vec::new(),
        }
    }

    fn keep_step(&mut self, now: Instant) {
        self.step = self.asker.step(now);
        self.highest = self.highest.max(self.step);
        self.utterances.change_effort(self.asker.effort(self.step)).unwrap();
    }

    /// The next hop arrives; after the last one the feed is over.
    fn hear(&mut self, now: Instant) {
        let Self { utterances, asker, asked, .. } = self;
        let mut take = |ask: &Ask| {
            if matches!(ask.head.purpose, Purpose::Final | Purpose::Confirm) {
                let pcm = ask.pcm();
                let numbers = pcm.chunks(HOP_FRAMES).map(|hop| hop[0] as u64);
                asked.extend(numbers.filter(|n| n.is_multiple_of(WORD_HOPS)).map(|n| n / WORD_HOPS));
            }
            asker.ask(ask, Moments { arrived_at: now, taken_at: now, asked_at: now });
        };
        let number = self.n_heard as u64;
        let start = MediaTime::from_flicks(hop_time().flicks() * number);
        let speech = if self.speech[self.n_heard] { 0.9 } else { 0.05 };
        let hop = Hop { start, pcm: [number as f32; HOP_FRAMES], speech, power_db: -20.0, ..Hop::default() };
        self.post.see(Seen::Arrived { end: hop.span().end, at: now });
        self.desk.look(&self.inbox.seen);
        utterances.push(&hop, &mut take);
        self.n_heard += 1;
        if self.n_heard == self.speech.len() {
            utterances.flush(&mut take);
        }
    }

    /// What must hold whatever happened; gives what was published.
    fn check(&self, slowness: u64) -> Vec<Record> {
        let records = self.log.0.lock().unwrap().clone();
        let durable = records.iter().filter(|record| !record.envelope.data.body.kind().is_ephemeral());
        for (record, n) in durable.zip(1..) {
            assert_eq!(record.envelope.id, format!("{}-1-{n}", record.envelope.data.feed), "gapless");
        }
        let mut told: BTreeMap<u64, u32> = BTreeMap::new();
        let mut gaps: Vec<Span> = Vec::new();
        for record in &records {
            match &record.envelope.data.body {
                Body::Final(said) => {
                    for word in said.text.split(' ') {
                        *told.entry(word[1..].parse().unwrap()).or_default() += 1;
                    }
                    self.check_time(record, slowness);
                }
                Body::Gap(gap) => {
                    assert!(matches!(gap.reason, GapReason::Overload | GapReason::RecogniserFailed));
                    gaps.push(record.envelope.data.span);
                }
                Body::Partial(_) => {}
                other => panic!("{other:?}"),
            }
        }
        for word in &self.asked {
            let at = MediaTime::from_flicks(hop_time().flicks() * word * WORD_HOPS);
            let in_gaps = gaps.iter().filter(|gap| gap.start <= at && at < gap.end).count() as u32;
            let n_told = told.remove(word).unwrap_or(0);
            assert_eq!(n_told + in_gaps, 1, "word {word} at {at} s: once, or in a gap");
        }
        assert!(told.is_empty(), "words that were not asked for: {told:?}");
        records
    }

    /// A final comes within its aim, all patience, and one decode.
    fn check_time(&self, record: &Record, slowness: u64) {
        let decode = HANG.max(Duration::from_millis((20 + 15 * 12) * slowness));
        let total = record.total.unwrap();
        assert!(total <= FINAL_AIM.duration() + PATIENCE + decode, "a final after {total:?}");
    }
}

/// Everything published, as it goes over the wire, and the highest step of the ladder.
fn run(seed: u64) -> (String, Step) {
    let (feeds, highest) = Simulation::new(seed).run();
    let lines = feeds.iter().flatten().map(|record| serde_json::to_string(&record.envelope).unwrap());
    (lines.collect::<Vec<_>>().join("\n"), highest)
}

#[test]
fn whatever_happens_every_word_is_told_once_or_lies_in_a_gap() {
    let mut reached = BTreeMap::new();
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "seed {seed}");
        *reached.entry(result.unwrap().1).or_insert(0) += 1;
    }
    let steps = [Step::All, Step::NoPartials, Step::OnceOnly, Step::OthersFirst];
    assert!(steps.iter().all(|step| reached.contains_key(step)), "{reached:?}");
}

#[test]
fn the_same_seed_gives_the_same_events_byte_for_byte() {
    let mut n_events = 0;
    for seed in 0..20 {
        let ((events, _), (again, _)) = (run(seed), run(seed));
        n_events += events.lines().count();
        let differs = events.lines().zip(again.lines()).find(|(a, b)| a != b);
        assert!(events == again, "seed {seed}: {differs:?}");
    }
    assert!(n_events > 500, "{n_events} events");
}
