//! Harmless second stages: whatever is fetched to be run does nothing but ask for one more address, which proves that it
//! was run.

use std::io::{Cursor, Write as _};

use super::ask::Ask;
use super::elf;

/// The path that a stub fetches: a request for it proves that downloaded code was run.
pub const STAGE_TWO_MARKER: &str = "/.well-known/pki-validation/ready.txt";

/// What there are stubs of.
pub(crate) const NAMES: [&str; 8] = ["sh", "py", "js", "ps1", "elf", "tar.gz", "zip", "bat"];

/// A DOS program that ends at once, with status 0.
const DOS: &[u8] = b"MZ\x25\0\x01\0\0\0\x02\0\0\0\xff\xff\0\0\0\x01\0\0\0\0\0\0\x1c\0\0\0\0\0\0\0\xb8\0\x4c\xcd\x21";

/// A kind of second stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stub {
    Shell,
    Python,
    JavaScript,
    PowerShell,
    Batch,
    Elf,
    TarGz,
    Zip,
    Dos,
}

/// A stub's type and bytes.
pub(crate) struct Made {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Stub {
    /// By one of [`NAMES`], or an extension.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "sh" | "bash" | "zsh" | "ksh" => Self::Shell,
            "py" | "pyw" => Self::Python,
            "js" | "cjs" | "mjs" => Self::JavaScript,
            "ps1" | "psm1" => Self::PowerShell,
            "bat" | "cmd" => Self::Batch,
            "elf" | "bin" | "so" | "node" | "out" | "run" => Self::Elf,
            "tar.gz" | "tgz" | "crate" => Self::TarGz,
            "zip" | "whl" | "jar" | "egg" | "nupkg" => Self::Zip,
            "exe" | "dll" | "scr" => Self::Dos,
            _ => return None,
        })
    }

    /// The stub that tells the server which `ask` is addressed to.
    pub(crate) fn make(self, ask: &Ask<'_>) -> Made {
        let marker = ask.marker();
        let (kind, bytes) = match self {
            Self::Shell => ("text/x-shellscript", shell(&marker).into_bytes()),
            Self::Python => ("text/x-python", python(&marker).into_bytes()),
            Self::JavaScript => (
                "text/javascript; charset=utf-8",
                javascript(&marker).into_bytes(),
            ),
            Self::PowerShell => ("text/plain", powershell(&marker).into_bytes()),
            Self::Batch => ("text/plain", batch(&marker).into_bytes()),
            Self::Elf => ("application/octet-stream", program(ask)),
            Self::TarGz => ("application/gzip", tar_gz(ask)),
            Self::Zip => ("application/zip", zip(ask)),
            Self::Dos => ("application/octet-stream", DOS.to_vec()),
        };
        Made { kind, bytes }
    }
}

/// The type of a file by its name, where it is one that is served as it is.
pub(crate) fn kind_of(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "json" => "application/json",
        "txt" | "sh" | "ps1" | "bat" => "text/plain; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "gif" => "image/gif",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "pdf" => "application/pdf",
        "zip" | "whl" | "jar" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "wasm" => "application/wasm",
        _ => return None,
    })
}

fn program(ask: &Ask<'_>) -> Vec<u8> {
    let request = format!(
        "GET {STAGE_TWO_MARKER} HTTP/1.0\r\nHost: {}\r\n\r\n",
        ask.plain_host()
    );
    let port = if ask.secure { 80 } else { ask.port };
    elf::asking(ask.address(), port, request.as_bytes())
}

/// The files in an archive, of the names that things are started by. None has a name that packages give to files of their
/// own: a prebuilt module is unpacked over the package that asks for it, and that would be run for another reason.
fn files(ask: &Ask<'_>) -> Vec<(&'static str, u32, Vec<u8>)> {
    let marker = ask.marker();
    let (sh, py) = (shell(&marker), python(&marker));
    let mut files = Vec::new();
    for (name, mode, text) in [
        ("install.sh", 0o755, &sh),
        ("run.sh", 0o755, &sh),
        ("start.sh", 0o755, &sh),
        ("main.py", 0o644, &py),
        ("__main__.py", 0o644, &py),
    ] {
        files.push((name, mode, text.clone().into_bytes()));
    }
    for name in ["main", "run", "agent"] {
        files.push((name, 0o755, program(ask)));
    }
    files
}

fn tar_gz(ask: &Ask<'_>) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(packed);
    let written = files(ask).iter().try_for_each(|(name, mode, bytes)| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(1_700_000_000);
        archive.append_data(&mut header, name, bytes.as_slice())
    });
    let packed = written
        .and_then(|()| archive.into_inner())
        .and_then(|packed| packed.finish());
    // Writing to memory does not fail.
    packed.unwrap_or_default()
}

fn zip(ask: &Ask<'_>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let written = files(ask).iter().try_for_each(|(name, mode, bytes)| {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        archive.start_file(*name, options)?;
        archive.write_all(bytes)?;
        Ok::<_, zip::result::ZipError>(())
    });
    // Writing to memory does not fail.
    written
        .and_then(|()| archive.finish())
        .map(Cursor::into_inner)
        .unwrap_or_default()
}

fn shell(marker: &str) -> String {
    format!(
        "#!/bin/sh\nif command -v curl >/dev/null 2>&1; then\n  curl -fsS -m 5 -o /dev/null '{marker}' 2>/dev/null\n\
elif command -v wget >/dev/null 2>&1; then\n  wget -q -T 5 -O /dev/null '{marker}' 2>/dev/null\nfi\nexit 0\n"
    )
}

fn python(marker: &str) -> String {
    format!(
        "import urllib.request\n\ntry:\n    urllib.request.urlopen('{marker}', timeout=5).read()\nexcept Exception:\n    pass\n"
    )
}

/// Runs in whatever way it is evaluated: as a script, a module, by `eval` or `new Function`, in a browser.
fn javascript(marker: &str) -> String {
    let scheme = marker.split("://").next().unwrap_or_default();
    format!(
        "try {{\n  typeof fetch === 'function' ? fetch('{marker}').catch(() => {{}}) : require('{scheme}').get('{marker}').on('error', () => {{}});\n}} catch (error) {{}}\n"
    )
}

fn powershell(marker: &str) -> String {
    format!(
        "try {{ Invoke-WebRequest -UseBasicParsing -TimeoutSec 5 '{marker}' | Out-Null }} catch {{ }}\n"
    )
}

fn batch(marker: &str) -> String {
    format!("@echo off\r\ncurl -fsS -m 5 -o NUL \"{marker}\" 2>NUL\r\nexit /b 0\r\n")
}
