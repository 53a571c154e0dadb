//! The two traits of the house, and their two compositions.

use crate::time::MediaTime;

/// Takes what an operator produces.
pub trait Emit<T: ?Sized> {
    /// Takes one item; it is lent for the call only.
    fn emit(&mut self, item: &T);
}

impl<T: ?Sized, F: FnMut(&T)> Emit<T> for F {
    fn emit(&mut self, item: &T) {
        self(item);
    }
}

/// A stage: takes an item, emits what follows from it. Never blocks, allocates, reads a clock, or fails.
///
/// The four laws, tested for every operator: *cutting* (any cutting of the same audio into blocks gives the same
/// output), *reset* (after `reset` it behaves as new), *latency* (`latency` is true to the frame), *quiet* (`push`
/// does not allocate, lock, log, read a clock or fail).
pub trait Operator: Send {
    /// What it takes.
    type In: ?Sized;
    /// What it emits.
    type Out: ?Sized;

    /// Takes one item and emits what follows from it.
    fn push(&mut self, input: &Self::In, out: &mut dyn Emit<Self::Out>);

    /// End of the feed: emits what is still held. Only [`Self::reset`] may follow.
    fn flush(&mut self, _out: &mut dyn Emit<Self::Out>) {}

    /// A discontinuity: forgets the past, behaves as new.
    fn reset(&mut self) {}

    /// Algorithmic delay from input to output.
    fn latency(&self) -> MediaTime {
        MediaTime::ZERO
    }
}

impl<O: Operator + ?Sized> Operator for Box<O> {
    type In = O::In;
    type Out = O::Out;

    fn push(&mut self, input: &Self::In, out: &mut dyn Emit<Self::Out>) {
        (**self).push(input, out);
    }

    fn flush(&mut self, out: &mut dyn Emit<Self::Out>) {
        (**self).flush(out);
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn latency(&self) -> MediaTime {
        (**self).latency()
    }
}

/// One operator after the other.
#[derive(Debug)]
pub struct Chain<A, B> {
    first: A,
    second: B,
}

impl<A, B> Chain<A, B>
where
    A: Operator,
    B: Operator<In = A::Out>,
{
    /// `first`, then `second`.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

struct Into<'a, B: Operator> {
    next: &'a mut B,
    out: &'a mut dyn Emit<B::Out>,
}

impl<B: Operator> Emit<B::In> for Into<'_, B> {
    fn emit(&mut self, item: &B::In) {
        self.next.push(item, self.out);
    }
}

impl<A, B> Operator for Chain<A, B>
where
    A: Operator,
    B: Operator<In = A::Out>,
{
    type In = A::In;
    type Out = B::Out;

    fn push(&mut self, input: &A::In, out: &mut dyn Emit<B::Out>) {
        self.first.push(input, &mut Into { next: &mut self.second, out });
    }

    fn flush(&mut self, out: &mut dyn Emit<B::Out>) {
        self.first.flush(&mut Into { next: &mut self.second, out });
        self.second.flush(out);
    }

    fn reset(&mut self) {
        self.first.reset();
        self.second.reset();
    }

    fn latency(&self) -> MediaTime {
        self.first.latency() + self.second.latency()
    }
}

/// The same input to each of several operators, in order.
pub struct Fan<I: ?Sized, O: ?Sized> {
    branches: Vec<Box<dyn Operator<In = I, Out = O>>>,
}

impl<I: ?Sized, O: ?Sized> Fan<I, O> {
    /// A fan over `branches`.
    #[must_use]
    pub fn new(branches: Vec<Box<dyn Operator<In = I, Out = O>>>) -> Self {
        Self { branches }
    }
}

impl<I: ?Sized, O: ?Sized> Operator for Fan<I, O> {
    type In = I;
    type Out = O;

    fn push(&mut self, input: &I, out: &mut dyn Emit<O>) {
        for branch in &mut self.branches {
            branch.push(input, out);
        }
    }

    fn flush(&mut self, out: &mut dyn Emit<O>) {
        for branch in &mut self.branches {
            branch.flush(out);
        }
    }

    fn reset(&mut self) {
        for branch in &mut self.branches {
            branch.reset();
        }
    }

    /// That of its slowest branch.
    fn latency(&self) -> MediaTime {
        self.branches.iter().map(|b| b.latency()).max().unwrap_or(MediaTime::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Emits `n` sums of pairs, and the odd one out at the end.
    #[derive(Default)]
    struct Pairs(Option<i32>);

    impl Operator for Pairs {
        type In = i32;
        type Out = i32;

        fn push(&mut self, input: &i32, out: &mut dyn Emit<i32>) {
            match self.0.take() {
                Some(held) => out.emit(&(held + input)),
                None => self.0 = Some(*input),
            }
        }

        fn flush(&mut self, out: &mut dyn Emit<i32>) {
            if let Some(held) = self.0.take() {
                out.emit(&held);
            }
        }

        fn reset(&mut self) {
            self.0 = None;
        }

        fn latency(&self) -> MediaTime {
            MediaTime::from_millis(10)
        }
    }

    fn check(
        mut operator: impl Operator<In = i32, Out = i32>,
        input: &[i32],
        expected: &[i32],
        latency_ms: u64,
    ) {
        assert_eq!(operator.latency(), MediaTime::from_millis(latency_ms));
        for _ in 0..2 {
            let mut seen = Vec::new();
            for item in input {
                operator.push(item, &mut |o: &i32| seen.push(*o));
            }
            operator.flush(&mut |o: &i32| seen.push(*o));
            assert_eq!(seen, expected);
            operator.reset();
        }
    }

    #[test]
    fn a_chain_flushes_through() {
        check(Chain::new(Pairs::default(), Pairs::default()), &[1, 2, 3, 4, 5], &[10, 5], 20);
    }

    #[test]
    fn a_fan_gives_the_same_to_each() {
        let fan = Fan::new(vec![
            Box::new(Pairs::default()) as Box<dyn Operator<In = i32, Out = i32>>,
            Box::new(Chain::new(Pairs::default(), Pairs::default())),
        ]);
        check(fan, &[1, 2, 3, 4], &[3, 7, 10], 20);
    }
}
