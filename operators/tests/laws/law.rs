//! The four laws of an operator as checks. Not the operators: they are named in `main.rs`.

use std::fmt::Debug;

use engine::audio::Block;
use engine::event::Event;
use engine::operator::Operator;
use engine::time::MediaTime;
use operators::Hop;

use crate::signal::{Random, Signal};

/// What an operator emits: comparable however it was cut, and due at a known time.
pub(crate) trait Emitted {
    /// All that was emitted, independent of the cutting.
    type Log: Default + PartialEq + Debug;

    /// Adds itself to the log.
    fn record(&self, log: &mut Self::Log);

    /// Media time of the input that was needed to know it, operator delay not counted.
    fn due(&self) -> MediaTime;
}

/// Planes joined over all blocks, and the media time of the first sample.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Planes {
    start: Option<MediaTime>,
    end: MediaTime,
    channels: Vec<Vec<f32>>,
}

impl Emitted for Block {
    type Log = Planes;

    fn record(&self, log: &mut Planes) {
        if self.n_frames() == 0 {
            return;
        }
        assert!(log.start.is_none() || log.end == self.time_of(0), "blocks are contiguous");
        log.start.get_or_insert(self.time_of(0));
        log.end = self.span().end;
        log.channels.resize(self.format().n_channels(), Vec::new());
        for (plane, samples) in log.channels.iter_mut().zip(self.channels()) {
            plane.extend_from_slice(samples);
        }
    }

    fn due(&self) -> MediaTime {
        self.span().end
    }
}

impl Emitted for Event {
    type Log = Vec<Event>;

    fn record(&self, log: &mut Vec<Event>) {
        assert!(self.proof >= self.span.end, "{self:?} is proven before its end");
        log.push(self.clone());
    }

    fn due(&self) -> MediaTime {
        self.proof
    }
}

impl Emitted for Hop {
    type Log = Vec<Hop>;

    fn record(&self, log: &mut Vec<Hop>) {
        log.push(self.clone());
    }

    fn due(&self) -> MediaTime {
        self.span().end
    }
}

/// Checks all four laws for what `make` makes. `signal` has to make it emit something before its flush.
pub(crate) fn all<S, O>(make: impl Fn() -> O, signal: &S)
where
    S: Signal,
    O: Operator<In = S::Item>,
    O::Out: Emitted,
{
    cutting(&make, signal);
    reset(&make, signal);
    latency(&make, signal);
    quiet(&make, signal);
}

/// Any cutting of the same signal gives the same output, exactly.
pub(crate) fn cutting<S, O>(make: impl Fn() -> O, signal: &S)
where
    S: Signal,
    O: Operator<In = S::Item>,
    O::Out: Emitted,
{
    let whole = run(&mut make(), signal, &mut || usize::MAX);
    assert!(whole != <O::Out as Emitted>::Log::default(), "the signal provokes no output");
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let cut = run(&mut make(), signal, &mut || random.size());
        assert!(cut == whole, "cutting {seed} gives\n{cut:.2000?}\ninstead of\n{whole:.2000?}");
    }
}

/// After a reset it behaves as new: in the middle of anything that came an hour later, and after a flush.
pub(crate) fn reset<S, O>(make: impl Fn() -> O, signal: &S)
where
    S: Signal,
    O: Operator<In = S::Item>,
    O::Out: Emitted,
{
    let mut sizes = Random::new(7);
    let expected = run(&mut make(), signal, &mut || usize::MAX);
    let later = signal.later();
    let mut operator = make();
    for part in [0.13, 0.5, 0.77, 1.0] {
        let mut first = None;
        later.each(&mut || sizes.size(), &mut |item, end| {
            let start = *first.get_or_insert(end);
            let length = later.end().saturating_sub(start).as_secs_f64();
            if end.saturating_sub(start).as_secs_f64() <= length * part {
                operator.push(item, &mut |_: &O::Out| {});
            }
        });
        operator.reset();
        let seen = run(&mut operator, signal, &mut || usize::MAX);
        assert!(seen == expected, "reset after {part} gives\n{seen:.2000?}\ninstead of\n{expected:.2000?}");
        operator.reset();
    }
}

/// `latency()` is the longest wait from what an output needs to its emission, to the frame.
pub(crate) fn latency<S, O>(make: impl Fn() -> O, signal: &S)
where
    S: Signal,
    O: Operator<In = S::Item>,
    O::Out: Emitted,
{
    let mut operator = make();
    let mut longest = None;
    signal.each(&mut || 1, &mut |item, end| {
        operator.push(item, &mut |o: &O::Out| {
            let wait = end.checked_sub(o.due());
            assert!(wait.is_some(), "an output that is due at {} came at {end}, before its proof", o.due());
            longest = longest.max(wait);
        });
    });
    let longest = longest.expect("the signal provokes no output before the flush");
    let told = operator.latency();
    let error = longest.saturating_sub(told).max(told.saturating_sub(longest));
    assert!(
        error < signal.frame(),
        "latency is {:?} s, told {:?} s",
        longest.as_secs_f64(),
        told.as_secs_f64()
    );
}

/// `push` does not allocate, from the first one on.
pub(crate) fn quiet<S, O>(make: impl Fn() -> O, signal: &S)
where
    S: Signal,
    O: Operator<In = S::Item>,
{
    let mut operator = make();
    let mut sizes = Random::new(11);
    signal.each(&mut || sizes.size(), &mut |item, end| {
        let info = allocation_counter::measure(|| operator.push(item, &mut |_: &O::Out| {}));
        assert_eq!(info.count_total, 0, "allocations in the push that ends at {end} s");
    });
}

fn run<S, O>(operator: &mut O, signal: &S, sizes: &mut dyn FnMut() -> usize) -> <O::Out as Emitted>::Log
where
    S: Signal,
    O: Operator<In = S::Item>,
    O::Out: Emitted,
{
    let mut log = <O::Out as Emitted>::Log::default();
    signal.each(sizes, &mut |item, _| operator.push(item, &mut |o: &O::Out| o.record(&mut log)));
    operator.flush(&mut |o: &O::Out| o.record(&mut log));
    log
}
