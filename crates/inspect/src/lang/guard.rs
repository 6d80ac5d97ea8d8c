//! Keeps text from parsers that it would crash. They descend once per nesting, so what nests too deep is not
//! parsed and is said not to be.

use super::Language;

/// Largest source that is parsed, bytes.
pub(crate) const MAX_SOURCE: usize = 6 << 20;
/// Most brackets open at once, and most operators that wait for what follows them.
const MAX_NESTING: u32 = 1000;
/// Most pieces of one sum: trees of left-leaning operators are as deep as they are long.
const MAX_CHAIN: u32 = 60_000;

/// # Errors
/// In words, when the source is too large or nests too deep.
pub(super) fn check(language: Language, source: &str) -> Result<(), String> {
    if source.len() > MAX_SOURCE {
        return Err(format!(
            "it has {} bytes, more than the {MAX_SOURCE} that are parsed",
            source.len()
        ));
    }
    if language == Language::Shell {
        return Ok(());
    }
    let nesting = nesting(language, source.as_bytes());
    if nesting > MAX_NESTING {
        return Err(format!("it nests deeper than {MAX_NESTING}"));
    }
    Ok(())
}

/// An upper bound of how deep a parser descends: brackets, prefix operators, and what leans to the right.
/// Brackets in texts and comments count as well, so the bound may be too high but never too low.
fn nesting(language: Language, source: &[u8]) -> u32 {
    let (mut open, mut waiting, mut chain, mut worst) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut word_start = None;
    let mut else_ifs = 0_u32;
    for (at, byte) in source.iter().enumerate() {
        if byte.is_ascii_alphanumeric() || *byte == b'_' {
            word_start.get_or_insert(at);
            continue;
        }
        if let Some(start) = word_start.take() {
            match &source[start..at] {
                b"not" | b"await" | b"typeof" | b"void" | b"delete" | b"new" | b"lambda"
                | b"yield" | b"if" | b"for" | b"while" | b"with" | b"do" | b"elif" => waiting += 1,
                b"else" => {
                    waiting += 1;
                    else_ifs += 1;
                }
                b"function" | b"def" | b"class" => else_ifs = 0,
                _ => {}
            }
        }
        match byte {
            b'(' | b'[' | b'{' => {
                open += 1;
                // Inside of a bracket waiting goes on: the parser still holds it.
            }
            b')' | b']' | b'}' => {
                open = open.saturating_sub(1);
                if *byte == b'}' {
                    waiting = 0;
                }
                chain = 0;
            }
            b';' | b',' => {
                waiting = 0;
                chain = 0;
            }
            b'\n' if language == Language::Python => {
                waiting = 0;
                chain = 0;
            }
            b'!' | b'~' | b'?' | b'=' | b':' => waiting += 1,
            b'-' | b'+' | b'*' | b'.' | b'/' | b'|' | b'&' => chain += 1,
            _ => {}
        }
        let prefixes = repeated_prefix(source, at);
        worst = worst.max(open + waiting).max(prefixes);
        if chain > MAX_CHAIN || else_ifs > MAX_CHAIN {
            return u32::MAX;
        }
    }
    worst
}

/// How many signs stand one after the other up to `at`: each is an operator of its own.
fn repeated_prefix(source: &[u8], at: usize) -> u32 {
    if !matches!(source[at], b'-' | b'+')
        || at + 1 < source.len() && matches!(source[at + 1], b'-' | b'+' | b' ')
    {
        return 0;
    }
    let run = source[..=at]
        .iter()
        .rev()
        .take(4096)
        .take_while(|byte| matches!(byte, b'-' | b'+' | b' '))
        .count();
    run as u32 / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_overflow_a_parser_is_refused() {
        let deep = [
            "(".repeat(1_000_000),
            "[".repeat(1_000_000),
            "!".repeat(1_000_000),
            "a?b:".repeat(1_000_000),
            "a=>".repeat(1_000_000),
            "typeof ".repeat(1_000_000),
            "- ".repeat(1_000_000),
            format!("x={}1", "1+".repeat(1_000_000)),
            "if(a)".repeat(1_000_000),
            "x".repeat(MAX_SOURCE + 1),
        ];
        for source in &deep {
            let shown = &source[..20];
            assert!(check(Language::JavaScript, source).is_err(), "{shown}");
        }
        for source in ["not ".repeat(1_000_000), "lambda: ".repeat(1_000_000)] {
            assert!(
                check(Language::Python, &source).is_err(),
                "{}",
                &source[..20]
            );
        }
    }

    #[test]
    fn long_flat_code_is_accepted() {
        for source in [
            "f(a, [b], {c: 1});\n".repeat(20_000),
            "x = a ? b : c;\n".repeat(20_000),
            "if (a) { b() } else if (c) { d() }\n".repeat(2_000),
        ] {
            assert_eq!(check(Language::JavaScript, &source), Ok(()));
        }
    }
}
