//! What a database says that holds nothing.

/// The answer to one statement.
pub(super) enum Answer {
    /// Columns, and rows of as many values.
    Rows(Vec<&'static str>, Vec<Vec<String>>),
    /// What was done, as PostgreSQL names it.
    Done(&'static str),
}

/// Answers a statement by its first words.
pub(super) fn answer(statement: &str, version: &str) -> Answer {
    let text = statement.trim().trim_end_matches(';').to_ascii_lowercase();
    let one = |column, value: &str| Answer::Rows(vec![column], vec![vec![value.to_owned()]]);
    let word = text.split_whitespace().next().unwrap_or_default();
    match word {
        "select" | "show" | "with" | "values" | "describe" | "explain" | "table" => {}
        "insert" => return Answer::Done("INSERT 0 1"),
        "update" => return Answer::Done("UPDATE 1"),
        "delete" => return Answer::Done("DELETE 0"),
        "create" => return Answer::Done("CREATE TABLE"),
        "drop" => return Answer::Done("DROP TABLE"),
        "begin" | "start" => return Answer::Done("BEGIN"),
        "commit" => return Answer::Done("COMMIT"),
        "rollback" => return Answer::Done("ROLLBACK"),
        _ => return Answer::Done("SET"),
    }
    if text.contains("version") {
        return one("version", version);
    }
    if text.contains("databases") || text.contains("pg_database") {
        return Answer::Rows(
            vec!["database"],
            vec![vec!["app".to_owned()], vec!["postgres".to_owned()]],
        );
    }
    if text.contains("current_user") || text.contains("user()") {
        return one("current_user", "app");
    }
    // `select 1`, `select 'x'`: a constant comes back.
    let constant = text
        .strip_prefix("select ")
        .filter(|rest| !rest.contains(' ') && rest.len() < 64);
    match constant.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '\'')) {
        Some(value) => one("column", value.trim_matches('\'')),
        None => Answer::Rows(vec!["name"], Vec::new()),
    }
}
