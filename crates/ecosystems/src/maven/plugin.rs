use roxmltree::{Document, Node};

/// Most goals of a plugin that are looked at.
const GOALS: usize = 200;

/// The descriptor of a plugin for Maven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    /// `group:artifact`.
    pub(super) name: String,
    pub(super) version: String,
    /// Goals, in its order.
    pub(super) goals: Vec<String>,
}

impl Plugin {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let document = Document::parse(&text).ok()?;
        let root = document.root_element();
        let name = format!(
            "{}:{}",
            text_of(root, "groupId")?,
            text_of(root, "artifactId")?
        );
        let version = text_of(root, "version")?;
        // What is not plain has no place on a command line.
        apa_model::PackageRef::new(apa_model::Ecosystem::Maven, &name, Some(&version)).ok()?;
        let goals = root
            .children()
            .filter(|node| node.tag_name().name() == "mojos")
            .flat_map(|mojos| mojos.children())
            .filter(|node| node.tag_name().name() == "mojo")
            .filter_map(|mojo| text_of(mojo, "goal"))
            .filter(|goal| is_goal(goal))
            .take(GOALS)
            .collect();
        Some(Self {
            name,
            version,
            goals,
        })
    }
}

fn is_goal(goal: &str) -> bool {
    goal.starts_with(|c: char| c.is_ascii_alphanumeric())
        && goal.len() <= 100
        && goal
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    let child = node
        .children()
        .find(|child| child.tag_name().name() == name)?;
    Some(child.text()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_read_and_odd_ones_are_not() {
        let xml = "<plugin><groupId>g</groupId><artifactId>a-maven-plugin</artifactId><version>1.0</version>
            <mojos><mojo><goal>go</goal></mojo><mojo><goal>-X</goal></mojo><mojo><goal>a b</goal></mojo></mojos></plugin>";
        let plugin = Plugin::parse(xml.as_bytes()).unwrap();
        assert_eq!(
            (plugin.name.as_str(), plugin.version.as_str()),
            ("g:a-maven-plugin", "1.0")
        );
        assert_eq!(plugin.goals, ["go"]);
        assert_eq!(Plugin::parse(b"<plugin/>"), None);
        let evil = xml.replace("<version>1.0", "<version>1.0 -Dx");
        assert_eq!(Plugin::parse(evil.as_bytes()), None);
    }
}
