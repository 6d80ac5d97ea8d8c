//! Unsafe code: only where the kernel is spoken to, and each block with its reason.

use super::Tracked;

/// Crates that may have it anywhere.
const ALLOWED: &[&str] = &["crates/trace/", "crates/sandbox/"];
/// The crate that may have it in the file of its socket options.
const SOCKETS: &str = "crates/netsim/src/";
/// Lines above a block in which its reason may begin.
const REASON_LINES: usize = 12;

pub(super) fn check(file: &Tracked) -> Vec<String> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let allowed = ALLOWED.iter().any(|prefix| file.path.starts_with(prefix))
        || (file.path.starts_with(SOCKETS) && file.path.contains("sock"));
    let lines: Vec<&str> = file.text.lines().collect();
    let mut problems = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(what) = unsafe_item(line) else {
            continue;
        };
        let place = format!("{}:{}", file.path, at + 1);
        if !allowed {
            problems.push(format!(
                "{place}: has unsafe code; it belongs into trace or sandbox"
            ));
        } else if what == "{" && !has_reason(&lines[at.saturating_sub(REASON_LINES)..=at]) {
            problems.push(format!("{place}: an unsafe block without a SAFETY comment"));
        }
    }
    problems
}

/// What the keyword on this line introduces, if it is code.
fn unsafe_item(line: &str) -> Option<&str> {
    const KEYWORD: &str = concat!("un", "safe");
    let code = line.split("//").next()?;
    let at = code.find(KEYWORD)?;
    let boundary = |c: char| !(c.is_alphanumeric() || c == '_' || c == '"');
    if !code[..at].is_empty() && !code[..at].ends_with(boundary) {
        return None;
    }
    let rest = code[at + KEYWORD.len()..].trim_start();
    ["{", "fn", "impl", "extern", "trait"]
        .into_iter()
        .find(|item| rest.starts_with(item))
        .or_else(|| {
            code.contains(concat!("allow(un", "safe_code"))
                .then_some("allow")
        })
}

fn has_reason(lines: &[&str]) -> bool {
    lines.iter().any(|line| line.contains("SAFETY:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = concat!("    let x = un", "safe { read() };");

    fn problems(path: &str, text: &str) -> usize {
        let file = Tracked {
            path: path.into(),
            text: text.into(),
        };
        check(&file).len()
    }

    #[test]
    fn it_is_refused_outside_the_crates_that_speak_to_the_kernel() {
        let explained = format!("// SAFETY: it is ours\n{BLOCK}");
        assert_eq!(problems("crates/report/src/lib.rs", &explained), 1);
        assert_eq!(problems("crates/netsim/src/dns.rs", &explained), 1);
        assert_eq!(problems("crates/netsim/src/socket.rs", &explained), 0);
        assert_eq!(problems("crates/trace/src/sys.rs", &explained), 0);
        let lint = concat!("#![allow(un", "safe_code)]");
        assert_eq!(problems("crates/judge/src/lib.rs", lint), 1);
    }

    #[test]
    fn each_block_needs_its_reason() {
        assert_eq!(problems("crates/trace/src/sys.rs", BLOCK), 1);
    }

    #[test]
    fn words_about_it_are_not_code() {
        let comment = concat!("// un", "safe { } is not here");
        assert_eq!(problems("crates/judge/src/lib.rs", comment), 0);
        let name = concat!("fn un", "safe_fn() {}");
        assert_eq!(problems("crates/judge/src/lib.rs", name), 0);
    }
}
