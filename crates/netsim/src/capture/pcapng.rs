//! Writes the pcapng format: <https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcapng.html>.

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const SECRETS: u32 = 10;
/// Packets start with the IP header.
const RAW_IP: u16 = 101;
const TLS_KEY_LOG: u32 = 0x544c_534b;
const COMMENT: u16 = 1;
const APPLICATION: u16 = 4;

/// Writes one section: the secrets first, then packets with times in microseconds.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(keys: &[String]) -> Self {
        let mut writer = Self(Vec::new());
        let mut section = Vec::new();
        section.extend_from_slice(&0x1A2B_3C4D_u32.to_le_bytes());
        section.extend_from_slice(&[1, 0, 0, 0]);
        section.extend_from_slice(&u64::MAX.to_le_bytes());
        option(&mut section, APPLICATION, b"apa netsim");
        end_of_options(&mut section);
        writer.block(SECTION, &section);
        if !keys.is_empty() {
            let text = keys.join("\n") + "\n";
            let mut secrets = TLS_KEY_LOG.to_le_bytes().to_vec();
            secrets.extend_from_slice(&(text.len() as u32).to_le_bytes());
            secrets.extend_from_slice(text.as_bytes());
            pad(&mut secrets);
            writer.block(SECRETS, &secrets);
        }
        let mut interface = RAW_IP.to_le_bytes().to_vec();
        interface.extend_from_slice(&[0; 6]);
        writer.block(INTERFACE, &interface);
        writer
    }

    pub(super) fn packet(&mut self, at_us: u64, bytes: &[u8], comment: Option<&str>) {
        let mut body = 0_u32.to_le_bytes().to_vec();
        body.extend_from_slice(&((at_us >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(at_us as u32).to_le_bytes());
        body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(bytes);
        pad(&mut body);
        if let Some(comment) = comment {
            option(&mut body, COMMENT, comment.as_bytes());
            end_of_options(&mut body);
        }
        self.block(PACKET, &body);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = (body.len() as u32 + 12).to_le_bytes();
        self.0.extend_from_slice(&kind.to_le_bytes());
        self.0.extend_from_slice(&length);
        self.0.extend_from_slice(body);
        self.0.extend_from_slice(&length);
    }
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(out);
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 4]);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
