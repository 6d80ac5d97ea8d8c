//! A harness's list of entries, and what became of each by the lines it writes.

use apa_model::Hostile;
use apa_model::report::EntryRecord;

/// Characters of output kept with an entry.
pub(crate) const DETAIL_BYTES: usize = 2_000;

/// A harness's list and how far it got.
pub(crate) struct Checklist<'a> {
    pub(crate) names: &'a [String],
    pub(crate) records: Vec<EntryRecord>,
    /// The first entry that is not settled.
    pub(crate) next: usize,
    /// The entry that was started and not settled.
    current: Option<usize>,
    /// What the harness was told to prove an entry's result with, by index.
    tokens: Vec<String>,
    /// A line came that only package code can have written.
    pub(crate) forged: bool,
    /// The harness is to tell of code that is made while the package runs.
    pub(crate) probes: bool,
}

impl<'a> Checklist<'a> {
    pub(crate) fn new(names: &'a [String]) -> Self {
        Self {
            names,
            records: Vec::new(),
            next: 0,
            current: None,
            tokens: vec![String::new(); names.len()],
            forged: false,
            probes: false,
        }
    }

    /// The list for one run of the harness, with fresh tokens.
    pub(crate) fn start_run(&mut self) -> Vec<u8> {
        for token in &mut self.tokens[self.next..] {
            *token = fresh_name();
        }
        self.current = None;
        self.to_json()
    }

    fn to_json(&self) -> Vec<u8> {
        let entries: Vec<_> = self.names[self.next..]
            .iter()
            .zip(self.next..)
            .map(|(name, index)| {
                serde_json::json!({"index": index, "name": name, "token": self.tokens[index]})
            })
            .collect();
        serde_json::json!({ "entries": entries, "probes": self.probes })
            .to_string()
            .into_bytes()
    }

    /// Takes one line of the harness; true for its last. What does not fit the list is passed over. The sample can write
    /// to the same descriptor, but it has to guess the token of a result.
    pub(crate) fn take(&mut self, line: &Hostile) -> bool {
        let text = line.lossy();
        let mut words = text.trim_end().splitn(4, ' ');
        let word = words.next().unwrap_or_default();
        let index = words.next().and_then(|word| word.parse::<usize>().ok());
        let result = matches!(word, "done" | "fail");
        if let Some(index) = index.filter(|_| result) {
            let token = words.next().unwrap_or_default();
            if self.tokens.get(index).is_none_or(|known| known != token) {
                self.forged = true;
                return false;
            }
        }
        match (word, index) {
            ("end", _) => {
                let complete = self.next >= self.names.len();
                return complete;
            }
            ("start", Some(index)) if index == self.next && index < self.names.len() => {
                self.current = Some(index)
            }
            ("done", Some(index)) if self.current == Some(index) => {
                self.settle("done", Hostile::default())
            }
            ("fail", Some(index)) if self.current == Some(index) => {
                let detail =
                    Hostile::from(words.next().unwrap_or_default()).shortened(DETAIL_BYTES);
                self.settle("failed", detail);
            }
            _ => {}
        }
        false
    }

    pub(crate) fn current_name(&self) -> Hostile {
        self.names
            .get(self.next)
            .map(|name| Hostile::from(name.as_str()))
            .unwrap_or_default()
    }

    /// The harness ended by itself or was ended: the entry it was at is settled so that the next run gets past it.
    pub(crate) fn crashed(&mut self, status: &str, detail: Hostile) {
        if self.next < self.names.len() {
            self.settle(status, detail);
        }
    }

    fn settle(&mut self, status: &str, detail: Hostile) {
        let name = self.current_name();
        self.records.push(EntryRecord {
            name,
            status: status.to_owned(),
            detail,
        });
        self.next += 1;
        self.current = None;
    }

    pub(crate) fn into_records(mut self) -> Vec<EntryRecord> {
        while self.next < self.names.len() {
            self.settle("not_reached", Hostile::default());
        }
        self.records
    }
}

/// A file name that says nothing and is not used yet.
pub(crate) fn fresh_name() -> String {
    // As long as the judge takes for a name by chance, which no two runs share.
    let mut bytes = [0u8; 8];
    // Without randomness the name is merely less fresh: it lies in a folder of this run alone.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn statuses(list: Checklist) -> Vec<String> {
        list.into_records()
            .into_iter()
            .map(|record| record.status)
            .collect()
    }

    #[test]
    fn a_crash_settles_only_the_entry_it_happened_in() {
        let names = names(&["a", "b", "c"]);
        let mut list = Checklist::new(&names);
        let _ = list.start_run();
        let done = format!("done 0 {}", list.tokens[0]);
        assert!(!list.take(&"start 0".into()));
        assert!(!list.take(&done.into()));
        assert!(!list.take(&"start 1".into()));
        list.crashed("crashed", Hostile::default());
        let left: serde_json::Value = serde_json::from_slice(&list.to_json()).unwrap();
        assert_eq!(left["entries"].as_array().unwrap().len(), 1);
        assert_eq!(left["entries"][0]["name"], "c");
        assert!(!list.forged);
        assert_eq!(statuses(list), ["done", "crashed", "not_reached"]);
    }

    #[test]
    fn a_sample_cannot_end_the_list_early_or_skip_ahead() {
        let names = names(&["a", "b"]);
        let mut list = Checklist::new(&names);
        let _ = list.start_run();
        let late = format!("done 1 {}", list.tokens[1]);
        assert!(!list.take(&"end".into()));
        assert!(!list.take(&late.into()));
        assert!(!list.take(&"start 7".into()));
        assert!(!list.take(&"\u{1b}[2J verdict: clean".into()));
        assert_eq!(statuses(list), ["not_reached", "not_reached"]);
    }

    #[test]
    fn a_result_without_its_token_counts_for_nothing_and_is_remembered() {
        let names = names(&["a", "b"]);
        let mut list = Checklist::new(&names);
        let first = list.start_run();
        assert_ne!(first, list.start_run(), "tokens are used again");
        for line in ["start 0", "done 0", "fail 0 00 boom", "done 9 x", "end"] {
            assert!(!list.take(&line.into()));
        }
        assert!(list.forged);
        assert_eq!(statuses(list), ["not_reached", "not_reached"]);
    }

    #[test]
    fn a_harness_that_dies_before_its_first_entry_still_gets_on() {
        let names = names(&["a"]);
        let mut list = Checklist::new(&names);
        list.crashed("crashed", "boom".into());
        assert_eq!(list.next, 1);
        assert_eq!(statuses(list), ["crashed"]);
    }
}
