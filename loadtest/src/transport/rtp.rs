//! Feeds as RTP over UDP (RFC 3550, RFC 3551): a packet is a piece. No RTCP, no encryption, no retransmission.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use engine::time::SampleRate;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::note::Departure;
use super::player::{Clock, Feed, Outgoing, Player, Step};
use super::tape::Tape;
use crate::failure::Failure;
use crate::programme::Programme;

/// Audio in a packet: 882 bytes of L16 at 44.1 kHz, under any MTU.
pub const PACKET: Duration = Duration::from_millis(10);
const HEADER_BYTES: usize = 12;
/// RFC 3550, 5.1: version 2, no padding, no extension, no contributors.
const VERSION: u8 = 0x80;
/// RFC 3551, 4.1: the first packet after silence is marked; here that is the first of all.
const MARKER: u8 = 0x80;
/// RFC 3551, 6: of the range that is agreed upon by SDP.
const DYNAMIC: u8 = 96;

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// 16 bits, network byte order (RFC 3551, 4.5.11).
    L16,
    /// G.711 mu-law, 8 bits.
    Pcmu,
}

impl Payload {
    /// Payload type of mono audio: 11 for L16 at 44.1 kHz, 0 for PCMU at 8 kHz, else dynamic (RFC 3551, table 4).
    #[must_use]
    pub const fn number(self, rate_hz: u32) -> u8 {
        match (self, rate_hz) {
            (Self::L16, 44_100) => 11,
            (Self::Pcmu, 8_000) => 0,
            _ => DYNAMIC,
        }
    }

    /// The programme as payloads of packets.
    pub fn tape(self, programme: &Programme) -> Result<Tape, Failure> {
        let samples = programme.samples.iter();
        let bytes: Bytes = match self {
            Self::L16 => samples.flat_map(|sample| sample.to_be_bytes()).collect(),
            Self::Pcmu => samples.map(|sample| mu_law(*sample)).collect(),
        };
        Tape::raw(programme, &bytes, PACKET)
    }

    /// What a receiver has to know (RFC 8866).
    #[must_use]
    pub fn sdp(self, to: SocketAddr, rate_hz: u32) -> String {
        let (number, port, host) = (self.number(rate_hz), to.port(), to.ip());
        let version = if host.is_ipv4() { 4 } else { 6 };
        let name = if self == Self::L16 { "L16" } else { "PCMU" };
        format!(
            "v=0\r\no=- 0 0 IN IP{version} {host}\r\ns=aircheck-loadtest\r\nc=IN IP{version} {host}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {number}\r\na=rtpmap:{number} {name}/{rate_hz}/1\r\na=ptime:{}\r\n",
            PACKET.as_millis()
        )
    }
}

/// The source of a feed of Aircheck that is sent to `to` in L16, mono, at `rate`.
#[must_use]
pub fn source(to: SocketAddr, rate: SampleRate) -> String {
    let (hz, number) = (rate.hz(), Payload::L16.number(rate.hz()));
    format!("rtp://{to}?encoding=L16&rate={hz}&channels=1&payload={number}")
}

/// Sends a feed to `to` until `end` is true. Its tapes are those of `payload`.
pub async fn play(
    feed: Feed,
    payload: Payload,
    to: SocketAddr,
    mut end: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let failed = |error| Failure::runtime(&format!("send RTP to {to}"), error);
    let ssrc = u32::try_from(feed.idx).unwrap_or(u32::MAX);
    let mut player = Player::new(feed, Clock::Stamped)?;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    socket.connect(to).await.map_err(failed)?;
    player.begin();
    let mut sender = Sender { socket, payload, ssrc };
    let mut ended = pin!(end.wait_for(|end| *end));
    loop {
        let is_over = tokio::select! {
            biased;
            // Where nobody is left to say it, it is the end, too.
            _ = ended.as_mut() => true,
            // There is no connection to cut, and the payload type says what it is.
            Step::Send | Step::Reconnect = player.next() => false,
        };
        if is_over {
            player.course.left(Departure::Done);
            return Ok(());
        }
        while let Some(outgoing) = player.outbox.front() {
            sender.send(outgoing, player.tape()).await.map_err(failed)?;
            player.sent();
        }
    }
}

struct Sender {
    socket: UdpSocket,
    payload: Payload,
    ssrc: u32,
}

impl Sender {
    async fn send(&mut self, outgoing: &Outgoing, tape: &Tape) -> std::io::Result<()> {
        let packet = self.packet(outgoing.idx, &outgoing.bytes, tape);
        match self.socket.send(&packet).await {
            // An earlier packet was answered by "nobody listens here": UDP does not mind, nor do we.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            sent => sent.map(|_| ()),
        }
    }

    /// RFC 3550, 5.1.
    fn packet(&self, idx: u64, audio: &[u8], tape: &Tape) -> Bytes {
        let rate = tape.rate();
        let samples = tape.piece_length().to_frames(rate).wrapping_mul(idx);
        let mark = if idx == 0 { MARKER } else { 0 };
        let mut packet = BytesMut::with_capacity(HEADER_BYTES + audio.len());
        packet.put_u8(VERSION);
        packet.put_u8(mark | self.payload.number(rate.hz()));
        // Both wrap around.
        packet.put_u16(idx as u16);
        packet.put_u32(samples as u32);
        packet.put_u32(self.ssrc);
        packet.put_slice(audio);
        packet.freeze()
    }
}

/// ITU-T G.711, table 2a, as in the reference implementation of G.191.
fn mu_law(sample: i16) -> u8 {
    const BIAS: u16 = 132;
    const CLIP: u16 = 32_635;
    let magnitude = sample.unsigned_abs().min(CLIP) + BIAS;
    // At least 7, since the bias is 132.
    let segment = 15 - magnitude.leading_zeros() as u16 - 7;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) as u8 | step as u8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use engine::time::MediaTime;

    use super::*;
    use crate::scenario::Trouble;
    use crate::transport::{Noted, testing};

    #[test]
    fn mu_law_is_that_of_g711() {
        // Largest, smallest, and around zero, as G.191 has them.
        let known = [
            (0, 0xff),
            (-1, 0x7f),
            (8, 0xfe),
            (32_767, 0x80),
            (-32_768, 0x00),
            (1_000, 0xce),
            (-1_000, 0x4e),
        ];
        known.into_iter().for_each(|(sample, code)| assert_eq!(mu_law(sample), code, "{sample}"));
    }

    #[test]
    fn payload_types_and_sdp_are_those_of_the_standards() {
        assert_eq!(
            [Payload::L16.number(44_100), Payload::Pcmu.number(8_000), Payload::L16.number(16_000)],
            [11, 0, 96]
        );
        let sdp = Payload::L16.sdp("127.0.0.1:5004".parse().unwrap(), 16_000);
        assert!(
            sdp.contains("m=audio 5004 RTP/AVP 96\r\na=rtpmap:96 L16/16000/1\r\na=ptime:10\r\n"),
            "{sdp}"
        );
        let source = source("[::1]:5006".parse().unwrap(), SampleRate::HZ_16000);
        assert_eq!(source, "rtp://[::1]:5006?encoding=L16&rate=16000&channels=1&payload=96");
    }

    #[tokio::test]
    async fn packets_are_numbered_and_stamped_over_a_loss() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = receiver.local_addr().unwrap();
        let (setup, mut feed, mut told) = testing::feed();
        let (mut programme, _) = testing::programme();
        programme.rate = SampleRate::new(44_100).unwrap();
        feed.tapes = vec![Arc::new(Payload::L16.tape(&programme).unwrap())];
        let (end, ended) = watch::channel(false);
        let receive = async {
            let mut packet = [0; 2_000];
            let mut last = None;
            loop {
                let n_bytes = receiver.recv(&mut packet).await.unwrap();
                let number = u16::from_be_bytes([packet[2], packet[3]]);
                let mark = if number == 0 { 0x80 } else { 0 };
                let stamp = (u32::from(number) * 441).to_be_bytes();
                assert_eq!(packet[..2], [0x80, mark | 11]);
                assert_eq!(packet[4..12], [stamp, [0; 4]].concat());
                let first = usize::from(number) * 441;
                let audio = (first..first + 441).map(|n| (n % programme.samples.len()) as i16);
                assert!(packet[12..n_bytes] == audio.flat_map(i16::to_be_bytes).collect::<Vec<_>>());
                match last {
                    None => setup.weather.set(Trouble::Stall(PACKET * 2)).unwrap(),
                    Some(last) if number != last + 1 => break,
                    Some(_) => {}
                }
                last = Some(number);
            }
            end.send(true).unwrap();
        };
        let (played, ()) = tokio::join!(play(feed, Payload::L16, to, ended), receive);
        played.unwrap();
        let notes = testing::notes(&mut told);
        assert!(matches!(notes[0].what, Noted::Leg { from: MediaTime::ZERO, .. }));
        let Noted::Lost(span) = notes[1].what else { unreachable!("{notes:?}") };
        assert_eq!(span.duration(), MediaTime::from_millis(20));
        assert!(matches!(notes[2].what, Noted::Left { how: Departure::Done, .. }));
    }
}
