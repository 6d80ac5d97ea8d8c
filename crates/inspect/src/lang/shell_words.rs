//! Command lines cut into stages and words.

/// Stages in order, and whether the next one reads what this one prints.
pub(super) fn stages(line: &str) -> Vec<(String, bool, u32)> {
    let mut out = Vec::new();
    let mut stage = String::new();
    let mut quote = None;
    let mut depth = 0_u32;
    let mut at = 0_u32;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '\\') => {
                if chars.next_if_eq(&'\n').is_some() {
                    // A line that goes on.
                    stage.push(' ');
                    at += 1;
                } else {
                    stage.push(c);
                    stage.extend(chars.next_if(|next| *next != '\n'));
                }
                continue;
            }
            (None, '#') if stage.is_empty() || stage.ends_with(char::is_whitespace) => {
                // A comment, in which a lone quote is none.
                while chars.next_if(|next| *next != '\n').is_some() {}
                continue;
            }
            (Some(end), c) if c == end => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '|' | ';' | '&' | '\n') if depth == 0 => {
                let double = chars.next_if_eq(&c).is_some();
                // `2>&1` and `&>` are no ends.
                if c == '&' && !double && (stage.ends_with('>') || chars.peek() == Some(&'>')) {
                    stage.push(c);
                    continue;
                }
                out.push((std::mem::take(&mut stage), c == '|' && !double, at));
                at += u32::from(c == '\n') * (1 + u32::from(double));
                continue;
            }
            (_, '\n') => at += 1,
            _ => {}
        }
        stage.push(c);
    }
    out.push((stage, false, at));
    out
}

/// Words of a stage, without their quotes.
pub(super) fn words(stage: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut quote = None;
    for c in stage.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                quoted = true;
            }
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() || quoted {
                    out.push(std::mem::take(&mut word));
                }
                quoted = false;
            }
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() || quoted {
        out.push(word);
    }
    out
}
