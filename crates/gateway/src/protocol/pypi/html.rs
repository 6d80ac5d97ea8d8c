//! The older, HTML form of a project page.

use bytes::Bytes;
use reqwest::Url;
use serde_json::{Map, Value, json};

/// The JSON form of an HTML project page.
pub(crate) fn to_json(html: &str, page: &Url) -> Bytes {
    let mut files = Vec::new();
    let mut rest = html;
    while let Some(at) = find_anchor(rest) {
        rest = &rest[at + 2..];
        let Some(end) = rest.find('>') else { break };
        let attributes = attributes(&rest[..end]);
        rest = &rest[end + 1..];
        files.extend(file(&attributes, page));
    }
    json!({"meta": {"api-version": "1.0"}, "files": files})
        .to_string()
        .into()
}

/// Position of the next `<a` that starts an anchor.
fn find_anchor(html: &str) -> Option<usize> {
    html.match_indices('<').map(|(at, _)| at).find(|at| {
        let mut after = html[at + 1..].chars();
        after.next().is_some_and(|c| c.eq_ignore_ascii_case(&'a'))
            && after.next().is_some_and(char::is_whitespace)
    })
}

fn file(attributes: &[(String, String)], page: &Url) -> Option<Value> {
    let get = |name: &str| {
        attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let mut url = page.join(get("href")?).ok()?;
    let mut hashes = Map::new();
    if let Some((algorithm, hex)) = url.fragment().and_then(|hash| hash.split_once('=')) {
        hashes.insert(algorithm.to_owned(), hex.into());
    }
    url.set_fragment(None);
    let name = url.path_segments()?.next_back()?.to_owned();
    let name = percent_encoding::percent_decode_str(&name)
        .decode_utf8()
        .ok()?;
    let mut file = json!({"filename": name, "url": url.as_str(), "hashes": hashes});
    if let Some(requires) = get("data-requires-python") {
        file["requires-python"] = requires.into();
    }
    if let Some(reason) = get("data-yanked") {
        file["yanked"] = if reason.is_empty() {
            true.into()
        } else {
            reason.into()
        };
    }
    if let Some(stated) = get("data-core-metadata").or_else(|| get("data-dist-info-metadata")) {
        file["core-metadata"] = match stated.split_once('=') {
            Some((algorithm, hex)) => json!({ algorithm: hex }),
            None => true.into(),
        };
    }
    Some(file)
}

/// Names (small letters) and values of a tag's attributes.
fn attributes(tag: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = tag.trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let after = if quote.is_some() { &after[1..] } else { after };
            let end = match quote {
                Some(quote) => after.find(quote),
                None => after.find(char::is_whitespace),
            };
            value = &after[..end.unwrap_or(after.len())];
            let next = value.len() + usize::from(quote.is_some() && end.is_some());
            rest = after[next..].trim_start();
        }
        if !name.is_empty() {
            found.push((name, unescape(value)));
        } else if value.is_empty() {
            break;
        }
    }
    found
}

/// Text for HTML, in attributes too.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_are_read_in_every_way_they_are_written() {
        let found = attributes("HREF = 'a b' data-x=1  flag data-y=\"&lt;&amp;lt;\"");
        let expected = [
            ("href", "a b"),
            ("data-x", "1"),
            ("flag", ""),
            ("data-y", "<&lt;"),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn odd_html_ends() {
        let page = Url::parse("https://registry.example/simple/x/").unwrap();
        for html in [
            "<a",
            "<a ",
            "<a =",
            "<a = >",
            "<a href",
            "<a href='",
            "<a href=>x",
            "<<<a ><a\u{a0}é=é>",
            "",
        ] {
            let _ = to_json(html, &page);
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_page(html in "(<a |<A\\t|href|=|\"|'|>|&lt;|#sha256=|data-yanked| |é|[a-z/:.%]{0,6}){0,40}") {
            let page = Url::parse("https://registry.example/simple/x/").unwrap();
            let json = to_json(&html, &page);
            prop_assert!(serde_json::from_slice::<Value>(&json).unwrap()["files"].is_array());
        }
    }
}
