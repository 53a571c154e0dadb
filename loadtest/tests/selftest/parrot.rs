//! A server of Deepgram's protocol that hears nothing: it knows the programme by heart, finds out from the first samples
//! where in it a client is, and says each word as long after its last sample came as it was told to. It keeps the true
//! delays, against which those that the load test measured are held.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use loadtest::pace::Dice;
use loadtest::programme::{Programme, What};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep_until;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// Samples by which a place in the programme is found.
const KEY: usize = 400;

/// A delay for the word that comes next.
pub(crate) type Delay = fn(&mut Dice) -> Duration;

/// See the module. Ends when dropped.
pub(crate) struct Parrot {
    pub(crate) address: SocketAddr,
    /// True delays: of a word that ended so long after the first sample of its connection.
    pub(crate) said: Arc<Mutex<Vec<(Duration, Duration)>>>,
    _runtime: Runtime,
}

impl Parrot {
    pub(crate) fn start(programme: Programme, delay: Delay) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, said) = (listener.local_addr().unwrap(), Arc::default());
        let (programme, of_task) = (Arc::new(programme), Arc::clone(&said));
        runtime.spawn(async move {
            let mut n_visits = 0;
            while let Ok((stream, _)) = listener.accept().await {
                n_visits += 1;
                let talk = Talk::new(Arc::clone(&programme), delay, n_visits, Arc::clone(&of_task));
                tokio::spawn(talk.with(stream));
            }
        });
        Self { address, said, _runtime: runtime }
    }
}

/// What is to be said.
struct Saying {
    due: Instant,
    came: Instant,
    end: Duration,
    text: String,
}

/// One connection.
struct Talk {
    programme: Arc<Programme>,
    delay: Delay,
    dice: Dice,
    said: Arc<Mutex<Vec<(Duration, Duration)>>>,
    /// Samples so far, and where in the programme the first was.
    heard: Vec<i16>,
    n_heard: u64,
    offset: Option<u64>,
    /// Words to come in this and the next round: their last sample, and what they are.
    words: VecDeque<(u64, String, u64)>,
    /// What is to be said when: when the audio had come, and how far in the connection it is.
    waiting: VecDeque<Saying>,
    /// Where the last word ended, samples.
    told: u64,
}

impl Talk {
    fn new(
        programme: Arc<Programme>,
        delay: Delay,
        seed: u64,
        said: Arc<Mutex<Vec<(Duration, Duration)>>>,
    ) -> Self {
        Self {
            programme,
            delay,
            dice: Dice::new(seed),
            said,
            heard: Vec::new(),
            n_heard: 0,
            offset: None,
            words: VecDeque::new(),
            waiting: VecDeque::new(),
            told: 0,
        }
    }

    async fn with(mut self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let Ok(mut socket) = accept_async(stream).await else { return };
        loop {
            let next = self.waiting.front().map(|saying| saying.due);
            let message = tokio::select! {
                biased;
                () = async { sleep_until(next.unwrap_or_else(Instant::now).into()).await }, if next.is_some() => {
                    let Some(Saying { came, end, text, .. }) = self.waiting.pop_front() else { continue };
                    if socket.send(Message::text(text)).await.is_err() { return }
                    self.said.lock().unwrap().push((end, came.elapsed()));
                    continue;
                }
                message = socket.next() => message,
            };
            match message {
                Some(Ok(Message::Binary(bytes))) => self.listen(&bytes),
                Some(Ok(Message::Text(text))) if text.contains("CloseStream") => {
                    let duration = self.n_heard as f64 / f64::from(self.programme.rate.hz());
                    let end = json!({ "type": "Metadata", "duration": duration, "channels": 1 });
                    let _ = socket.send(Message::text(end.to_string())).await;
                    let _ = socket.close(None).await;
                    return;
                }
                Some(Ok(_)) => {}
                _ => return,
            }
        }
    }

    fn listen(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        self.n_heard += bytes.len() as u64 / 2;
        if self.offset.is_none() {
            self.heard.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            self.find();
        }
        while self.words.front().is_some_and(|(end, ..)| *end <= self.n_heard) {
            let Some((end, word, start)) = self.words.pop_front() else { break };
            let due = now + (self.delay)(&mut self.dice);
            // One after the other.
            let due = self.waiting.back().map_or(due, |last| due.max(last.due));
            let secs = |at: u64| at as f64 / f64::from(self.programme.rate.hz());
            let (from, length) = (secs(self.told), secs(end) - secs(self.told));
            let word = json!({ "word": word, "start": secs(start.max(self.told)), "end": secs(end), "confidence": 1.0 });
            let channel = json!({ "alternatives": [{ "transcript": word["word"], "confidence": 1.0, "words": [word] }] });
            let results = json!({
                "type": "Results", "start": from, "duration": length, "is_final": true, "speech_final": true,
                "channel": channel, "channel_index": [0, 1],
            });
            self.told = end;
            let end = Duration::from_secs_f64(secs(end));
            self.waiting.push_back(Saying { due, came: now, end, text: results.to_string() });
            if self.words.len() < 10 {
                self.offset = self.offset.map(|offset| offset + self.programme.samples.len() as u64);
                self.expect();
            }
        }
    }

    /// Where in the programme the client began.
    fn find(&mut self) {
        let loud = |samples: &[i16]| samples.iter().any(|sample| sample.unsigned_abs() > 100);
        let Some(key) = self.heard.windows(KEY).rposition(loud) else { return };
        let samples = &self.programme.samples;
        let round = samples.iter().chain(samples.iter().take(KEY)).copied().collect::<Vec<_>>();
        let place = round.windows(KEY).position(|window| *window == self.heard[key..key + KEY]);
        let Some(place) = place else { return };
        let n_samples = samples.len() as u64;
        self.offset = Some((place as u64 + n_samples - key as u64 % n_samples) % n_samples);
        self.expect();
    }

    /// The words of the round that begins (or began) `offset` before what was heard first.
    fn expect(&mut self) {
        let Some(offset) = self.offset else { return };
        let (rate, n_samples) = (self.programme.rate, self.programme.samples.len() as u64);
        let first = offset / n_samples * n_samples;
        for fact in &self.programme.facts {
            let What::Word(word) = &fact.what else { continue };
            let at = |time: engine::time::MediaTime| {
                (first + time.to_frames(rate)).checked_sub(offset % n_samples)
            };
            let (Some(start), Some(end)) = (at(fact.span.start), at(fact.span.end)) else { continue };
            if self.words.back().is_none_or(|(last, ..)| *last < end) {
                self.words.push_back((end, word.clone(), start));
            }
        }
    }
}
