//! What the service manager is told: sd_notify(3), datagrams of text to the socket that it names. Without one nothing is said.
//! Not a library: the protocol is a `sendto`.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// See the module.
#[derive(Debug, Default)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// To the socket that the environment names (`NOTIFY_SOCKET`), if it does.
    #[must_use]
    pub fn from_environment() -> Self {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        Self::to(&address).unwrap_or_else(|error| {
            tracing::warn!("the service manager cannot be spoken to at {}: {error}", address.display());
            Self::default()
        })
    }

    /// To the socket at `address`: a path, or `@` and a name without one (an abstract socket).
    pub fn to(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected /path or @name")),
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read is no reason to stand still.
        socket.set_nonblocking(true)?;
        Ok(Self(Some((socket, address))))
    }

    /// Whether anybody listens.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// All is there: feeds run, the door is open.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The configuration is read anew; [`Self::ready`] follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The service ends.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// It lives.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// How it is, in one line for people.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={}", text.replace('\n', " ")));
    }

    fn say(&self, state: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!("the service manager does not hear {state:?}: {error}");
        }
    }
}

/// How often this process has to say that it lives, as the service manager wants it (`WATCHDOG_USEC`, `WATCHDOG_PID`).
/// `None`: nobody waits for it.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let read = |name: &str| std::env::var(name).ok();
    within(read("WATCHDOG_USEC").as_deref(), read("WATCHDOG_PID").as_deref(), std::process::id())
}

fn within(usec: Option<&str>, of: Option<&str>, own: u32) -> Option<Duration> {
    let is_ours = of.is_none_or(|of| of.parse() == Ok(own));
    let micros = usec.filter(|_| is_ours)?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(notify: &Notify, at: &UnixDatagram) -> Vec<String> {
        notify.ready();
        notify.status("2 of 3 feeds live\nand more");
        notify.reloading();
        notify.alive();
        notify.stopping();
        let next = |_| {
            let mut bytes = [0; 200];
            let n = at.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..n]).into_owned()
        };
        (0..5).map(next).collect()
    }

    fn check(said: &[String]) {
        let [ready, status, reloading, alive, stopping] = said else { panic!("{said:?}") };
        assert_eq!([ready, alive, stopping], ["READY=1", "WATCHDOG=1", "STOPPING=1"]);
        assert_eq!(status, "STATUS=2 of 3 feeds live and more");
        let (reloading, micros) = reloading.split_once('\n').unwrap();
        assert_eq!(reloading, "RELOADING=1");
        assert!(micros.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0);
    }

    #[test]
    fn it_is_heard_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        check(&heard(&Notify::to(path.as_os_str()).unwrap(), &socket));

        let name = format!("aircheck-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        check(&heard(&Notify::to(OsStr::new(&format!("@{name}"))).unwrap(), &socket));
    }

    #[test]
    fn an_address_of_another_kind_is_refused_and_without_one_nothing_happens() {
        assert!(Notify::to(OsStr::new("vsock:2:1234")).is_err());
        assert!(!Notify::default().is_heard());
        Notify::default().ready();
    }

    #[test]
    fn the_watchdog_is_of_this_process_or_of_none() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(within(Some("1000000"), None, 7), second);
        assert_eq!(within(Some("1000000"), Some("7"), 7), second);
        for (usec, of) in
            [(None, None), (Some("1000000"), Some("8")), (Some("0"), None), (Some("soon"), None)]
        {
            assert_eq!(within(usec, of, 7), None, "{usec:?} {of:?}");
        }
    }
}
