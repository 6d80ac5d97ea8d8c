use apa_model::report::Report;
pub(crate) fn render(_: &Report) -> String {
    String::new()
}
