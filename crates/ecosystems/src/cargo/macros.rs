use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::manifest::is_identifier;

/// Most macros of one crate that are used.
pub(super) const MOST: usize = 100;

/// A macro that a crate exports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Macro {
    /// `name! {}`
    Function(String),
    /// `#[derive(Name)]`
    Derive(String),
    /// `#[name]`
    Attribute(String),
}

/// The macros of a procedural macro crate's root module, which is the only place they can be. Only its outermost
/// tokens are looked at, so that no nesting costs anything; `None` where the text has no Rust tokens.
pub(super) fn exported(source: &str) -> Option<Vec<Macro>> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    // As rustc does, but not where an inner attribute begins.
    let source = match source.strip_prefix("#!") {
        Some(rest) if !rest.trim_start().starts_with('[') => {
            rest.split_once('\n').map_or("", |(_, rest)| rest)
        }
        _ => source,
    };
    let tokens: TokenStream = source.parse().ok()?;
    let mut found = Vec::new();
    let mut pending = None;
    let mut before = None;
    for token in tokens {
        match &token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                pending = Marker::of(group.stream()).or(pending);
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => pending = None,
            TokenTree::Ident(name) if before.as_deref() == Some("fn") => {
                found.extend(
                    pending
                        .take()
                        .map(|marker: Marker| marker.names(&name.to_string())),
                );
            }
            _ => {}
        }
        before = match &token {
            TokenTree::Ident(name) => Some(name.to_string()),
            _ => None,
        };
        if found.len() >= MOST {
            break;
        }
    }
    found.retain(|found| is_identifier(found.name()));
    Some(found)
}

/// The attribute that makes a function a macro.
enum Marker {
    Function,
    Derive(String),
    Attribute,
}

impl Marker {
    fn of(attribute: TokenStream) -> Option<Self> {
        let mut tokens = attribute.into_iter();
        let TokenTree::Ident(name) = tokens.next()? else {
            return None;
        };
        match name.to_string().as_str() {
            "proc_macro" => Some(Self::Function),
            "proc_macro_attribute" => Some(Self::Attribute),
            "proc_macro_derive" => match tokens.next()? {
                TokenTree::Group(group) => {
                    Some(Self::Derive(group.stream().into_iter().next()?.to_string()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn names(self, function: &str) -> Macro {
        match self {
            Self::Function => Macro::Function(function.to_owned()),
            Self::Attribute => Macro::Attribute(function.to_owned()),
            Self::Derive(name) => Macro::Derive(name),
        }
    }
}

impl Macro {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Function(name) | Self::Derive(name) | Self::Attribute(name) => name,
        }
    }

    /// As it is listed: also the name of the file with its use.
    pub(super) fn label(&self) -> String {
        let kind = match self {
            Self::Function(_) => "function",
            Self::Derive(_) => "derive",
            Self::Attribute(_) => "attribute",
        };
        format!("{kind} {}", self.name())
    }

    /// Source of a library that uses it. A macro that does not like its input has run all the same.
    pub(super) fn usage(&self, lib: &str) -> String {
        let path = format!("::{lib}::{}", self.name());
        match self {
            Self::Function(_) => {
                format!("{path}! {{}}\n\npub fn value() {{\n    let _ = {path}!(\"value\");\n}}\n")
            }
            Self::Derive(_) => {
                format!("#[derive({path})]\npub struct Item {{\n    pub value: u32,\n}}\n")
            }
            Self::Attribute(_) => format!(
                "#[{path}]\npub fn value() -> u32 {{\n    1\n}}\n\n#[{path}]\npub struct Item {{\n    pub value: u32,\n}}\n"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(source: &str) -> Vec<String> {
        let found = exported(source).unwrap();
        found.iter().map(Macro::label).collect()
    }

    #[test]
    fn every_kind_of_macro_is_listed() {
        let source = "#!/usr/bin/env run\n#![doc = \"x\"]\nuse proc_macro::TokenStream;\nmod inner { fn a() {} }\n\
            #[proc_macro]\n/// doc\n#[inline]\npub fn one(input: TokenStream) -> TokenStream { input }\n\
            #[proc_macro_derive(Two, attributes(two))]\npub fn derive_two(i: TokenStream) -> TokenStream { i }\n\
            #[doc(hidden)] #[proc_macro_attribute]\npub fn three(_: TokenStream, i: TokenStream) -> TokenStream { i }\n\
            fn helper() {}\n#[cfg(test)] mod tests;\n";
        assert_eq!(
            labels(source),
            ["function one", "derive Two", "attribute three"]
        );
    }

    #[test]
    fn a_function_without_a_marker_is_none() {
        assert!(labels("fn a() {} #[test] fn b() {}").is_empty());
        assert!(labels("#[proc_macro] struct X {} fn a() {}").is_empty());
    }

    #[test]
    fn deep_nesting_and_nonsense_end() {
        let deep = format!("{}{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(labels(&deep).is_empty());
        assert_eq!(exported("((("), None);
        assert_eq!(exported("\"open"), None);
    }
}
