//! The secrets of all TLS connections, by which a recording of them can be read.

use std::fmt;
use std::sync::Mutex;

use rustls::KeyLog;

use crate::shared::lock;

/// Lines kept: five a connection of TLS 1.3.
const LINES: usize = 50_000;

/// Collects secrets in the form of `SSLKEYLOGFILE`.
#[derive(Default)]
pub(crate) struct Keys {
    lines: Mutex<Vec<String>>,
}

impl Keys {
    /// `CLIENT_TRAFFIC_SECRET_0 <client random> <secret>`, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }
}

impl KeyLog for Keys {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut lines = lock(&self.lines);
        if lines.len() < LINES {
            lines.push(format!("{label} {} {}", hex(client_random), hex(secret)));
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
