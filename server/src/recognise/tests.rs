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

use super::{Answer, Asker, Moments, PoolConfig, RecogniserPool};
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

/// A pool of one gated recogniser with one feed a post.
struct Bench {
    pool: RecogniserPool,
    began: Receiver<usize>,
    go: Sender<()>,
    items: Receiver<Item>,
    post: Post,
}

impl Bench {
    fn new(change: impl FnOnce(&mut PoolConfig)) -> Self {
        let mut config = PoolConfig {
            finals_max: 4,
            when_full: WhenFull::ShedAfter(Duration::ZERO),
            patience: Some(Duration::from_secs(2)),
            policy: DecodePolicy::default(),
        };
        change(&mut config);
        let ((began_in, began), (go, go_out)) = (bounded(100), bounded(100));
        let recogniser = Gated { began: began_in, go: go_out };
        let pool = RecogniserPool::start(vec![Box::new(recogniser)], config).unwrap();
        let (post, Inbox { items, .. }) = Post::to_inbox(1_000);
        Self { pool, began, go, items, post }
    }

    fn feed(&self) -> Asker {
        self.pool.asker(SampleRate::HZ_16000, self.post.clone())
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
    // Budgets: 3 s for a final, 2 s for a partial.
    hand_in(&a, 110, true, Duration::ZERO);
    hand_in(&a, 120, true, 2 * SECOND);
    hand_in(&b, 130, true, SECOND);
    hand_in(&b, 140, false, SECOND / 2);
    bench.go.send(()).unwrap();
    let order: Vec<usize> = (0..4).map(|_| bench.step()).collect();
    assert_eq!((busy / 160, order), (100, vec![120, 140, 130, 110]));
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
    assert_eq!([bench.step(), bench.step()], [120, 140]);
    let answers: Vec<_> = (0..4).map(|_| bench.answer()).collect();
    let late = (130, Some(GapReason::Overload));
    assert_eq!(answers, [(100, None), late, (120, None), (140, None)]);
}

#[test]
fn a_final_that_is_past_all_patience_is_a_gap_and_so_is_one_without_room() {
    let bench = Bench::new(|config| config.finals_max = 2);
    let feed = bench.feed();
    hand_in(&feed, 100, true, Duration::ZERO);
    bench.began.recv().unwrap();
    hand_in(&feed, 110, true, 6 * SECOND);
    hand_in(&feed, 120, true, 4 * SECOND);
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
        };
        let (post, Inbox { items, .. }) = Post::to_inbox(1_000);
        let pool = RecogniserPool::start(recognizers, config).unwrap();
        let feed = pool.asker(SampleRate::HZ_16000, post);
        (100..120).for_each(|n_hops| hand_in(&feed, n_hops, true, Duration::ZERO));
        drop(feed);
        drop(pool);
        let lost =
            |item: &Item| matches!(item, Item::Heard(heard) if matches!(heard.answer, Answer::Lost(_)));
        items.iter().filter(lost).count()
    };
    assert_eq!(answers(vec![Box::new(Resting), Box::new(Scripted::new()), Box::new(Resting)]), 0);
    assert_eq!(answers(vec![Box::new(Resting), Box::new(Resting)]), 20, "each at once, and with its reason");
}

#[test]
fn dropping_the_pool_waits_for_what_was_asked_for() {
    let Bench { pool, go, items, post, began } = Bench::new(|_| {});
    let feed = pool.asker(SampleRate::HZ_16000, post.clone());
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
