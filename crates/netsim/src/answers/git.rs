//! What a git server says to a push.

/// References in one push.
const REFS: usize = 64;

/// The report on a push in a `git-receive-pack` request: everything was taken.
pub(crate) fn report(body: &[u8]) -> Vec<u8> {
    let mut out = line("unpack ok\n");
    for reference in references(body) {
        out.extend(line(&format!("ok {reference}\n")));
    }
    out.extend_from_slice(b"0000");
    out
}

/// The names in the commands before the pack: `OLD NEW NAME`, the first with capabilities after a zero byte.
fn references(mut body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < REFS {
        let Some((length, rest)) = body.split_at_checked(4) else {
            break;
        };
        let Ok(length) = usize::from_str_radix(&String::from_utf8_lossy(length), 16) else {
            break;
        };
        // Zero ends the commands; a length counts its own four digits.
        let Some(command) = length.checked_sub(4).and_then(|length| rest.get(..length)) else {
            break;
        };
        let command = command.split(|b| *b == 0).next().unwrap_or_default();
        let command = String::from_utf8_lossy(command);
        if let Some(name) = command.split_whitespace().nth(2) {
            found.push(name.to_owned());
        }
        body = &rest[length - 4..];
    }
    found
}

fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_reference_of_a_push_is_accepted() {
        let id = "1".repeat(40);
        let command = |name: &str| line(&format!("{id} {id} {name}"));
        let body = [
            command("refs/heads/main\0 report-status"),
            command("refs/tags/v1"),
            b"0000PACK".to_vec(),
        ]
        .concat();
        let said = String::from_utf8_lossy(&report(&body)).into_owned();
        assert_eq!(
            said,
            "000eunpack ok\n0017ok refs/heads/main\n0014ok refs/tags/v1\n0000"
        );
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, text in "[0-9a-f]{4}[ -~]{0,40}") {
            report(&body);
            report(text.as_bytes());
        }
    }
}
