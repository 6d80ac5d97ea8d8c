//! What a program printed, cut down to the line that says why it failed.

use apa_model::Hostile;

/// The first line that a tool marks as an error, else the last that says something.
pub(crate) fn telling_line(output: &str) -> Hostile {
    let error = output
        .lines()
        .find(|line| line.contains("ERROR") || line.contains("error:"));
    let words = |line: &&str| line.chars().filter(|c| c.is_alphabetic()).count() > 3;
    let line = error.or_else(|| output.lines().rfind(words));
    Hostile::from(line.unwrap_or_default()).shortened(300)
}

/// The last line.
pub(crate) fn last_line(output: &Hostile) -> Hostile {
    Hostile::from(output.lossy().lines().last().unwrap_or_default()).shortened(300)
}
