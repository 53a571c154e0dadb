//! Bodies with something that lasts as long as they do: of a request until it was read, of an answer until it was sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

/// See the module: `during` is dropped at the end of the body, or with it.
#[derive(Debug)]
pub(super) struct Watched<B, D> {
    body: B,
    during: Option<D>,
}

impl<B: Body, D> Watched<B, D> {
    /// A body that has ended already lasts no time.
    pub(super) fn new(body: B, during: D) -> Self {
        let during = (!body.is_end_stream()).then_some(during);
        Self { body, during }
    }
}

impl<B: Body + Unpin, D: Unpin> Body for Watched<B, D> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            self.during = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
