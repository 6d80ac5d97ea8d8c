//! Which process is behind a connection that the simulator sees.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr};

use apa_model::{ProcessId, Transport};

use crate::shared::Shared;

/// Bytes of a socket table that are read.
const MAX_TABLE: u64 = 4 << 20;
/// Descriptors of one process that are looked at.
const MAX_DESCRIPTORS: usize = 4096;
/// Processes whose descriptors are looked at.
const MAX_PROCESSES: usize = 256;

/// Finds the process by the addresses that were named, and where several named the same one (or none did) by who
/// holds the socket.
pub(crate) fn attribute(
    shared: &Shared,
    transport: Transport,
    source: SocketAddr,
    destination: SocketAddr,
) -> Option<ProcessId> {
    let (source, destination) = (canonical(source), canonical(destination));
    let mut named: Vec<ProcessId> = Vec::new();
    for contact in shared.log().contacts() {
        if contact.address == destination && !named.contains(&contact.process) {
            named.push(contact.process);
        }
    }
    if let [only] = named[..] {
        return Some(only);
    }
    holder(shared, transport, source, destination, &named).or_else(|| named.first().copied())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The process that holds the socket, looked for among `named` first.
fn holder(
    shared: &Shared,
    transport: Transport,
    source: SocketAddr,
    destination: SocketAddr,
    named: &[ProcessId],
) -> Option<ProcessId> {
    let candidates: Vec<(ProcessId, i32)> = {
        let tree = shared.tree();
        let live: BTreeSet<ProcessId> = tree.live().collect();
        let first = named.iter().copied().filter(|id| live.contains(id));
        let rest = live.iter().rev().copied().filter(|id| !named.contains(id));
        first
            .chain(rest)
            .take(MAX_PROCESSES)
            .filter_map(|id| Some((id, tree.host_pid(id)?)))
            .collect()
    };
    // The table belongs to the network namespace, which all of them share.
    let inode = candidates
        .iter()
        .find_map(|(_, pid)| socket_inode(*pid, transport, source, destination))?;
    let link = format!("socket:[{inode}]");
    candidates
        .into_iter()
        .find(|(_, pid)| holds(*pid, &link))
        .map(|(id, _)| id)
}

fn holds(pid: i32, link: &str) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .take(MAX_DESCRIPTORS)
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|target| target.as_os_str() == link)
}

fn socket_inode(
    pid: i32,
    transport: Transport,
    source: SocketAddr,
    destination: SocketAddr,
) -> Option<u64> {
    let tables = match transport {
        Transport::Tcp => ["tcp", "tcp6"],
        Transport::Udp => ["udp", "udp6"],
    };
    tables.into_iter().find_map(|table| {
        let file = File::open(format!("/proc/{pid}/net/{table}")).ok()?;
        find_inode(BufReader::new(file.take(MAX_TABLE)), source, destination)
    })
}

/// Looks for the sample's end of a connection, or a socket without a peer that sends from `source`.
fn find_inode(table: impl BufRead, source: SocketAddr, destination: SocketAddr) -> Option<u64> {
    let mut unconnected = None;
    for line in table.lines().skip(1) {
        let Ok(line) = line else {
            break;
        };
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(local), Some(remote)) = (
            words.get(1).and_then(|word| parse_address(word)),
            words.get(2).and_then(|word| parse_address(word)),
        ) else {
            continue;
        };
        let inode = words.get(9).and_then(|word| word.parse().ok());
        if local == source && remote == destination {
            return inode;
        }
        let sends_from_there = local.port() == source.port()
            && (local.ip() == source.ip() || local.ip().is_unspecified());
        if sends_from_there && remote.port() == 0 && unconnected.is_none() {
            unconnected = inode;
        }
    }
    unconnected
}

/// `0100007F:1F90`: each 32-bit group in the machine's order.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for group in ip.as_bytes().chunks(8) {
        let group = u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok()?;
        bytes.extend_from_slice(&group.to_ne_bytes());
    }
    let ip: IpAddr = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(v4) => v4.into(),
        Err(_) => <[u8; 16]>::try_from(&bytes[..]).ok()?.into(),
    };
    Some(canonical(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_is_found_by_both_addresses_and_else_by_its_own() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0F02000A:D431 010200C0:01BB 01 0:0 00:0 0 1000 0 111 1\n\
            1: 0F02000A:D431 020200C0:01BB 01 0:0 00:0 0 1000 0 222 1\n\
            2: 00000000:0044 00000000:0000 07 0:0 00:0 0 1000 0 333 1\n\
            broken line\n";
        let find = |source: &str, destination: &str| {
            find_inode(
                table.as_bytes(),
                source.parse().unwrap(),
                destination.parse().unwrap(),
            )
        };
        assert_eq!(find("10.0.2.15:54321", "192.0.2.2:443"), Some(222));
        assert_eq!(find("10.0.2.15:68", "192.0.2.9:67"), Some(333));
        assert_eq!(find("10.0.2.15:1", "192.0.2.9:67"), None);
    }

    #[test]
    fn mapped_addresses_are_the_v4_ones() {
        assert_eq!(
            parse_address("0000000000000000FFFF0000010200C0:0050"),
            Some("192.0.2.1:80".parse().unwrap())
        );
        assert_eq!(parse_address("xyz:1"), None);
        assert_eq!(parse_address("é0000000:1"), None);
    }
}
