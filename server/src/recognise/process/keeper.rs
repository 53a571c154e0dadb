//! The thread that keeps one recogniser process running for those who share it: starts it, hands it their requests, routes
//! its answers, kills it when it is late, and has the next one ready. Linux ends a process with the *thread* that started
//! it (prctl(2), `PR_SET_PDEATHSIG`), so it is this one that does. Does not decide who asks again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam::atomic::AtomicCell;
use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};

use super::ProcessConfig;
use super::breaker::Breaker;
use super::counters::Counters;
use super::frame::Ready;
use super::request::{Lost, Request, Retry};
use super::worker::{Loss, Said, Worker, poll_until};

/// What a keeper lets be seen.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Id of the process that serves or will; 0: there is none.
    pub(super) process_id: AtomicU32,
    /// Until when requests are refused.
    pub(super) resting_until: AtomicCell<Option<Instant>>,
}

/// The way to a keeper. The last one to drop it ends the process.
#[derive(Debug)]
pub(super) struct Kept {
    inbox: Option<Sender<Request>>,
    waker: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    next_id: AtomicU64,
    pub(super) board: Arc<Board>,
}

impl Kept {
    /// Starts a keeper of a process with `n_states`; what becomes of its start arrives at the receiver.
    pub(super) fn start(
        config: &ProcessConfig,
        idx: usize,
        n_states: usize,
        counters: &Arc<Counters>,
    ) -> io::Result<(Self, Receiver<Result<Ready, String>>)> {
        // Each of those who share it has one request at a time.
        let (inbox, requests) = bounded(n_states);
        let (greet, greeting) = bounded(1);
        let waker = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let board = Arc::new(Board::default());
        let keeper = Keeper {
            breaker: Breaker::new(config.deaths_max, config.deaths_window),
            n_states,
            counters: Arc::clone(counters),
            board: Arc::clone(&board),
            waker: Arc::clone(&waker),
            config: config.clone(),
            requests,
            greet: Some(greet),
            model: None,
            workers: Vec::new(),
            waiting: VecDeque::new(),
            lost: Vec::new(),
            last_loss: String::new(),
        };
        let thread = std::thread::Builder::new().name(format!("recogniser-{idx}"));
        let thread = Some(thread.spawn(move || keeper.run())?);
        Ok((Self { inbox: Some(inbox), waker, thread, next_id: AtomicU64::new(1), board }, greeting))
    }

    /// A number that no other request to this process has.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands over a request. Where the keeper is gone, so is the way of its reply.
    pub(super) fn ask(&self, request: Request) {
        if let Some(inbox) = &self.inbox {
            let _ = inbox.send(request);
            wake(&self.waker);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.inbox.take());
        wake(&self.waker);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// It can only be refused where it is awake already: eventfd(2).
fn wake(waker: &OwnedFd) {
    let _ = rustix::io::write(waker, &1_u64.to_ne_bytes());
}

struct Keeper {
    config: ProcessConfig,
    n_states: usize,
    counters: Arc<Counters>,
    board: Arc<Board>,
    breaker: Breaker,
    requests: Receiver<Request>,
    waker: Arc<OwnedFd>,
    /// Where the first process's start is told.
    greet: Option<Sender<Result<Ready, String>>>,
    /// What the first one loaded, and all others must.
    model: Option<String>,
    /// The oldest first. The newest that is ready serves; older ones finish what they have.
    workers: Vec<Worker>,
    /// Given to nobody yet.
    waiting: VecDeque<Request>,
    /// To be told.
    lost: Vec<(Request, Lost)>,
    last_loss: String,
}

impl Keeper {
    fn run(mut self) {
        while self.takes_requests() {
            self.keep_one();
            self.hand_out(Instant::now());
            self.show();
            for (request, lost) in self.lost.drain(..) {
                request.answer(Err(lost));
            }
            match self.wait() {
                Ok(events) => self.listen(&events),
                Err(error) => {
                    tracing::error!("a recogniser process cannot be waited for: {error}");
                    return;
                }
            }
        }
    }

    /// Takes what was asked for. `false`: nobody is there any more.
    fn takes_requests(&mut self) -> bool {
        let mut n_wakes = [0; 8];
        // Before the queue is looked into: who comes later wakes us again.
        let _ = rustix::io::read(&*self.waker, &mut n_wakes);
        loop {
            match self.requests.try_recv() {
                Ok(request) => self.waiting.push_back(request),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Sees to it that a process within its term serves or is about to.
    fn keep_one(&mut self) {
        let term = self.config.recycle_after.get();
        if self.workers.iter().any(|worker| worker.n_answered < term) || self.rest().is_some() {
            return;
        }
        self.counters.starts.count();
        let states = self.n_states.to_string();
        let mut command = Command::new(&self.config.program);
        command.args(&self.config.args).args(["--states", &states]);
        match Worker::start(&mut command, self.config.start_max) {
            Ok(worker) => {
                if !self.workers.is_empty() {
                    self.counters.recycled.count();
                }
                self.workers.push(worker);
            }
            Err(loss) => self.died(&loss, false),
        }
    }

    fn rest(&self) -> Option<std::time::Duration> {
        self.breaker.resting(Instant::now())
    }

    /// Gives the process what it can begin with, in the order of asking.
    fn hand_out(&mut self, now: Instant) {
        if let (true, Some(rest)) = (self.workers.is_empty(), self.breaker.resting(now)) {
            let (rest_ms, last) = (rest.as_millis(), &self.last_loss);
            let cause =
                format!("its processes die too often, the next try is in {rest_ms} ms; the last one {last}");
            self.lose_waiting(&Lost { cause, retry: Retry::Never });
        }
        let Some(serving) = self.workers.iter().rposition(|worker| worker.is_ready) else { return };
        let mut idx = 0;
        self.workers.retain(|worker| {
            idx += 1;
            idx > serving || !worker.at_work.is_empty()
        });
        let Some(worker) = self.workers.iter_mut().rfind(|worker| worker.is_ready) else { return };
        while let Some(request) = self.waiting.pop_front_if(|request| worker.takes(request)) {
            worker.give(request, now);
        }
    }

    fn show(&self) {
        let serving = self.workers.iter().rfind(|worker| worker.is_ready).or(self.workers.last());
        let process_id = serving.map_or(0, Worker::id);
        self.board.process_id.store(process_id, Ordering::Release);
        let rest = if self.workers.is_empty() { self.rest() } else { None };
        self.board.resting_until.store(rest.map(|rest| Instant::now() + rest));
    }

    /// Waits until somebody asks, a pipe is ready, or a process is late: which pipes have something.
    fn wait(&self) -> rustix::io::Result<Vec<bool>> {
        let mut waited_for = vec![PollFd::new(&*self.waker, PollFlags::IN)];
        waited_for.extend(self.workers.iter().flat_map(Worker::poll_fds));
        poll_until(&mut waited_for, self.workers.iter().filter_map(Worker::due).min())?;
        Ok(waited_for.iter().skip(1).map(|fd| !fd.revents().is_empty()).collect())
    }

    /// Moves what the pipes take and give. Whatever goes wrong costs a process its life.
    fn listen(&mut self, events: &[bool]) {
        let mut events = events.iter().copied();
        for mut worker in std::mem::take(&mut self.workers) {
            let listened = worker.transfer(&mut events).and_then(|()| self.hear(&mut worker));
            match listened.and_then(|()| worker.overdue(Instant::now()).map_or(Ok(()), Err)) {
                Ok(()) => self.workers.push(worker),
                Err(loss) => self.lose(worker, &loss),
            }
        }
    }

    fn hear(&mut self, worker: &mut Worker) -> Result<(), Loss> {
        while let Some(said) = worker.heard()? {
            match said {
                Said::Ready(ready) => self.greeted(ready, worker.id())?,
                Said::Answer { request, decode_us, outcome } => {
                    self.counters.decode_us.fetch_add(decode_us, Ordering::Relaxed);
                    if worker.n_answered == 1 {
                        self.breaker.answered();
                    }
                    request.answer(Ok(outcome));
                }
            }
        }
        Ok(())
    }

    fn greeted(&mut self, ready: Ready, process_id: u32) -> Result<(), Loss> {
        tracing::debug!("recogniser process {process_id} is ready after {} ms", ready.load_ms);
        let model = self.model.get_or_insert_with(|| ready.model.clone());
        if *model != ready.model {
            return Err(Loss::Garbage(format!("it loaded {}, expected {model}", ready.model)));
        }
        if let Some(greet) = self.greet.take() {
            let _ = greet.send(Ok(ready));
        }
        Ok(())
    }

    /// The process is gone; those who waited for it are told what that means for them.
    fn lose(&mut self, mut worker: Worker, loss: &Loss) {
        let is_timeout = matches!(loss, Loss::TookLonger(_));
        let now = Instant::now();
        for at_work in worker.at_work.drain(..) {
            let limit = at_work.request.limit;
            let lost = match is_timeout {
                false => Lost { cause: loss.to_string(), retry: Retry::Once },
                true if at_work.until <= now => {
                    Lost { cause: Loss::TookLonger(limit).to_string(), retry: Retry::Never }
                }
                true => Lost { cause: format!("shared a process that {loss}"), retry: Retry::Free },
            };
            self.lost.push((at_work.request, lost));
        }
        self.died(loss, worker.is_ready);
    }

    fn died(&mut self, loss: &Loss, was_ready: bool) {
        self.counters.deaths.count();
        let is_timeout = matches!(loss, Loss::TookLonger(_));
        if is_timeout {
            self.counters.timeouts.count();
        }
        self.last_loss = loss.to_string();
        tracing::warn!("recogniser process: {loss}");
        if let Some(rest) = self.breaker.died(Instant::now()) {
            tracing::error!("recogniser processes die too often: no new one for {} s", rest.as_secs());
        }
        if !was_ready && self.workers.is_empty() {
            let retry = if is_timeout { Retry::Never } else { Retry::Once };
            self.lose_waiting(&Lost { cause: self.last_loss.clone(), retry });
        }
        if let Some(greet) = self.greet.take() {
            let _ = greet.send(Err(self.last_loss.clone()));
        }
    }

    fn lose_waiting(&mut self, lost: &Lost) {
        self.lost.extend(self.waiting.drain(..).map(|request| (request, lost.clone())));
    }
}
