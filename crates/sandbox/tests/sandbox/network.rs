//! Every address leads to our sockets, and the sample cannot change that.

use std::io::{IoSliceMut, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_sandbox::{Network, Reply};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

use crate::lab::Lab;

crate::tests![
    every_tcp_destination_reaches_us_with_its_address,
    every_datagram_reaches_us_and_is_answered_from_its_address,
    the_gateway_is_on_loopback_and_own_servers_stay_private,
    a_reply_socket_does_not_feed_itself,
    the_network_cannot_be_changed,
];

/// Answers every connection with the address it was meant for, every datagram with that and what it said.
struct Echo {
    stop: Arc<AtomicBool>,
    datagrams: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    fn start(network: &Network) -> Self {
        let echo = Self {
            stop: Arc::default(),
            datagrams: Arc::default(),
        };
        for listener in [Some(&network.tcp), network.tcp6.as_ref()]
            .into_iter()
            .flatten()
        {
            echo.serve_tcp(listener.try_clone().unwrap(), "");
        }
        echo.serve_tcp(network.gateway.try_clone().unwrap(), "gateway ");
        for socket in [Some(&network.udp), network.udp6.as_ref()]
            .into_iter()
            .flatten()
        {
            echo.serve_udp(socket.try_clone().unwrap(), Arc::clone(&network.reply));
        }
        echo
    }

    fn serve_tcp(&self, listener: TcpListener, who: &'static str) {
        let stop = Arc::clone(&self.stop);
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Ok((mut connection, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let _ = connection.set_nonblocking(false);
                let _ = connection.set_read_timeout(Some(Duration::from_millis(200)));
                let _ = connection.read(&mut [0; 1024]);
                let answer = format!("{who}{}", connection.local_addr().unwrap());
                let _ = connection.write_all(answer.as_bytes());
            }
        });
    }

    fn serve_udp(&self, socket: UdpSocket, reply: Reply) {
        let (stop, datagrams) = (Arc::clone(&self.stop), Arc::clone(&self.datagrams));
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Some((text, source, destination)) = receive(&socket) else {
                    continue;
                };
                datagrams
                    .lock()
                    .unwrap()
                    .push(format!("{destination} {text}"));
                let answer = reply(destination).unwrap();
                answer
                    .send_to(format!("{destination} {text}").as_bytes(), source)
                    .unwrap();
            }
        });
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn receive(socket: &UdpSocket) -> Option<(String, SocketAddr, SocketAddr)> {
    let mut buffer = [0; 2048];
    let mut space = nix::cmsg_space!(libc::sockaddr_in6);
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut space),
        MsgFlags::empty(),
    )
    .ok()?;
    let source = to_std(&message.address?);
    let destination = message.cmsgs().unwrap().find_map(|control| match control {
        ControlMessageOwned::Ipv4OrigDstAddr(address) => Some(SocketAddr::from((
            u32::from_be(address.sin_addr.s_addr).to_be_bytes(),
            u16::from_be(address.sin_port),
        ))),
        ControlMessageOwned::Ipv6OrigDstAddr(address) => Some(SocketAddr::from((
            address.sin6_addr.s6_addr,
            u16::from_be(address.sin6_port),
        ))),
        _ => None,
    })?;
    let length = message.bytes;
    Some((
        String::from_utf8_lossy(&buffer[..length]).into_owned(),
        source,
        destination,
    ))
}

fn to_std(address: &SockaddrStorage) -> SocketAddr {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::from((v4.ip(), v4.port())),
        (_, Some(v6)) => SocketAddr::from((v6.ip(), v6.port())),
        _ => panic!("a datagram from nowhere"),
    }
}

fn every_tcp_destination_reaches_us_with_its_address() {
    let mut lab = Lab::new();
    let network = lab.sandbox.take_network().unwrap();
    assert!(lab.sandbox.take_network().is_none());
    let _echo = Echo::start(&network);
    let mut destinations = vec![
        "198.51.100.7:443",
        "192.0.2.1:1",
        "169.254.169.254:80",
        "10.0.2.2:65535",
        "172.17.0.1:2375",
    ];
    if network.tcp6.is_some() {
        destinations.extend(["[2001:db8::1]:443", "[fd00:ec2::254]:80"]);
    }
    for destination in destinations {
        let (host, port) = destination.rsplit_once(':').unwrap();
        let host = host.trim_matches(['[', ']']);
        let seen = lab.sh(&format!(
            "python3 -c 'import socket; s = socket.create_connection((\"{host}\", {port}), 5); s.send(b\"hi\"); print(s.recv(99).decode(), s.getsockname()[0])'"
        ));
        let source = if host.contains(':') {
            "fd17:625c:f037:2::15"
        } else {
            "10.0.2.15"
        };
        assert_eq!(seen.trim(), format!("{destination} {source}"));
    }
    lab.close();
}

fn every_datagram_reaches_us_and_is_answered_from_its_address() {
    let mut lab = Lab::new();
    let network = lab.sandbox.take_network().unwrap();
    let _echo = Echo::start(&network);
    let resolver = lab.sh("awk '/nameserver/ {print $2}' /etc/resolv.conf");
    assert_eq!(resolver.trim(), network.dns.ip().to_string());
    let dns = network.dns.to_string();
    let mut destinations = vec![
        dns.as_str(),
        "198.51.100.7:53",
        "169.254.169.254:123",
        "8.8.8.8:65535",
    ];
    if network.udp6.is_some() {
        destinations.push("[2001:db8::1]:53");
    }
    for destination in destinations {
        let (host, port) = destination.rsplit_once(':').unwrap();
        let host = host.trim_matches(['[', ']']);
        let family = if host.contains(':') {
            "AF_INET6"
        } else {
            "AF_INET"
        };
        // A connected socket takes answers from that address only.
        let seen = lab.sh(&format!(
            "python3 -c 'import socket; s = socket.socket(socket.{family}, socket.SOCK_DGRAM); s.settimeout(5); s.connect((\"{host}\", {port})); s.send(b\"q\"); print(s.recv(99).decode())'"
        ));
        assert_eq!(seen.trim(), format!("{destination} q"));
    }
    lab.close();
}

fn the_gateway_is_on_loopback_and_own_servers_stay_private() {
    let mut lab = Lab::new();
    let network = lab.sandbox.take_network().unwrap();
    let _echo = Echo::start(&network);
    let gateway = network.gateway.local_addr().unwrap();
    assert!(gateway.ip().is_loopback());
    let port = gateway.port();
    let seen = lab.sh(&format!(
        "exec 5<>/dev/tcp/127.0.0.1/{port}; echo hi >&5; timeout 2 cat <&5"
    ));
    assert_eq!(seen, format!("gateway 127.0.0.1:{port}"));
    lab.refused(&[
        "exec 5<>/dev/tcp/127.0.0.1/9",
        "exec 5<>/dev/tcp/10.0.2.15/9",
    ]);
    let own = lab.sh("python3 -c '
import socket
for host in (\"127.0.0.1\", \"10.0.2.15\"):
    server = socket.create_server((host, 0))
    client = socket.create_connection(server.getsockname())
    print(server.accept()[1][0])'");
    assert_eq!(own, "127.0.0.1\n10.0.2.15\n");
    lab.close();
}

fn a_reply_socket_does_not_feed_itself() {
    let mut lab = Lab::new();
    let network = lab.sandbox.take_network().unwrap();
    let echo = Echo::start(&network);
    // A datagram whose source is what another one's destination was.
    lab.sh("python3 -c 'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b\"x\", (\"192.0.2.9\", 7)); time.sleep(.3)'");
    assert_eq!(echo.datagrams.lock().unwrap().len(), 1);
    lab.close();
}

fn the_network_cannot_be_changed() {
    let mut lab = Lab::new();
    lab.refused(&[
        "ip link set lo down", "ip link set eth0 down", "ip link add x type veth", "ip addr add 192.0.2.1/24 dev eth0",
        "ip route del default", "ip route del local default dev lo table local", "ip rule add from all lookup 5",
        "echo 0 > /proc/sys/net/ipv4/conf/all/forwarding", "nsenter -t 1 -n true",
        "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
        "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'",
        "python3 -c 'import socket; socket.socket().setsockopt(socket.SOL_SOCKET, 36, 0x5b)'",
        "python3 -c 'import socket; socket.socket().setsockopt(socket.SOL_IP, 19, 1)'",
        // The packet filter answers an unprivileged request with an error.
        "python3 -c '
import socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
s.send(struct.pack(\"=IHHII\", 20, 16, 5, 1, 0) + struct.pack(\"=BBH\", 0, 0, 0x0a00) + struct.pack(\"=IHHII\", 20, 0xa02, 5, 2, 0) + struct.pack(\"=BBH\", 0, 0, 0) + struct.pack(\"=IHHII\", 20, 17, 5, 3, 0) + struct.pack(\"=BBH\", 0, 0, 0x0a00))
sys.exit(struct.unpack_from(\"=i\", s.recv(999), 16)[0] != 0)'",
    ]);
    lab.close();
}
