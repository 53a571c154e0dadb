//! The way from a source that makes frames by itself to whoever pulls: no thread that decodes lies between.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::queue::ArrayQueue;
use engine::event::GapReason;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{Deaf, Live, Out, Received};
use crate::ingest::decode::{Decoded, Lost, Planes};
use crate::ingest::error::IngestError;

/// Pieces of frames that may wait to be pulled: more than the 2 s after which a lane gives up, so that what is shed is
/// shed there, even where losses cut the usual 10 ms into five.
const PIECES: usize = 1_024;
/// Storage for pieces that is used again.
const SPARE: usize = 64;

/// See the module. Frames that find no room are left out and told of: a packet network does not wait.
pub(in crate::ingest) struct Spout {
    out: mpsc::Sender<Out>,
    spare: Arc<ArrayQueue<Planes>>,
    /// Frames that found no room since the last ones that did.
    shed: u64,
}

impl Live {
    /// A feed whose frames come through a spout, from a task on `runtime`.
    pub(in crate::ingest) fn spouting<F>(runtime: &Handle, task: impl FnOnce(Spout) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (out, pulled) = mpsc::channel(PIECES);
        let spare = Arc::new(ArrayQueue::new(SPARE));
        let spout = Spout { out, spare: Arc::clone(&spare), shed: 0 };
        let receiving = runtime.spawn(task(spout)).abort_handle();
        let (planes, received_at) = (Planes::default(), Instant::now());
        Self { out: pulled, spare, planes, received_at, title: None, receiving }
    }
}

impl Spout {
    /// Storage to fill with frames.
    pub(in crate::ingest) fn spare(&self) -> Arc<ArrayQueue<Planes>> {
        Arc::clone(&self.spare)
    }

    /// Frames, of which the last arrived at `at`.
    pub(in crate::ingest) fn frames(&mut self, planes: Planes, at: Instant) -> Result<(), Deaf> {
        let n_frames = planes.n_frames() as u64;
        let has_room = self.tell_shed()? && self.offer(Out::Frames { planes, at })?;
        if !has_room {
            self.shed += n_frames;
        }
        Ok(())
    }

    /// What is not frames. Waits for room.
    pub(in crate::ingest) async fn say(&mut self, received: Received) -> Result<(), Deaf> {
        if let Some(lost) = self.lost() {
            self.out.send(lost).await.map_err(|_| Deaf)?;
        }
        self.out.send(Out::Received(received)).await.map_err(|_| Deaf)
    }

    /// It is over.
    pub(in crate::ingest) async fn fail(&self, error: IngestError) {
        // Nobody may be listening any more.
        let _ = self.out.send(Out::Failed(error)).await;
    }

    /// Whether there was room for it.
    fn tell_shed(&mut self) -> Result<bool, Deaf> {
        let n_shed = self.shed;
        let Some(lost) = self.lost() else { return Ok(true) };
        let has_room = self.offer(lost)?;
        if !has_room {
            self.shed = n_shed;
        }
        Ok(has_room)
    }

    /// Whether there was room for it.
    fn offer(&self, out: Out) -> Result<bool, Deaf> {
        match self.out.try_send(out) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Closed(_)) => Err(Deaf),
        }
    }

    fn lost(&mut self) -> Option<Out> {
        let frames = std::mem::take(&mut self.shed);
        let lost = Lost { frames, reason: GapReason::Overload };
        (frames > 0).then_some(Out::Received(Received::Decoded(Decoded::Lost(lost))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn what_finds_no_room_is_told_of_at_its_place() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (done, filled) = std::sync::mpsc::sync_channel(1);
        let mut live = Live::spouting(runtime.handle(), |mut spout| async move {
            let planes = || {
                let mut planes = Planes::default();
                planes.fill_silence(10, 1);
                planes
            };
            for _ in 0..PIECES + 3 {
                spout.frames(planes(), Instant::now()).ok().unwrap();
            }
            done.send(()).unwrap();
            let _ = spout.say(Received::Endpoint).await;
        });
        filled.recv().unwrap();
        let frames = Received::Decoded(Decoded::Frames);
        for _ in 0..PIECES {
            assert_eq!(live.pull().unwrap(), Some(frames.clone()));
        }
        let lost = Lost { frames: 30, reason: GapReason::Overload };
        assert_eq!(live.pull().unwrap(), Some(Received::Decoded(Decoded::Lost(lost))));
        assert_eq!((live.pull().unwrap(), live.pull().unwrap()), (Some(Received::Endpoint), None));
    }
}
