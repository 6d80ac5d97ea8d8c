//! What every language is lowered to: just enough to follow values from where they come to where they go.
//!
//! Control flow is kept only as far as it matters for that: a [`Stmt::Block`] may or may not run. Depth is
//! bounded by the front ends ([`MAX_DEPTH`]), so that walking it needs a bounded stack.

/// Expressions nested deeper than this become [`Expr::Unknown`], and the file is said to be read in part.
pub(crate) const MAX_DEPTH: u32 = 300;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// Text or bytes.
    Text(Vec<u8>),
    Number(f64),
    Name(String),
    Member(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    /// A slice; `reversed` is `[::-1]`.
    Slice {
        of: Box<Expr>,
        from: Option<Box<Expr>>,
        to: Option<Box<Expr>>,
        reversed: bool,
    },
    Call(Box<Call>),
    /// Pieces put one after the other.
    Concat(Vec<Expr>),
    /// `left % right`, Python's old formatting.
    Format(Box<Expr>, Box<Expr>),
    /// `left / right`: a number, or a path.
    Divide(Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    /// Key and value; no key is a spread.
    Map(Vec<(Option<Expr>, Expr)>),
    /// Index into [`Module::functions`].
    Function(usize),
    /// Index into [`Module::classes`].
    Class(usize),
    /// An assignment that is a value as well.
    Assign(Box<Target>, Box<Expr>),
    /// One of these, nobody knows which.
    Any(Vec<Expr>),
    /// `left ^ right`.
    Xor(Box<Expr>, Box<Expr>),
    /// Something computed from these.
    Mix(Vec<Expr>),
    /// What is collected in a loop: targets, iterables, result.
    Comprehension {
        loops: Vec<(Target, Expr)>,
        result: Box<Expr>,
    },
    /// `await`, `yield`: the value that is waited for.
    Wait(Box<Expr>),
    Unknown,
}

/// A call or a construction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) callee: Expr,
    pub(crate) args: Vec<Arg>,
    /// From 1.
    pub(crate) line: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arg {
    pub(crate) name: Option<String>,
    pub(crate) value: Expr,
    pub(crate) spread: bool,
}

/// Where a value goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Name(String),
    Member(Expr, String),
    Index(Expr, Expr),
    List(Vec<Target>),
    Fields(Vec<(String, Target)>),
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stmt {
    Expr(Expr),
    /// `add` keeps what was there: `+=`, loops.
    Assign {
        target: Target,
        value: Expr,
        add: bool,
    },
    /// A loop variable.
    Each {
        target: Target,
        of: Expr,
    },
    Return(Expr),
    Import(Import),
    /// What a module offers: name (`default`, `*` for all of it) and value.
    Export(String, Expr),
    /// Runs perhaps, or several times.
    Block(Vec<Stmt>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Import {
    /// As written: `os.path`, `.utils`, `./lib`.
    pub(crate) module: String,
    /// Imported name (`*`: the module itself, `default`) and local name.
    pub(crate) names: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Param {
    pub(crate) target: Target,
    pub(crate) default: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) params: Vec<Param>,
    pub(crate) body: Vec<Stmt>,
    pub(crate) line: u32,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) bases: Vec<Expr>,
    /// Name and index of function.
    pub(crate) methods: Vec<(String, usize)>,
    /// Runs where the class is defined.
    pub(crate) body: Vec<Stmt>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Module {
    pub(crate) body: Vec<Stmt>,
    pub(crate) functions: Vec<Function>,
    pub(crate) classes: Vec<Class>,
    /// Why a part of the file is missing here, if one is.
    pub(crate) partial: Option<String>,
    /// Names of functions and variables, for statistics; at most [`MAX_NAMES`].
    pub(crate) names: Vec<String>,
}

/// Most names kept of one file.
pub(crate) const MAX_NAMES: usize = 4000;
