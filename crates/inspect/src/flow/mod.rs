//! Follows values through a package: within functions, through calls, and from module to module.
//!
//! It is an abstract interpretation that forgets what it need not know: a function has one set of parameters
//! (whatever any call gives it), a branch both is and is not taken, a loop runs once. [`Flow::run`] goes over
//! all modules twice, so that what is defined later is known. Work is bounded by [`STEPS`].

mod apply;
mod code;
mod decode;
mod expr;
mod library;
mod methods;
mod names;
mod places;
mod value;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::act::{Act, ActKind};
use crate::ir::{Import, Module, Stmt, Target};
use crate::lang::Language;

pub(crate) use names::{Files, normal};
pub(crate) use places::secret_place;
use value::Value;
pub(crate) use value::{FuncId, HOLE, ROOT, Source, Taint, Taints};

/// Most expressions and statements evaluated for one package.
const STEPS: u64 = 3_000_000;
/// Most calls within calls.
const MAX_CALLS: usize = 40;
/// Most times a function is looked into again because more is known of its parameters.
const RERUNS: u32 = 4;
/// Most acts kept.
const MAX_ACTS: usize = 20_000;

/// A file of the package, or code found inside of one.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Path in the package.
    pub(crate) path: String,
    pub(crate) language: Language,
    pub(crate) module: Module,
    /// Decoders and wrappers it was found under; empty for a file.
    pub(crate) layers: Vec<&'static str>,
    /// Text of a shell script, which has no module.
    pub(crate) script: Option<String>,
}

/// Everything that was found.
pub(crate) struct Flow {
    pub(crate) modules: Vec<Rc<Loaded>>,
    files: Files,
    scopes: HashMap<FuncId, HashMap<String, Value>>,
    parents: HashMap<FuncId, FuncId>,
    params: HashMap<FuncId, Vec<Value>>,
    returns: HashMap<FuncId, Value>,
    /// How often a function ran in this pass, and with which knowledge of its parameters.
    runs: HashMap<FuncId, u32>,
    exports: Vec<Value>,
    class_fields: HashMap<(u32, u32), Value>,
    class_bases: HashMap<(u32, u32), Vec<Value>>,
    /// Functions that are methods.
    methods: HashMap<FuncId, (u32, u32)>,
    acts: BTreeMap<(u32, u32, ActKind, Rc<str>), Act>,
    /// Who calls whom.
    pub(crate) edges: BTreeSet<(FuncId, FuncId)>,
    stack: Vec<FuncId>,
    blocks: u32,
    steps: u64,
    inner: code::Queue,
    /// Constant texts that code writes to files, by path.
    written: BTreeMap<String, Vec<u8>>,
    /// Why not everything was followed.
    pub(crate) gave_up: Option<&'static str>,
}

impl Flow {
    pub(crate) fn new(modules: Vec<Loaded>) -> Self {
        let files = Files::new(&modules);
        let exports = vec![Value::default(); modules.len()];
        Self {
            modules: modules.into_iter().map(Rc::new).collect(),
            files,
            scopes: HashMap::new(),
            parents: HashMap::new(),
            params: HashMap::new(),
            returns: HashMap::new(),
            runs: HashMap::new(),
            exports,
            class_fields: HashMap::new(),
            class_bases: HashMap::new(),
            methods: HashMap::new(),
            acts: BTreeMap::new(),
            edges: BTreeSet::new(),
            stack: Vec::new(),
            blocks: 0,
            steps: 0,
            inner: code::Queue::default(),
            written: BTreeMap::new(),
            gave_up: None,
        }
    }

    /// Follows everything.
    pub(crate) fn run(&mut self) {
        for _ in 0..2 {
            self.runs.clear();
            for file in 0..self.modules.len() {
                self.run_module(file as u32);
            }
        }
        self.run_inner_code();
    }

    /// What was found, by file and line.
    pub(crate) fn acts(&self) -> Vec<Act> {
        self.acts.values().cloned().collect()
    }

    fn run_module(&mut self, file: u32) {
        let loaded = self.modules[file as usize].clone();
        self.stack.push((file, ROOT));
        if let Some(script) = &loaded.script {
            self.run_script(script);
        }
        let blocks = std::mem::take(&mut self.blocks);
        self.block(&loaded.module.body);
        // Functions that nothing called yet are looked into as well: somebody may.
        for at in 0..loaded.module.functions.len() {
            let id = (file, at as u32);
            self.parents.entry(id).or_insert((file, ROOT));
            if !self.runs.contains_key(&id) {
                self.run_function(id);
            }
        }
        self.blocks = blocks;
        self.stack.pop();
        self.collect_exports(file, &loaded);
    }

    /// Python offers whatever a module defines; JavaScript what it says.
    fn collect_exports(&mut self, file: u32, loaded: &Loaded) {
        if loaded.language == Language::Python
            && let Some(scope) = self.scopes.get(&(file, ROOT))
        {
            let mut value = Value::default();
            let mut names: Vec<_> = scope.iter().collect();
            names.sort_by_key(|(name, _)| name.as_str());
            for (name, defined) in names.into_iter().take(400) {
                value.set_field(name, defined.clone());
            }
            value.taints = Taints::default();
            self.exports[file as usize] = value;
        }
    }

    fn step(&mut self) -> bool {
        self.steps += 1;
        if self.steps > STEPS {
            self.gave_up = Some("following its values took more steps than are allowed");
            return false;
        }
        true
    }

    fn here(&self) -> FuncId {
        self.stack.last().copied().unwrap_or((0, ROOT))
    }

    fn module(&self) -> Rc<Loaded> {
        self.modules[self.here().0 as usize].clone()
    }

    fn language(&self) -> Language {
        self.modules[self.here().0 as usize].language
    }

    fn block(&mut self, body: &[Stmt]) -> Value {
        let mut returned = Value::default();
        for stmt in body {
            if !self.step() {
                break;
            }
            match stmt {
                Stmt::Expr(expr) => {
                    self.expr(expr);
                }
                Stmt::Assign { target, value, add } => {
                    let mut value = self.expr(value);
                    if *add {
                        let before = self.read_target(target);
                        let taints = before.taints.clone();
                        let mut sum = Value::concat([&before, &value]);
                        if self.blocks > 0
                            && let Some(text) = sum.text.as_mut()
                        {
                            Rc::make_mut(text).exact = false;
                        }
                        sum.taints.join(&taints);
                        sum.items = before.items.or(value.items);
                        value = sum;
                    }
                    self.assign(target, value);
                }
                Stmt::Each { target, of } => {
                    let each = self.expr(of).each();
                    self.assign(target, each);
                }
                Stmt::Return(expr) => {
                    let value = self.expr(expr);
                    returned.join(&value);
                }
                Stmt::Import(import) => self.import(import),
                Stmt::Export(name, expr) => {
                    let value = self.expr(expr);
                    self.export(name, value);
                }
                Stmt::Block(inner) => {
                    self.blocks += 1;
                    let value = self.block(inner);
                    returned.join(&value);
                    self.blocks -= 1;
                }
            }
        }
        returned
    }

    fn import(&mut self, import: &Import) {
        let module = self.load(&import.module);
        for (name, local) in &import.names {
            let value = match name.as_str() {
                "*" => module.clone(),
                "**" => {
                    let fields = module.fields.clone().unwrap_or_default();
                    for (name, value) in fields.iter() {
                        self.set(name, value.clone());
                    }
                    continue;
                }
                "default" => match module.field("default") {
                    Some(value) => value.clone(),
                    None => module.clone(),
                },
                name => {
                    let found = self.member(&module, name);
                    match self.submodule(&import.module, name) {
                        Some(inner) if found.funcs.is_empty() && found.text.is_none() => inner,
                        _ => found,
                    }
                }
            };
            self.set(local, value);
        }
    }

    fn export(&mut self, name: &str, value: Value) {
        let file = self.here().0 as usize;
        match name {
            "*" => self.exports[file].join(&value),
            name => self.exports[file].set_field(name, value),
        }
    }

    /// Runs what is known of a function with what is known of its parameters.
    fn run_function(&mut self, id: FuncId) -> Value {
        let runs = self.runs.entry(id).or_default();
        let known = self.returns.get(&id).cloned();
        if *runs >= RERUNS || self.stack.len() >= MAX_CALLS || self.stack.contains(&id) {
            return known.unwrap_or_default();
        }
        *runs += 1;
        let loaded = self.modules[id.0 as usize].clone();
        let Some(function) = loaded.module.functions.get(id.1 as usize) else {
            return Value::default();
        };
        self.stack.push(id);
        let blocks = std::mem::take(&mut self.blocks);
        self.scopes.insert(id, HashMap::new());
        let given = self.params.get(&id).cloned().unwrap_or_default();
        for (at, param) in function.params.iter().enumerate() {
            let mut value = match &param.default {
                Some(default) => self.expr(default),
                None => Value::default(),
            };
            if let Some(given) = given.get(at) {
                value.join(given);
            }
            if let Target::Name(name) = &param.target {
                self.mark_parameter(name, function.line, &mut value);
            }
            self.assign(&param.target, value);
        }
        let mut returned = self.block(&function.body);
        self.blocks = blocks;
        self.stack.pop();
        if let Some(known) = known {
            returned.join(&known);
        }
        self.returns.insert(id, returned.clone());
        returned
    }

    fn mark_parameter(&self, name: &str, line: u32, value: &mut Value) {
        let plain: String = name
            .chars()
            .filter(|c| *c != '_')
            .flat_map(char::to_lowercase)
            .collect();
        let telling = [
            "privatekey",
            "mnemonic",
            "seedphrase",
            "secretkey",
            "privkey",
            "recoveryphrase",
            "walletkey",
            "keypair",
            "secretphrase",
        ];
        if telling.contains(&plain.as_str()) {
            value.taints.join(&Taints::one(Taint {
                source: Source::Argument,
                detail: name.into(),
                file: self.here().0,
                line,
            }));
        }
    }

    fn lookup(&self, name: &str) -> Option<Value> {
        let mut at = self.here();
        for _ in 0..MAX_CALLS {
            if let Some(value) = self.scopes.get(&at).and_then(|scope| scope.get(name)) {
                return Some(value.clone());
            }
            if at.1 == ROOT {
                return None;
            }
            at = self.parents.get(&at).copied().unwrap_or((at.0, ROOT));
        }
        None
    }

    /// The scope an assignment to `name` changes.
    fn owner(&self, name: &str) -> FuncId {
        let here = self.here();
        if self.language() == Language::Python {
            return here;
        }
        let mut at = here;
        for _ in 0..MAX_CALLS {
            if self
                .scopes
                .get(&at)
                .is_some_and(|scope| scope.contains_key(name))
            {
                return at;
            }
            if at.1 == ROOT {
                return here;
            }
            at = self.parents.get(&at).copied().unwrap_or((at.0, ROOT));
        }
        here
    }

    fn set(&mut self, name: &str, value: Value) {
        let owner = self.owner(name);
        let weak = self.blocks > 0 || owner != self.here();
        let scope = self.scopes.entry(owner).or_default();
        match scope.get_mut(name) {
            Some(known) if weak => known.join(&value),
            Some(known) => *known = value,
            None => {
                scope.insert(name.to_owned(), value);
            }
        }
    }

    fn assign(&mut self, target: &Target, value: Value) {
        match target {
            Target::Name(name) => self.set(name, value),
            Target::Member(of, name) => self.assign_member(of, name, value),
            Target::Index(of, key) => {
                let key = self.expr(key);
                let name = key
                    .exact()
                    .map(|key| String::from_utf8_lossy(key).into_owned());
                self.assign_member(of, name.as_deref().unwrap_or("[]"), value);
            }
            Target::List(targets) => {
                for (at, target) in targets.iter().enumerate() {
                    let item = value
                        .items
                        .as_ref()
                        .and_then(|items| items.get(at))
                        .cloned();
                    self.assign(target, item.unwrap_or_else(|| value.each()));
                }
            }
            Target::Fields(fields) => {
                for (name, target) in fields {
                    let part = match name.as_str() {
                        "*" => value.clone(),
                        name => self.member(&value, name),
                    };
                    self.assign(target, part);
                }
            }
            Target::Nothing => {}
        }
    }

    fn act(&mut self, kind: ActKind, line: u32, callee: &str, text: &str, taints: Taints) {
        let func = self.here();
        let file = func.0;
        let callee: Rc<str> = callee.into();
        if self.acts.len() >= MAX_ACTS {
            self.gave_up = Some("it does more than is kept");
            return;
        }
        let text: String = text.chars().take(2000).collect();
        let act = self
            .acts
            .entry((file, line, kind, callee.clone()))
            .or_insert_with(|| Act {
                kind,
                file,
                line,
                func,
                callee,
                text: text.as_str().into(),
                taints: Taints::default(),
                silent: false,
            });
        act.taints.join(&taints);
        if !act.text.contains(text.as_str()) && act.text.len() < 2000 {
            act.text = format!("{} {text}", act.text).into();
        }
    }

    fn silence(&mut self, kind: ActKind, line: u32, callee: &str) {
        let key = (self.here().0, line, kind, Rc::from(callee));
        if let Some(act) = self.acts.get_mut(&key) {
            act.silent = true;
        }
    }

    fn taint(&self, source: Source, detail: &str, line: u32) -> Taints {
        Taints::one(Taint {
            source,
            detail: detail.into(),
            file: self.here().0,
            line,
        })
    }
}
