//! Tests of the pool: requests of several feeds in, the order of decodes and the answers out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use engine::event::GapReason;
use engine::lane::WhenFull;
use engine::operator::Operator;
use engine::time::{MediaTime, SampleRate};
use models::{DecodeOptions, RecognizeError, Recognizer, Scripted, Transcription};
use operators::{Ask, DecodePolicy, Hop, UtteranceConfig, Utterances, hop_time};

use super::{Admission, Answer, Asker, Entry, Moments, PoolConfig, RecogniserPool, Step};
use crate::publish::{Inbox, Item, Post};

/// Says how many samples it was given, and decodes when it is let.
struct Gated {
    began: Sender<usize>,
    go: Receiver<()>,
}

impl Recognizer for Gated {
    fn recognize(
        &mut self,
        pcm: &[f32],
        _: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        out.clear();
        self.began.send(pcm.len()).unwrap();
        self.go.recv().map_err(|_| RecognizeError::Failed("gone".into()))?;
        out.push_word("word", 0..1, 0.9);
        Ok(())
    }

    fn model(&self) -> &str {
        "gated"
    }
}

/// A feed of this priority, which is not refused.
fn asker(pool: &RecogniserPool, priority: u8, post: Post) -> Asker {
    let seat = pool.join(Entry { priority, admission: Admission::Always }, None).unwrap();
    pool.asker(seat, SampleRate::HZ_16000, post)
}

/// A pool of gated recognisers with one feed a post.
struct Bench {
    pool: RecogniserPool,
    began: Receiver<usize>,
    go: Sender<()>,
    items: Receiver<Item>,
    post: Post,
}

impl Bench {
    fn new(change: impl FnOnce(&mut PoolConfig)) -> Self {
        Self::with(1, change)
    }

    fn with(n_recognisers: usize, change: impl FnOnce(&mut PoolConfig)) -> Self {
        let mut config = PoolConfig {
            finals_max: 4,
            when_full: WhenFull::ShedAfter(Duration::ZERO),
            patience: Some(Duration::from_secs(2)),
            policy: DecodePolicy::default(),
            measured: None,
        };
        change(&mut config);
        let ((began_in, began), (go, go_out)) = (bounded(100), bounded(100));
        let gated =
            |_| Box::new(Gated { began: began_in.clone(), go: go_out.clone() }) as Box<dyn Recognizer>;
        let pool = RecogniserPool::start((0..n_recognisers).map(gated).collect(), config).unwrap();
        let (post, Inbox { items, .. }) = Post::to_inbox(1_000);
        Self { pool, began, go, items, post }
    }

    fn feed(&self) -> Asker {
        self.feed_of(0)
    }

    /// A feed that takes what is left.
    fn recording(&self) -> Asker {
        let entry = Entry { priority: 9, admission: Admission::AsThereIsRoom };
        let seat = self.pool.join(entry, None).unwrap();
        self.pool.asker(seat, SampleRate::HZ_16000, self.post.clone())
    }

    fn feed_of(&self, priority: u8) -> Asker {
        asker(&self.pool, priority, self.post.clone())
    }

    /// Lets one decode end, and says of how many hops it was.
    fn step(&self) -> usize {
        let n_samples = self.began.recv().unwrap();
        self.go.send(()).unwrap();
        n_samples / 160
    }

    /// What came of the next request that was answered: hops asked for, and why it was lost.
    fn answer(&self) -> (usize, Option<GapReason>) {
        loop {
            let Item::Heard(heard) = self.items.recv().unwrap() else { continue };
            let n_hops = (heard.head.span.duration().flicks() / hop_time().flicks()) as usize;
            return match heard.answer {
                Answer::Decoded { .. } => (n_hops, None),
                Answer::Lost(reason) => (n_hops, Some(reason)),
                Answer::Failed(_) => (n_hops, Some(GapReason::RecogniserFailed)),
            };
        }
    }
}

/// The final, or else the first partial, of `n_hops` of speech.
fn ask(n_hops: u64, is_final: bool, with: impl FnOnce(&Ask)) {
    let mut config = UtteranceConfig { partial: None, speculate: None, ..UtteranceConfig::live() };
    if !is_final {
        config.partial = Some(MediaTime::from_millis(n_hops * 10));
    }
    let mut utterances = Utterances::new(&config).unwrap();
    let mut with = Some(with);
    let mut take = |ask: &Ask| {
        if let Some(with) = with.take() {
            with(ask);
        }
    };
    for at in 0..n_hops {
        let start = MediaTime::from_flicks(hop_time().flicks() * at);
        utterances.push(&Hop { start, speech: 0.9, power_db: -20.0, ..Hop::default() }, &mut take);
    }
    utterances.flush(&mut take);
}

/// Hands in a request of `n_hops` whose last sample arrived `ago`.
fn hand_in(feed: &Asker, n_hops: u64, is_final: bool, ago: Duration) {
    let now = Instant::now();
    let arrived_at = now.checked_sub(ago).unwrap();
    ask(n_hops, is_final, |ask| feed.ask(ask, Moments { arrived_at, taken_at: now, asked_at: now }));
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_earliest_deadline_is_first_whichever_feed_it_is_of() {
    let bench = Bench::new(|_| {});
    let (a, b) = (bench.feed(), bench.feed());
    hand_in(&a, 100, true, Duration::ZERO);
    let busy = bench.began.recv().unwrap();
    // Within 1.5 s for a final, 2 s for a partial.
    hand_in(&a, 110, true, Duration::ZERO);
    hand_in(&a, 120, true, 2 * SECOND);
    hand_in(&b, 130, true, SECOND);
    hand_in(&b, 140, false, SECOND);
    bench.go.send(()).unwrap();
    let order: Vec<usize> = (0..4).map(|_| bench.step()).collect();
    assert_eq!((busy / 160, order), (100, vec![120, 130, 140, 110]));
}

#[test]
fn finals_come_before_a_partial_that_would_make_them_late() {
    let bench = Bench::new(|_| {});
    let (a, b) = (bench.feed(), bench.feed());
    hand_in(&a, 100, true, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&a, 110, true, SECOND * 12 / 10);
    hand_in(&b, 120, false, SECOND * 18 / 10);
    bench.go.send(()).unwrap();
    assert_eq!([bench.step(), bench.step()], [110, 120]);
}

#[test]
fn of_what_would_be_late_the_more_important_feed_comes_first() {
    let bench = Bench::new(|_| {});
    let (a, b) = (bench.feed(), bench.feed_of(1));
    hand_in(&a, 100, true, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&a, 110, true, 3 * SECOND);
    hand_in(&b, 120, true, 2 * SECOND);
    bench.go.send(()).unwrap();
    assert_eq!([bench.step(), bench.step()], [120, 110]);
}

#[test]
fn of_a_feed_one_partial_at_a_time_is_decoded() {
    let bench = Bench::with(2, |_| {});
    let (a, b) = (bench.feed(), bench.feed());
    hand_in(&a, 100, false, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&a, 110, false, SECOND);
    hand_in(&b, 120, false, Duration::ZERO);
    assert_eq!(bench.began.recv().unwrap() / 160, 120, "the other recogniser takes another feed's");
    bench.go.send(()).unwrap();
    bench.go.send(()).unwrap();
    assert_eq!(bench.step(), 110);
}

#[test]
fn a_newer_partial_replaces_one_that_waits_and_a_late_one_is_dropped() {
    let bench = Bench::new(|_| {});
    let (a, b) = (bench.feed(), bench.feed());
    hand_in(&a, 100, true, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&a, 110, false, Duration::ZERO);
    hand_in(&a, 120, false, Duration::ZERO);
    hand_in(&b, 130, false, 10 * SECOND);
    hand_in(&b, 140, true, Duration::ZERO);
    bench.go.send(()).unwrap();
    assert_eq!([bench.step(), bench.step()], [140, 120]);
    let answers: Vec<_> = (0..4).map(|_| bench.answer()).collect();
    let late = (130, Some(GapReason::Overload));
    assert_eq!(answers, [(100, None), late, (140, None), (120, None)]);
}

#[test]
fn a_final_that_is_past_all_patience_is_a_gap_and_so_is_one_without_room() {
    let bench = Bench::new(|config| config.finals_max = 2);
    let feed = bench.feed();
    hand_in(&feed, 100, true, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&feed, 110, true, 6 * SECOND);
    hand_in(&feed, 120, true, 3 * SECOND);
    hand_in(&feed, 130, true, Duration::ZERO);
    assert_eq!(bench.answer(), (130, Some(GapReason::Overload)));
    bench.go.send(()).unwrap();
    assert_eq!(bench.step(), 120);
    let answers: Vec<_> = (0..3).map(|_| bench.answer()).collect();
    assert_eq!(answers, [(100, None), (110, Some(GapReason::Overload)), (120, None)]);
}

#[test]
fn a_file_waits_for_room_and_is_never_late() {
    let bench = Bench::new(|config| {
        *config = PoolConfig { finals_max: 1, when_full: WhenFull::Wait, patience: None, ..config.clone() };
    });
    let feed = bench.feed();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n_hops in [100, 110, 120, 130] {
                hand_in(&feed, n_hops, true, 100 * SECOND);
            }
        });
        let order: Vec<usize> = (0..4).map(|_| bench.step()).collect();
        assert_eq!(order, [100, 110, 120, 130]);
    });
}

#[test]
fn a_recording_is_decoded_when_nothing_of_a_live_feed_waits_however_late_it_is() {
    let bench = Bench::new(|_| {});
    let (recording, live) = (bench.recording(), bench.feed());
    hand_in(&live, 100, true, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&recording, 110, true, 100 * SECOND);
    hand_in(&live, 120, true, Duration::ZERO);
    hand_in(&live, 130, false, Duration::ZERO);
    bench.go.send(()).unwrap();
    let mut live_first = [bench.step(), bench.step()];
    live_first.sort_unstable();
    assert_eq!((live_first, bench.step()), ([120, 130], 110));
    let answers: Vec<_> = (0..4).map(|_| bench.answer()).collect();
    assert!(answers.iter().all(|(_, lost)| lost.is_none()), "nothing is shed: {answers:?}");
}

#[test]
fn recordings_never_hold_every_recogniser_so_that_a_live_feed_is_served_at_once() {
    let bench = Bench::with(2, |_| {});
    let (a, b, live) = (bench.recording(), bench.recording(), bench.feed());
    hand_in(&a, 100, true, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&a, 110, true, SECOND);
    hand_in(&b, 120, true, SECOND);
    // No decode has ended: only a recogniser that was left free can begin with this.
    hand_in(&live, 130, true, Duration::ZERO);
    assert_eq!(bench.began.recv().unwrap() / 160, 130, "it does not wait for recordings");
    (0..2).for_each(|_| bench.go.send(()).unwrap());
    let mut rest = [bench.step(), bench.step()];
    rest.sort_unstable();
    assert_eq!(rest, [110, 120]);
}

#[test]
fn the_pool_ends_though_recordings_waited_for_a_place() {
    let Bench { pool, go, items, post, began } = Bench::with(2, |_| {});
    let entry = Entry { priority: 0, admission: Admission::AsThereIsRoom };
    let feed = pool.asker(pool.join(entry, None).unwrap(), SampleRate::HZ_16000, post.clone());
    for n_hops in [100, 110, 120] {
        hand_in(&feed, n_hops, true, Duration::ZERO);
        go.send(()).unwrap();
    }
    drop((feed, post));
    drop(pool);
    let n_answers = items.iter().filter(|item| matches!(item, Item::Heard(_))).count();
    assert_eq!((began.iter().count(), n_answers), (3, 3));
}

/// Fails at once and says that it will go on so.
struct Resting;

impl Recognizer for Resting {
    fn recognize(
        &mut self,
        _: &[f32],
        _: &DecodeOptions,
        _: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        Err(RecognizeError::Failed("it rests".into()))
    }

    fn model(&self) -> &str {
        "resting"
    }

    fn rest(&self) -> Option<Duration> {
        Some(SECOND / 100)
    }
}

#[test]
fn a_recogniser_that_rests_leaves_the_jobs_to_others_unless_it_is_the_last() {
    let answers = |recognizers: Vec<Box<dyn Recognizer>>| {
        let config = PoolConfig {
            finals_max: 8,
            when_full: WhenFull::Wait,
            patience: None,
            policy: DecodePolicy::default(),
            measured: None,
        };
        let (post, Inbox { items, .. }) = Post::to_inbox(1_000);
        let pool = RecogniserPool::start(recognizers, config).unwrap();
        let feed = asker(&pool, 0, post);
        (100..120).for_each(|n_hops| hand_in(&feed, n_hops, true, Duration::ZERO));
        drop(feed);
        drop(pool);
        let is_why = |answer: &Answer| matches!(answer, Answer::Failed(cause) if cause == "it rests");
        items.iter().filter(|item| matches!(item, Item::Heard(heard) if is_why(&heard.answer))).count()
    };
    assert_eq!(answers(vec![Box::new(Resting), Box::new(Scripted::new()), Box::new(Resting)]), 0);
    assert_eq!(answers(vec![Box::new(Resting), Box::new(Resting)]), 20, "each at once, and with its reason");
}

#[test]
fn while_no_recogniser_works_the_feeds_say_so() {
    let config = PoolConfig {
        finals_max: 8,
        when_full: WhenFull::ShedAfter(Duration::ZERO),
        patience: None,
        policy: DecodePolicy::default(),
        measured: None,
    };
    let (post, Inbox { items, .. }) = Post::to_inbox(1_000);
    let pool = RecogniserPool::start(vec![Box::new(Resting), Box::new(Resting)], config).unwrap();
    let feed = asker(&pool, 0, post);
    let mut later = Instant::now();
    while feed.step(later) != Step::NoSpeech {
        later += 2 * SECOND;
        std::thread::yield_now();
    }
    hand_in(&feed, 100, true, Duration::ZERO);
    let answered = items.iter().find_map(|item| match item {
        Item::Heard(heard) => Some(heard.answer),
        _ => None,
    });
    assert!(
        matches!(answered, Some(Answer::Failed(_))),
        "not shed, but failed, with its cause: {answered:?}"
    );
}

#[test]
fn dropping_the_pool_waits_for_what_was_asked_for() {
    let Bench { pool, go, items, post, began } = Bench::new(|_| {});
    let feed = asker(&pool, 0, post.clone());
    for n_hops in [100, 110, 120] {
        hand_in(&feed, n_hops, true, Duration::ZERO);
        go.send(()).unwrap();
    }
    drop((feed, post));
    drop(pool);
    assert_eq!(began.iter().count(), 3);
    let n_answers = items.iter().filter(|item| matches!(item, Item::Heard(_))).count();
    assert_eq!(n_answers, 3, "and every handle to post with is gone");
}
