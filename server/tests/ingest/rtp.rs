//! RTP from senders of our own, from ffmpeg and from GStreamer, over networks that lose and reorder.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine::event::{FeedState, GapReason};
use rustix::net::sockopt;
use server::ingest::{Audio, Input, LiveConfig};
use tokio::runtime::Runtime;

use crate::free::free_address;
use crate::serve::quick;
use crate::support::{Files, Heard, hear, hear_until};

/// Hears an address or a description until there is enough.
fn receive(input: &str, config: LiveConfig) -> (Audio, Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let Ok(Input::Rtp(source)) = Input::parse(input) else { panic!("{input} is no RTP") };
    (Audio::from_rtp(&source, config, runtime.handle()).unwrap(), runtime)
}

/// Nothing is stalled before a slow machine has had its time.
fn patient() -> LiveConfig {
    LiveConfig { stalled_after: Duration::from_secs(20), dead_after: Duration::from_secs(30), ..quick(true) }
}

/// A port that nobody has.
pub(crate) fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| free_address().port());
    ports.find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// A sender of L16 in mono at 8 kHz, 8 frames a packet: sample `n` of the feed is `n`.
struct Sender {
    socket: UdpSocket,
    ssrc: u32,
    /// Added to numbers and times.
    base: (u16, u32),
}

impl Sender {
    const QUERY: &str = "encoding=L16&rate=8000&channels=1";

    fn to(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        Self { socket, ssrc: 7, base: (65_530, u32::MAX - 100) }
    }

    fn send(&self, n: u32) {
        let (sequence, timestamp) = (self.base.0.wrapping_add(n as u16), self.base.1.wrapping_add(n * 8));
        let mut packet = vec![0x80, 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        (n * 8..n * 8 + 8).for_each(|sample| packet.extend((sample as i16).to_be_bytes()));
        // Nobody listens yet, or any more: that is for the test to say.
        let _ = self.socket.send(&packet);
    }
}

/// Which samples were heard, from their values.
fn samples(heard: &Heard) -> Vec<u32> {
    heard.channels.first().into_iter().flatten().map(|sample| (sample * 32_768.0).round() as u32).collect()
}

/// Waits until somebody receives at `port`. Whoever tried to take it to find out would take it from its receiver.
fn wait_until_bound(port: u16) {
    let due = Instant::now() + Duration::from_secs(20);
    let place = format!(":{port:04X}");
    let is_bound = || {
        // proc(5): the second word of a line is the socket's own address.
        let sockets = fs::read_to_string("/proc/net/udp").unwrap();
        sockets.lines().filter_map(|line| line.split_whitespace().nth(1)).any(|at| at.ends_with(&place))
    };
    while !is_bound() {
        assert!(Instant::now() < due, "nobody receives at port {port}");
        std::thread::yield_now();
    }
}

/// Sends one packet after the other, each in `order` when those before it were heard or lost, and hears `n_frames`.
fn exchange(order: &[u32], n_frames: usize) -> Heard {
    let port = free_port();
    let (mut audio, _runtime) = receive(&format!("rtp://127.0.0.1:{port}?{}", Sender::QUERY), patient());
    wait_until_bound(port);
    let sender = Sender::to(port);
    order.iter().for_each(|n| sender.send(*n));
    hear_until(&mut audio, |heard| heard.n_frames() >= n_frames)
}

#[test]
fn packets_are_put_in_order_and_a_hole_is_a_gap_of_its_length() {
    // 5 and 6 change places, 9 comes twice, 12 and 13 are lost, 16 comes much too late, and at the end nothing is.
    let order = [0, 1, 2, 3, 4, 6, 5, 7, 8, 9, 9, 10, 11, 14, 15, 17, 18, 19];
    let heard = exchange(&order, 17 * 8);
    let expected: Vec<u32> =
        (0..20_u32).filter(|n| ![12, 13, 16].contains(n)).flat_map(|n| n * 8..n * 8 + 8).collect();
    assert_eq!(samples(&heard), expected);
    let gaps: Vec<_> = heard.gaps.iter().map(|(_, gap)| (gap.frames, gap.reason)).collect();
    assert_eq!(gaps, [(16, GapReason::Loss), (8, GapReason::Loss)]);
    assert_eq!(heard.states(), [FeedState::Connected, FeedState::Live]);
    assert_eq!((heard.streams[0].codec, heard.streams[0].format.rate().hz()), ("l16", 8_000));
    let reason = heard.feeds[0].reason.clone().unwrap();
    assert!(reason.contains(": SSRC 00000007 from 127.0.0.1:"), "{reason}");
}

#[test]
fn another_sender_takes_over_and_both_are_named() {
    let port = free_port();
    let (mut audio, _runtime) = receive(&format!("rtp://127.0.0.1:{port}?{}", Sender::QUERY), patient());
    wait_until_bound(port);
    let mut sender = Sender::to(port);
    (0..10).for_each(|n| sender.send(n));
    let first = hear_until(&mut audio, |heard| heard.n_frames() >= 80);
    (sender.ssrc, sender.base) = (8, (100, 100));
    let second = hear_until_sending(&mut audio, &sender, |heard| heard.n_frames() >= 8);
    assert_eq!(first.states(), [FeedState::Connected, FeedState::Live]);
    assert_eq!(second.states(), [FeedState::Connected, FeedState::Live]);
    let reason = second.feeds[0].reason.clone().unwrap();
    assert!(reason.contains("SSRC 00000008 in place of 00000007"), "{reason}");
    assert_eq!(
        second.gaps.first().map(|(_, gap)| (gap.frames, gap.reason)),
        Some((0, GapReason::Disconnect))
    );
    assert_eq!(second.order[..4], ["endpoint", "feed", "gap", "feed"]);
}

#[test]
fn silence_is_a_stall_then_down_and_the_sender_is_welcome_again() {
    let port = free_port();
    let limits = LiveConfig { stalled_after: Duration::from_millis(500), ..quick(true) };
    let config = LiveConfig { dead_after: Duration::from_secs(1), ..limits };
    let (mut audio, _runtime) = receive(&format!("rtp://127.0.0.1:{port}?{}", Sender::QUERY), config);
    wait_until_bound(port);
    let mut sender = Sender::to(port);
    (0..10).for_each(|n| sender.send(n));
    let gone = hear_until(&mut audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    assert_eq!(
        gone.states(),
        [FeedState::Connected, FeedState::Live, FeedState::Stalled, FeedState::Reconnecting]
    );
    let reason = gone.feeds.last().and_then(|feed| feed.reason.clone()).unwrap();
    assert!(reason.ends_with("no packets for 1s; waiting for the next ones"), "{reason}");
    (sender.base.0, sender.base.1) = (20_000, 20_000);
    let back = hear_until_sending(&mut audio, &sender, |heard| heard.n_frames() >= 80);
    assert_eq!(back.states(), [FeedState::Connected, FeedState::Live]);
    let reason = back.feeds[0].reason.clone().unwrap();
    assert!(reason.contains("the sender counts anew"), "{reason}");
    assert_eq!(back.gaps[0].1.reason, GapReason::Disconnect);
}

#[test]
fn nobody_and_the_wrong_ones_are_told_apart() {
    let port = free_port();
    let address = format!("rtp://127.0.0.1:{port}?{}", Sender::QUERY);
    let (mut audio, _runtime) = receive(&address, quick(false));
    let nobody = hear_until(&mut audio, |_| false);
    assert!(nobody.message().ends_with("no packets for 300ms"), "{}", nobody.message());

    let config = LiveConfig { undecodable_after: Duration::from_millis(50), ..patient() };
    let (mut audio, _runtime) = receive(&address.replace("L16", "L24&payload=97"), config);
    wait_until_bound(port);
    let sender = Sender::to(port);
    let wrong =
        hear_until_sending(&mut audio, &sender, |heard| heard.states().contains(&FeedState::Undecodable));
    let reason = wrong.feeds[0].reason.clone().unwrap();
    assert!(reason.ends_with("payload type 96, expected 97 (l24, 8000 Hz, 1 channels)"), "{reason}");

    drop((audio, _runtime));
    let (mut audio, _runtime) = receive(&format!("{address}&from=127.0.0.9"), quick(false));
    let foreign = hear_until_sending(&mut audio, &sender, |_| false);
    assert!(
        foreign.n_frames() == 0 && foreign.message().ends_with("no packets for 300ms"),
        "{}",
        foreign.message()
    );

    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (audio, _runtime) = receive(&format!("rtp://127.0.0.1:{port}?payload=0"), quick(true));
    let message = hear(Ok(audio)).message();
    assert!(message.contains("cannot receive there: Address already in use"), "{message}");
}

/// Hears until there is enough, while `sender` sends a packet every 2 ms.
fn hear_until_sending(audio: &mut Audio, sender: &Sender, enough: impl FnMut(&Heard) -> bool) -> Heard {
    std::thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::sync_channel::<()>(1);
        scope.spawn(move || {
            let mut n = 0;
            let pause = Duration::from_millis(2);
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = is_done.recv_timeout(pause) {
                sender.send(n);
                n += 1;
            }
        });
        let heard = hear_until(audio, enough);
        drop(done);
        heard
    })
}

#[test]
fn a_group_is_joined_at_the_interface_that_is_named() {
    let port = free_port();
    let group = format!("239.255.{}.{}", port >> 8, port & 0xff);
    for interface in ["127.0.0.1", "lo", "127.0.0.1&from=127.0.0.1"] {
        let address = format!("rtp://{group}:{port}?{}&interface={interface}", Sender::QUERY);
        let (mut audio, _runtime) = receive(&address, patient());
        let mut sender = Sender::to(port);
        sender.socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        sockopt::set_ip_multicast_if(&sender.socket, &[127, 0, 0, 1].into()).unwrap();
        sender.socket.connect((group.as_str(), port)).unwrap();
        let heard = hear_until_sending(&mut audio, &sender, |heard| heard.n_frames() > 0);
        assert_eq!(heard.states(), [FeedState::Connected, FeedState::Live], "{interface}");
    }
}

/// A network between a sender and several receivers, which loses one packet in so many for each of them.
struct Network {
    socket: UdpSocket,
    /// Port and losses: one packet in so many.
    receivers: Vec<(u16, u32)>,
}

/// What a network did to one of its receivers.
struct Lossy {
    n_lost: u32,
    bytes_lost: u64,
}

impl Network {
    fn new(losses: &[u32]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { socket, receivers: losses.iter().map(|one_in| (free_port(), *one_in)).collect() }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Carries what comes until `sender` has ended. The first and the last ten packets are not lost: nobody could know.
    fn carry(self, sender: &mut Child, head_bytes: usize) -> Vec<Lossy> {
        self.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut packets = std::collections::VecDeque::new();
        let mut state = 1_u64;
        let mut lossy: Vec<_> = self.receivers.iter().map(|_| Lossy { n_lost: 0, bytes_lost: 0 }).collect();
        let (mut n, mut is_over) = (0, false);
        while !(is_over && packets.is_empty()) {
            let mut packet = [0; 2_048];
            match self.socket.recv(&mut packet) {
                Ok(n_bytes) => packets.push_back(packet[..n_bytes].to_vec()),
                Err(_) => is_over = sender.try_wait().unwrap().is_some(),
            }
            // Ten packets wait, so that the last ones are known.
            while packets.len() > 10 || (is_over && !packets.is_empty()) {
                let packet = packets.pop_front().unwrap();
                n += 1;
                for ((port, one_in), lossy) in self.receivers.iter().zip(&mut lossy) {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    if n > 10 && !is_over && ((state >> 33) as u32).is_multiple_of(*one_in) {
                        lossy.n_lost += 1;
                        lossy.bytes_lost += (packet.len() - head_bytes) as u64;
                    } else {
                        self.socket.send_to(&packet, ("127.0.0.1", *port)).unwrap();
                    }
                }
            }
        }
        lossy
    }
}

/// Runs `sender`, whose packets `network` carries, and hears what comes at each of its receivers, of which `input` says
/// how.
fn over(network: Network, mut sender: Command, input: impl Fn(u16) -> String) -> Vec<(Heard, Lossy)> {
    let ports: Vec<u16> = network.receivers.iter().map(|(port, _)| *port).collect();
    let config = LiveConfig {
        stalled_after: Duration::from_secs(5),
        dead_after: Duration::from_secs(20),
        ..quick(true)
    };
    let mut receivers: Vec<_> = ports.iter().map(|port| receive(&input(*port), config)).collect();
    ports.iter().for_each(|port| wait_until_bound(*port));
    let mut sender = sender.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("run `make setup`");
    std::thread::scope(|scope| {
        let carrying = scope.spawn(|| network.carry(&mut sender, 12));
        let hear = |(audio, _): &mut (Audio, Runtime)| {
            hear_until(audio, |heard| heard.states().contains(&FeedState::Stalled))
        };
        let heard: Vec<Heard> = receivers.iter_mut().map(hear).collect();
        heard.into_iter().zip(carrying.join().unwrap()).collect()
    })
}

fn frames_lost(heard: &Heard) -> u64 {
    assert!(heard.gaps.iter().all(|(_, gap)| gap.reason == GapReason::Loss), "{:?}", heard.gaps);
    heard.gaps.iter().map(|(_, gap)| gap.frames).sum()
}

#[test]
fn ffmpeg_over_networks_that_lose_1_5_and_10_percent() {
    let network = Network::new(&[100, 20, 10, u32::MAX]);
    let mut sender = Command::new("ffmpeg");
    sender.args(["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "sine=440:r=48000:d=4", "-ac", "2"]);
    sender.args(["-c:a", "pcm_s16be", "-f", "rtp", "-payload_type", "97"]);
    // Forty frames of 4 bytes: many packets, of less than a millisecond.
    sender.arg(format!("rtp://127.0.0.1:{}?pkt_size=172", network.port()));
    let files = Files::new();
    let sdp = |port: u16| {
        let text = format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 97\r\na=rtpmap:97 L16/48000/2\r\n"
        );
        files.write(&format!("{port}.sdp"), text.as_bytes()).display().to_string()
    };
    for (heard, lossy) in over(network, sender, sdp) {
        let n_lost = lossy.n_lost;
        assert_eq!(frames_lost(&heard), lossy.bytes_lost / 4, "{n_lost} packets");
        assert_eq!(heard.n_frames() as u64 + lossy.bytes_lost / 4, 4 * 48_000);
    }
}

fn gst(pipeline: &str, port: u16) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split(' '));
    command.args(["!", "udpsink", "host=127.0.0.1"]).arg(format!("port={port}"));
    command
}

#[test]
fn gstreamer_at_the_pace_of_a_studio_network() {
    // AES67: 48 frames of L24 in stereo, a packet each millisecond.
    let network = Network::new(&[20, u32::MAX]);
    let pipeline = "audiotestsrc is-live=true num-buffers=100 samplesperbuffer=480 \
        ! audio/x-raw,rate=48000,channels=2,format=S24BE ! rtpL24pay pt=98 min-ptime=1000000 max-ptime=1000000";
    let sender = gst(pipeline, network.port());
    let input = |port| format!("rtp://127.0.0.1:{port}?encoding=L24&payload=98");
    for (heard, lossy) in over(network, sender, input) {
        assert_eq!(lossy.bytes_lost, u64::from(lossy.n_lost) * 48 * 6, "packets of a millisecond");
        assert_eq!(frames_lost(&heard), u64::from(lossy.n_lost) * 48);
        assert_eq!(heard.n_frames() as u64 + frames_lost(&heard), 48_000);
        assert_eq!(heard.streams[0].codec, "l24");
    }
}

#[test]
fn gstreamer_sends_opus() {
    let network = Network::new(&[10, u32::MAX]);
    let pipeline = "audiotestsrc is-live=true num-buffers=150 samplesperbuffer=960 \
        ! audio/x-raw,rate=48000,channels=2 ! opusenc frame-size=20 ! rtpopuspay pt=96";
    let sender = gst(pipeline, network.port());
    let mut n_heard = Vec::new();
    for (heard, lossy) in over(network, sender, |port| format!("rtp://127.0.0.1:{port}?encoding=opus")) {
        assert_eq!(frames_lost(&heard), u64::from(lossy.n_lost) * 960);
        assert!(heard.channels[0].iter().any(|sample| sample.abs() > 0.2), "a tone");
        n_heard.push(heard.n_frames() as u64 + frames_lost(&heard));
    }
    assert_eq!(n_heard[0], n_heard[1], "what is missing is as long as it was");
}

#[test]
fn a_description_that_is_none_is_told() {
    let files = Files::new();
    let check = |input: &Path, expected: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let Ok(Input::Rtp(source)) = Input::parse(input.to_str().unwrap()) else { panic!("{input:?}") };
        let error = Audio::from_rtp(&source, patient(), runtime.handle()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&files.write("a.sdp", b"hello"), "a.sdp: not an SDP description");
    check(&files.path("b.sdp"), "b.sdp: No such file");
}
