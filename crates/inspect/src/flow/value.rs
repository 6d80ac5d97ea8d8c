//! What is known about a value: its text, what it denotes, and where it comes from.

use std::collections::BTreeMap;
use std::rc::Rc;

/// Most taints kept of one value.
const MAX_TAINTS: usize = 24;
/// Longest text put together from pieces, bytes.
const MAX_TEXT: usize = 4 << 20;
/// Longest text of which parts are unknown, bytes.
const MAX_GUESS: usize = 8 << 10;
/// Stands for an unknown part of a text.
pub(crate) const HOLE: u8 = 0x01;

/// Kinds of things that are telling when they end up elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// All environment variables.
    Environment,
    /// One environment variable.
    Variable,
    /// A file (or service) that holds credentials.
    Secret,
    /// A file found by walking through the home folder.
    HomeFile,
    /// What names this machine or its user.
    Host,
    /// Operating system or processor: what builds for platforms ask for.
    Platform,
    /// Came over the network.
    Download,
    /// Was decoded from a constant.
    Decoded,
    /// A long constant that is no text.
    Blob,
    /// A file of the package.
    File,
    /// What another program printed.
    Output,
    /// The clipboard.
    Clipboard,
    /// Key strokes, screen, microphone or camera.
    Spied,
    /// A parameter that is called like a private key.
    Argument,
}

/// One origin of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Taint {
    pub(crate) source: Source,
    /// In words: `~/.ssh/id_rsa`, `host name`.
    pub(crate) detail: Rc<str>,
    /// Index of the file.
    pub(crate) file: u32,
    pub(crate) line: u32,
}

/// Sorted, each pair of source and detail once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taints(Option<Rc<Vec<Taint>>>);

impl Taints {
    pub(crate) fn one(taint: Taint) -> Self {
        Self(Some(Rc::new(vec![taint])))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Taint> {
        self.0.iter().flat_map(|taints| taints.iter())
    }

    pub(crate) fn has(&self, source: Source) -> bool {
        self.iter().any(|taint| taint.source == source)
    }

    pub(crate) fn of(&self, source: Source) -> impl Iterator<Item = &Taint> {
        self.iter().filter(move |taint| taint.source == source)
    }

    pub(crate) fn join(&mut self, other: &Self) {
        let Some(theirs) = &other.0 else { return };
        let Some(mine) = &mut self.0 else {
            self.0 = Some(theirs.clone());
            return;
        };
        if Rc::ptr_eq(mine, theirs) {
            return;
        }
        for taint in theirs.iter() {
            let key = (taint.source, &taint.detail);
            let place = mine.binary_search_by(|known| (known.source, &known.detail).cmp(&key));
            if let Err(at) = place
                && mine.len() < MAX_TAINTS
            {
                Rc::make_mut(mine).insert(at, taint.clone());
            }
        }
    }

    /// Those that `keep` likes.
    pub(crate) fn only(&self, keep: impl Fn(Source) -> bool) -> Self {
        let kept: Vec<Taint> = self.iter().filter(|t| keep(t.source)).cloned().collect();
        Self((!kept.is_empty()).then(|| Rc::new(kept)))
    }
}

/// Bytes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    /// Nothing of it is unknown.
    pub(crate) exact: bool,
}

/// File and index of a function; [`ROOT`] is the code of the file itself.
pub(crate) type FuncId = (u32, u32);
pub(crate) const ROOT: u32 = u32::MAX;

/// An abstract value. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    pub(crate) text: Option<Rc<Text>>,
    pub(crate) number: Option<f64>,
    /// What it denotes outside of the package: `os.environ`, `child_process.exec`, `socket.socket()`.
    pub(crate) path: Option<Rc<str>>,
    pub(crate) funcs: Vec<FuncId>,
    /// File and index of the class it is, or is an instance of.
    pub(crate) class: Option<(u32, u32)>,
    pub(crate) items: Option<Rc<Vec<Value>>>,
    pub(crate) fields: Option<Rc<BTreeMap<String, Value>>>,
    pub(crate) taints: Taints,
    /// Where it sends to or which file it stands for.
    pub(crate) dest: Option<Rc<Text>>,
}

impl Value {
    pub(crate) fn text(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            text: Some(Rc::new(Text {
                bytes: bytes.into(),
                exact: true,
            })),
            ..Self::default()
        }
    }

    pub(crate) fn path(path: impl AsRef<str>) -> Self {
        Self {
            path: Some(path.as_ref().into()),
            ..Self::default()
        }
    }

    pub(crate) fn tainted(taints: Taints) -> Self {
        Self {
            taints,
            ..Self::default()
        }
    }

    pub(crate) fn exact(&self) -> Option<&[u8]> {
        let text = self.text.as_ref()?;
        text.exact.then_some(&text.bytes)
    }

    /// The text, unknown parts included.
    pub(crate) fn shown(&self) -> Option<String> {
        let text = self.text.as_ref()?;
        Some(String::from_utf8_lossy(&text.bytes).into_owned())
    }

    /// One of the two: what they do not share is unknown, but what either denotes is remembered.
    pub(crate) fn join(&mut self, other: &Self) {
        self.taints.join(&other.taints);
        for func in &other.funcs {
            if !self.funcs.contains(func) && self.funcs.len() < 8 {
                self.funcs.push(*func);
            }
        }
        fn keep<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
        keep(&mut self.path, &other.path);
        keep(&mut self.class, &other.class);
        keep(&mut self.dest, &other.dest);
        keep(&mut self.items, &other.items);
        keep(&mut self.number, &other.number);
        match (&self.text, &other.text) {
            (None, Some(_)) => self.text.clone_from(&other.text),
            (Some(mine), Some(theirs))
                if mine != theirs && mine.bytes.len() + theirs.bytes.len() < 4096 =>
            {
                // Either: both are searched, neither is the text.
                let holds = |whole: &[u8], part: &[u8]| {
                    part.is_empty() || whole.windows(part.len()).any(|at| at == part)
                };
                if !holds(&mine.bytes, &theirs.bytes) {
                    let mut bytes = mine.bytes.clone();
                    bytes.push(HOLE);
                    bytes.extend_from_slice(&theirs.bytes);
                    self.text = Some(Rc::new(Text {
                        bytes,
                        exact: false,
                    }));
                }
            }
            _ => {}
        }
        match (&mut self.fields, &other.fields) {
            (None, Some(_)) => self.fields.clone_from(&other.fields),
            (Some(mine), Some(theirs)) if !Rc::ptr_eq(mine, theirs) => {
                let mine = Rc::make_mut(mine);
                for (name, value) in theirs.iter() {
                    if !mine.contains_key(name) && mine.len() < 400 {
                        mine.insert(name.clone(), value.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// Pieces put one after the other.
    pub(crate) fn concat<'v>(pieces: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut bytes = Vec::new();
        let mut exact = true;
        let mut any = false;
        let mut taints = Taints::default();
        for piece in pieces {
            taints.join(&piece.taints);
            match (&piece.text, piece.number) {
                (Some(text), _) if bytes.len() + text.bytes.len() <= MAX_TEXT => {
                    any = true;
                    exact &= text.exact;
                    bytes.extend_from_slice(&text.bytes);
                }
                (None, Some(number)) => bytes.extend_from_slice(number.to_string().as_bytes()),
                _ => {
                    exact = false;
                    bytes.push(HOLE);
                }
            }
        }
        Self {
            text: (any && (exact || bytes.len() <= MAX_GUESS))
                .then(|| Rc::new(Text { bytes, exact })),
            taints,
            ..Self::default()
        }
    }

    /// A list of these.
    pub(crate) fn list(items: Vec<Value>) -> Self {
        let mut taints = Taints::default();
        for item in &items {
            taints.join(&item.taints);
        }
        Self {
            items: Some(Rc::new(items)),
            taints,
            ..Self::default()
        }
    }

    /// What a loop over this gives each time.
    pub(crate) fn each(&self) -> Self {
        let Some(items) = &self.items else {
            return Self {
                path: self.path.as_ref().map(|path| format!("{path}[]").into()),
                class: None,
                funcs: Vec::new(),
                items: None,
                number: None,
                text: self.text.clone().filter(|text| !text.exact),
                ..self.clone()
            };
        };
        let mut out = Self::default();
        for item in items.iter().take(64) {
            out.join(item);
        }
        // A loop over constants: each of them is used, none is the text.
        if items.len() > 1
            && let Some(text) = out.text.as_mut()
        {
            Rc::make_mut(text).exact = false;
        }
        out.taints.join(&self.taints);
        out
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.as_ref()?.get(name)
    }

    pub(crate) fn set_field(&mut self, name: &str, value: Value) {
        self.taints.join(&value.taints);
        let fields = self.fields.get_or_insert_with(Rc::default);
        if fields.len() < 2000 {
            Rc::make_mut(fields).insert(name.to_owned(), value);
        }
    }

    /// Everything readable in it, nested values included: what a person would see of a request.
    pub(crate) fn words(&self, depth: u8) -> String {
        let mut out = self.shown().unwrap_or_default();
        if depth > 0 {
            let items = self.items.iter().flat_map(|items| items.iter());
            let fields = self.fields.iter().flat_map(|fields| fields.values());
            for value in items.chain(fields).take(64) {
                let words = value.words(depth - 1);
                if !words.is_empty() && out.len() < 8192 {
                    if !out.is_empty() {
                        out.push(' ');
                    }
                    out.push_str(&words);
                }
            }
        }
        out
    }
}
