//! The socket that packets arrive at: bound to one address, and a member of its group where that is multicast.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, sockopt};
use tokio::net::UdpSocket;

use super::{Interface, Terms};

/// What the system is asked to hold of packets that were not taken yet, bytes: a second of 48 kHz L24 stereo in packets
/// of 1 ms, with what the system adds to each. It gives what it allows (net.core.rmem_max).
const HELD_BYTES: usize = 1 << 20;

/// Opens it on the runtime of the caller.
pub(super) fn open(terms: &Terms) -> io::Result<UdpSocket> {
    let family = if terms.to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, HELD_BYTES)?;
    if terms.to.ip().is_multicast() {
        // Everybody on this machine may listen to a group.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &terms.to)?;
    match terms.to.ip() {
        IpAddr::V4(group) if group.is_multicast() => join_v4(&socket, group, terms)?,
        IpAddr::V6(group) if group.is_multicast() => join_v6(&socket, group, terms)?,
        _ => {}
    }
    UdpSocket::from_std(socket.into())
}

/// Where senders are named the network is asked for these only (RFC 4607); the interface then has to be an address, or
/// any.
fn join_v4(socket: &OwnedFd, group: Ipv4Addr, terms: &Terms) -> io::Result<()> {
    let own = match &terms.interface {
        Some(Interface::Name(name)) => {
            let index = netdevice::name_to_index(socket, name)?;
            sockopt::set_ip_add_membership_with_ifindex(socket, &group, &Ipv4Addr::UNSPECIFIED, index)?;
            return Ok(());
        }
        Some(Interface::Address(address)) => *address,
        None => Ipv4Addr::UNSPECIFIED,
    };
    let senders =
        terms.from.iter().filter_map(|from| if let IpAddr::V4(from) = from { Some(from) } else { None });
    let mut is_joined = false;
    for sender in senders {
        sockopt::set_ip_add_source_membership(socket, &group, &own, sender)?;
        is_joined = true;
    }
    if !is_joined {
        sockopt::set_ip_add_membership(socket, &group, &own)?;
    }
    Ok(())
}

fn join_v6(socket: &OwnedFd, group: Ipv6Addr, terms: &Terms) -> io::Result<()> {
    let index = match &terms.interface {
        Some(Interface::Name(name)) => netdevice::name_to_index(socket, name)?,
        Some(Interface::Address(_)) | None => 0,
    };
    Ok(sockopt::set_ipv6_add_membership(socket, &group, index)?)
}
