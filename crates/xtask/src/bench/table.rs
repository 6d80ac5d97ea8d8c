use super::{Measured, Turn};

/// The bar: one and a half times the bare manager, and a second.
const FACTOR: f64 = 1.5;
const EXTRA: f64 = 1.0;

pub(super) fn print(measured: &[Measured]) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!();
    println!("Wall time in seconds, medians; ratios are medians within a turn. {cores} cores.");
    println!(
        "{:<40} {:>5} {:>8} {:>8} {:>6} {:>16} {:>10} {:>8} {:>7}  verdict",
        "package", "turns", "bare", "apa", "ratio", "bar", "same phase", "strace", "ratio"
    );
    for each in measured {
        println!("{}", line(each));
    }
    println!(
        "bar: {FACTOR} x bare + {EXTRA} s. same phase: install and import inside the analysis, against bare. \
         bare sums one install and import for each artifact that was analysed."
    );
}

fn line(each: &Measured) -> String {
    let median_of = |of: fn(&Turn) -> f64| median(each.turns.iter().map(of));
    let bare = median_of(|turn| turn.bare);
    let apa = median_of(|turn| turn.apa);
    let bar = FACTOR * bare + EXTRA;
    let met = if apa <= bar { "met" } else { "MISSED" };
    let strace: Vec<(f64, f64)> = each
        .turns
        .iter()
        .filter_map(|turn| Some((turn.strace?, turn.strace? / turn.bare)))
        .collect();
    let (traced, traced_ratio) = if strace.is_empty() {
        ("-".to_owned(), "-".to_owned())
    } else {
        (
            format!("{:.2}", median(strace.iter().map(|(seconds, _)| *seconds))),
            format!("{:.2}", median(strace.iter().map(|(_, ratio)| *ratio))),
        )
    };
    let artifacts = match each.artifacts {
        1 => String::new(),
        many => format!(" ({many} artifacts)"),
    };
    format!(
        "{:<40} {:>5} {bare:>8.2} {apa:>8.2} {:>6.2} {:>16} {:>10.2} {traced:>8} {traced_ratio:>7}  {}",
        format!("{}{artifacts}", each.package),
        each.turns.len(),
        median_of(|turn| turn.apa / turn.bare),
        format!("{bar:.2} {met}"),
        median_of(|turn| turn.same_phases / turn.bare),
        each.verdict,
    )
}

/// The middle value; of an even number, the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_line_says_whether_the_bar_is_met() {
        let turn = |bare, apa| Turn {
            bare,
            apa,
            same_phases: bare,
            strace: Some(bare * 2.0),
        };
        let measured = |apa| Measured {
            package: "npm:a@1.0.0".parse().unwrap(),
            verdict: "clean".into(),
            artifacts: 1,
            turns: vec![turn(1.0, apa), turn(1.0, apa)],
        };
        assert!(line(&measured(2.5)).contains("2.50 met"));
        assert!(line(&measured(2.6)).contains("2.50 MISSED"));
        assert!(line(&measured(2.6)).contains("2.00  clean"));
    }
}
