use std::fmt::Display;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{Style, text};

/// How a piece of text stands out. Never the only carrier of a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
    /// White on red.
    Alarm,
    Name,
}

impl Paint {
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "1;32",
            Self::Warn => "1;33",
            Self::Bad => "1;31",
            Self::Alarm => "1;97;41",
            Self::Name => "36",
        }
    }
}

/// A painted piece of text, free of control characters.
#[derive(Clone, Debug)]
pub(super) struct Span(String, Paint);

impl Span {
    /// Whatever `text` shows, made safe.
    pub(super) fn new(text: impl Display, paint: Paint) -> Self {
        Self(text::safe(&text.to_string()), paint)
    }
}

pub(super) fn plain(text: impl Display) -> Span {
    Span::new(text, Paint::Plain)
}

pub(super) fn dim(text: impl Display) -> Span {
    Span::new(text, Paint::Dim)
}

/// Lines of text of a given width. Everything that reaches it went through [`Span`].
pub(super) struct Screen {
    out: String,
    color: bool,
    unicode: bool,
    width: usize,
}

impl Screen {
    pub(super) fn new(style: &Style) -> Self {
        Self {
            out: String::new(),
            color: style.color,
            unicode: style.unicode,
            width: style.width.clamp(40, 160),
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A section's title after an empty line.
    pub(super) fn heading(&mut self, title: &str, note: impl Display) {
        self.blank();
        self.line(0, &[Span::new(title, Paint::Bold), plain("  "), dim(note)]);
    }

    /// One line, cut at the width.
    pub(super) fn line(&mut self, indent: usize, spans: &[Span]) {
        let spans: Vec<(String, Paint)> = spans
            .iter()
            .map(|span| (self.drawable(&span.0), span.1))
            .filter(|(text, _)| !text.is_empty())
            .collect();
        let room = self.width.saturating_sub(indent).max(10);
        let needed: usize = spans.iter().map(|(text, _)| text.width()).sum();
        let ellipsis = self.drawable("…");
        let mut left = if needed > room {
            room - ellipsis.width()
        } else {
            room
        };
        self.out.push_str(&" ".repeat(indent));
        for (text, paint) in &spans {
            let (fits, used) = fitting(text, left);
            left -= used;
            self.paint(fits, *paint);
            if fits.len() < text.len() {
                self.paint(&ellipsis, Paint::Dim);
                break;
            }
        }
        self.end_line();
    }

    /// Words over at most `max_lines` lines.
    pub(super) fn paragraph(&mut self, indent: usize, span: &Span, max_lines: usize) {
        let text = self.drawable(&span.0);
        let room = self.width.saturating_sub(indent).max(10);
        let mut lines: Vec<String> = vec![String::new()];
        for mut word in text.split(' ').filter(|word| !word.is_empty()) {
            if lines.len() > max_lines {
                break;
            }
            let filled = lines.last().map_or(0, |line| line.width());
            if filled > 0 && filled + 1 + word.width() <= room {
                push(&mut lines, " ");
            } else if filled > 0 {
                lines.push(String::new());
            }
            while word.width() > room {
                let (fits, _) = fitting(word, room);
                push(&mut lines, fits);
                lines.push(String::new());
                word = &word[fits.len()..];
                if lines.len() > max_lines {
                    break;
                }
            }
            push(&mut lines, word);
        }
        let cut = lines.len() > max_lines;
        lines.truncate(max_lines);
        let last = lines.len() - 1;
        for (at, line) in lines.iter().enumerate() {
            let end = if cut && at == last { " …" } else { "" };
            self.line(indent, &[Span(format!("{line}{end}"), span.1)]);
        }
    }

    /// Says what a bounded list leaves out, if it does.
    pub(super) fn more(&mut self, indent: usize, hidden: usize) {
        if hidden > 0 {
            let hidden = text::number(hidden as u64);
            self.line(
                indent,
                &[dim(format!("… and {hidden} more (in the JSON report)"))],
            );
        }
    }

    fn paint(&mut self, text: &str, paint: Paint) {
        if self.color && paint != Paint::Plain {
            self.out.push_str("\u{1b}[");
            self.out.push_str(paint.sgr());
            self.out.push('m');
            self.out.push_str(text);
            self.out.push_str("\u{1b}[0m");
        } else {
            self.out.push_str(text);
        }
    }

    fn end_line(&mut self) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        self.out.push('\n');
    }

    /// The text as this terminal can show it.
    fn drawable(&self, text: &str) -> String {
        if self.unicode || text.is_ascii() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                c if c.is_ascii() => out.push(c),
                '…' => out.push_str("..."),
                '·' | '×' => out.push(if c == '×' { 'x' } else { '-' }),
                '→' => out.push_str("->"),
                '│' => out.push('|'),
                '├' => out.push('|'),
                '└' => out.push('`'),
                '─' | '–' => out.push('-'),
                '●' => out.push('*'),
                '✓' => out.push_str("ok"),
                '✗' => out.push_str("no"),
                '⚑' => out.push('!'),
                c => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            }
        }
        out
    }
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

/// The longest beginning that is at most `room` columns wide, and how wide it is.
fn fitting(text: &str, room: usize) -> (&str, usize) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if used + width > room {
            return (&text[..at], used);
        }
        used += width;
    }
    (text, used)
}
