//! A program for 64-bit x86 Linux that sends one request and ends. It needs no library, and reads or writes no file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the only segment is loaded.
const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// A program that connects to an address, sends `request`, waits for an answer and ends with status 0, after 5 s at
/// the latest.
pub(super) fn asking(address: Option<IpAddr>, port: u16, request: &[u8]) -> Vec<u8> {
    let peer = SocketAddr::new(address.unwrap_or(Ipv4Addr::LOCALHOST.into()), port);
    let (family, socket_address) = written(peer);
    // The code's length does not depend on the addresses in it.
    let length = code(family, (0, 0), (0, 0)).len() as u64;
    let address_at = BASE + HEADERS + length;
    let request_at = address_at + socket_address.len() as u64;
    let mut body = code(
        family,
        (address_at, socket_address.len() as u32),
        (request_at, request.len() as u32),
    );
    body.extend_from_slice(&socket_address);
    body.extend_from_slice(request);
    let mut file = headers(HEADERS + body.len() as u64);
    file.extend_from_slice(&body);
    file
}

/// Address family and `sockaddr`.
fn written(peer: SocketAddr) -> (u32, Vec<u8>) {
    let port = peer.port().to_be_bytes();
    match peer.ip() {
        IpAddr::V4(v4) => (2, [&[2, 0], &port[..], &v4.octets(), &[0; 8]].concat()),
        IpAddr::V6(v6) => (
            10,
            [&[10, 0], &port[..], &[0; 4], &v6.octets(), &[0; 4]].concat(),
        ),
    }
}

/// ELF header and one program header: a segment that can be read and run.
fn headers(length: u64) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    out.extend_from_slice(&[2, 0, 0x3e, 0, 1, 0, 0, 0]);
    for value in [BASE + HEADERS, 64, 0] {
        out.extend_from_slice(&u64::to_le_bytes(value));
    }
    out.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for value in [0, BASE, BASE, length, length, 0x1000] {
        out.extend_from_slice(&u64::to_le_bytes(value));
    }
    out
}

fn code(family: u32, address: (u64, u32), request: (u64, u32)) -> Vec<u8> {
    let mut out = Vec::new();
    // alarm(5)
    call(&mut out, 37, &[Set::Edi(5)]);
    // ebx = socket(family, SOCK_STREAM, 0)
    call(&mut out, 41, &[Set::Edi(family), Set::Esi(1), Set::Edx(0)]);
    out.extend_from_slice(&[0x89, 0xc3]);
    // connect(ebx, address, length)
    call(
        &mut out,
        42,
        &[Set::Socket, Set::Rsi(address.0), Set::Edx(address.1)],
    );
    // sendto(ebx, request, length, MSG_NOSIGNAL, NULL, 0)
    call(
        &mut out,
        44,
        &[
            Set::Socket,
            Set::Rsi(request.0),
            Set::Edx(request.1),
            Set::R10(0x4000),
            Set::NoR8R9,
        ],
    );
    // read(ebx, stack, 1024)
    out.extend_from_slice(&[0x48, 0x81, 0xec, 0, 4, 0, 0]);
    call(&mut out, 0, &[Set::Socket, Set::Stack, Set::Edx(1024)]);
    // exit(0)
    call(&mut out, 60, &[Set::Edi(0)]);
    out
}

/// How an argument's register gets its value.
enum Set {
    Edi(u32),
    Esi(u32),
    Edx(u32),
    Rsi(u64),
    R10(u32),
    /// `edi` from `ebx`.
    Socket,
    /// `rsi` from `rsp`.
    Stack,
    NoR8R9,
}

fn call(out: &mut Vec<u8>, number: u32, arguments: &[Set]) {
    let with = |out: &mut Vec<u8>, opcode: &[u8], value: u32| {
        out.extend_from_slice(opcode);
        out.extend_from_slice(&value.to_le_bytes());
    };
    for argument in arguments {
        match argument {
            Set::Edi(value) => with(out, &[0xbf], *value),
            Set::Esi(value) => with(out, &[0xbe], *value),
            Set::Edx(value) => with(out, &[0xba], *value),
            Set::R10(value) => with(out, &[0x41, 0xba], *value),
            Set::Rsi(value) => {
                out.extend_from_slice(&[0x48, 0xbe]);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Set::Socket => out.extend_from_slice(&[0x89, 0xdf]),
            Set::Stack => out.extend_from_slice(&[0x48, 0x89, 0xe6]),
            Set::NoR8R9 => out.extend_from_slice(&[0x45, 0x31, 0xc0, 0x45, 0x31, 0xc9]),
        }
    }
    with(out, &[0xb8], number);
    out.extend_from_slice(&[0x0f, 0x05]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_runs_sends_its_request_and_ends_well() {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            eprintln!("SKIPPED: the program is for 64-bit x86 Linux");
            return;
        }
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                eprintln!("SKIPPED: no {address} here");
                continue;
            };
            let at = listener.local_addr().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("program");
            std::fs::write(
                &path,
                asking(Some(at.ip()), at.port(), b"GET /x HTTP/1.0\r\n\r\n"),
            )
            .unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            let mut child = std::process::Command::new(&path).spawn().unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = [0; 19];
            stream.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"GET /x HTTP/1.0\r\n\r\n");
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
            assert!(child.wait().unwrap().success());
        }
    }
}
