//! A real Icecast with a real source: the burst at the start, a title, a source that goes away and comes back.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use engine::event::{FeedState, GapReason};
use server::ingest::LiveConfig;

use crate::free::free_address;
use crate::serve::{listen, quick};
use crate::support::{Files, chirp, ffmpeg, hear_until};

/// Ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Waits until Icecast serves `mount`, as long as this lives, which is Icecast itself or what sends to `mount`.
    pub(crate) fn until_served(&mut self, at: SocketAddr, mount: &str) {
        while !ask(at, &format!("/{mount}")).contains("200 OK") {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none(), "{mount} will not be served: {ended:?}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Icecast refuses to run as root: it is told to become somebody else.
const OWNER: &str =
    "<security><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>";

/// Starts on a free port. Another program may take the port meanwhile: then on another. Whether it is ours that answers
/// says its name, which is the folder's.
pub(crate) fn icecast(folder: &Path) -> (Running, SocketAddr) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    for _ in 0..8 {
        let at = free_address();
        fs::write(folder.join("icecast.xml"), config(folder, at)).unwrap();
        let child = Command::new("icecast2")
            .arg("-c")
            .arg(folder.join("icecast.xml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs icecast2: run `make setup`");
        let mut running = Running(child);
        while running.0.try_wait().unwrap().is_none() {
            if ask(at, "/status.xsl").contains(&format!("Server: {}\r\n", folder.display())) {
                return (running, at);
            }
            std::thread::yield_now();
        }
    }
    panic!("icecast2 does not start: {}", fs::read_to_string(folder.join("e.log")).unwrap_or_default());
}

fn config(folder: &Path, at: SocketAddr) -> String {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    format!(
        "<icecast><server-id>{folder}</server-id><location>t</location><admin>t@localhost</admin><hostname>localhost</hostname>\
         <limits><clients>8</clients><sources>2</sources><burst-size>65536</burst-size></limits>\
         <authentication><source-password>hackme</source-password><admin-user>admin</admin-user>\
         <admin-password>hackme</admin-password></authentication>\
         <listen-socket><port>{}</port><bind-address>127.0.0.1</bind-address></listen-socket>\
         <paths><basedir>{folder}</basedir><logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>\
         <adminroot>/usr/share/icecast2/admin</adminroot></paths>\
         <logging><accesslog>a.log</accesslog><errorlog>e.log</errorlog></logging>{}</icecast>",
        at.port(),
        if is_root { OWNER } else { "" },
        folder = folder.display(),
    )
}

/// Sends a file at real-time pace, again and again.
fn source(folder: &Path, at: SocketAddr) -> Running {
    let child = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
            "a.mp3",
            "-c",
            "copy",
            "-f",
            "mp3",
        ])
        .args(["-content_type", "audio/mpeg", &format!("icecast://source:hackme@{at}/live.mp3")])
        .current_dir(folder)
        .spawn()
        .expect("this test needs ffmpeg: run `make setup`");
    let mut running = Running(child);
    running.until_served(at, "live.mp3");
    running
}

/// Head of an answer; empty when nobody answers.
pub(crate) fn ask(at: SocketAddr, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(at) else { return String::new() };
    // admin:hackme
    let _ = write!(stream, "GET {path} HTTP/1.0\r\nAuthorization: Basic YWRtaW46aGFja21l\r\n\r\n");
    let mut head = [0; 256];
    let n = stream.read(&mut head).unwrap_or(0);
    String::from_utf8_lossy(&head[..n]).into_owned()
}

#[test]
fn icecast_end_to_end() {
    let files = Files::new();
    let folder = files.0.path();
    ffmpeg(folder, &format!("{} -c:a libmp3lame -b:a 128k -write_xing 0 a.mp3", chirp(2, 44_100, 10.0)));
    let (_icecast, at) = icecast(folder);
    let sending = source(folder, at);
    let config = LiveConfig {
        stalled_after: quick(true).http.connect,
        dead_after: quick(true).http.connect * 4,
        ..quick(true)
    };
    let (audio, _runtime) = listen(&format!("http://{at}/live.mp3"), config);
    let mut audio = audio.unwrap();

    let heard = hear_until(&mut audio, |heard| heard.n_frames() > 44_100);
    assert_eq!(heard.states(), [FeedState::Connected, FeedState::Live]);
    assert_eq!((heard.streams[0].codec, heard.streams[0].format.rate().hz()), ("mp3", 44_100));

    let answer = ask(at, "/admin/metadata?mount=/live.mp3&mode=updinfo&song=A%20-%20%27b%27%3B%20c");
    assert!(answer.contains("200 OK"), "{answer}");
    let heard = hear_until(&mut audio, |heard| heard.titles.iter().any(|title| title.title == "A - 'b'; c"));
    assert!(heard.error.is_none(), "{:?}", heard.error);

    drop(sending);
    let heard = hear_until(&mut audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    assert!(heard.error.is_none(), "{:?}", heard.error);
    let _sending = source(folder, at);
    let heard = hear_until(&mut audio, |heard| heard.gaps.len() == 1 && heard.n_frames() > 44_100);
    assert_eq!((heard.gaps[0].1.frames, heard.gaps[0].1.reason), (0, GapReason::Disconnect));
    assert_eq!(heard.states().last(), Some(&FeedState::Live));
}
