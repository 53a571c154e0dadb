//! Ports for servers that cannot be told to take any.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the system gives away by itself (32 768 and more, ip(7)): no other test's connection takes it meanwhile.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// An address of this machine that nobody listens at now, and that no other caller in this process is given.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let n_ports = u32::from(PORTS.end - PORTS.start);
    // Test programs that run at once have process ids that are close to each other.
    let first = std::process::id().wrapping_mul(101) % n_ports;
    let candidates = std::iter::repeat_with(|| {
        let nth = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from((first + nth) % n_ports).unwrap();
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    });
    let mut free = candidates.take(1_000).filter(|address| TcpListener::bind(address).is_ok());
    free.next().expect("one of a thousand ports is free")
}
