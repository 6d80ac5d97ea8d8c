use roxmltree::{Document, Node};

/// Most goals of a plugin that are looked at.
const GOALS: usize = 200;
/// Most properties of a goal that are set.
const PROPERTIES: usize = 20;

/// The descriptor of a plugin for Maven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    /// `group:artifact`.
    pub(super) name: String,
    pub(super) version: String,
    /// Goals, in its order.
    pub(super) goals: Vec<Goal>,
}

/// One goal of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) name: String,
    /// Properties that it cannot do without, each with a value of its type.
    pub(super) properties: Vec<(String, &'static str)>,
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
        let goals = list(root, "mojos", "mojo")
            .filter_map(Goal::of)
            .take(GOALS)
            .collect();
        Some(Self {
            name,
            version,
            goals,
        })
    }
}

impl Goal {
    fn of(mojo: Node<'_, '_>) -> Option<Self> {
        let name = text_of(mojo, "goal").filter(|goal| is_plain(goal))?;
        let required = list(mojo, "parameters", "parameter")
            .filter(|parameter| text_of(*parameter, "required").as_deref() == Some("true"));
        let properties = required
            .filter_map(|parameter| property(mojo, parameter))
            .take(PROPERTIES)
            .collect();
        Some(Self { name, properties })
    }
}

/// The property that sets a parameter without a default, and something for it.
fn property(mojo: Node<'_, '_>, parameter: Node<'_, '_>) -> Option<(String, &'static str)> {
    let name = text_of(parameter, "name")?;
    let configuration = mojo
        .children()
        .find(|child| child.tag_name().name() == "configuration")?;
    let value = configuration
        .children()
        .find(|child| child.tag_name().name() == name)?;
    if value.has_attribute("default-value") {
        return None;
    }
    let property = value.text()?.trim();
    let property = property.strip_prefix("${")?.strip_suffix('}')?;
    let kind = text_of(parameter, "type").unwrap_or_default();
    let something = match kind.rsplit('.').next().unwrap_or_default() {
        "boolean" | "Boolean" => "true",
        "int" | "Integer" | "long" | "Long" | "short" | "float" | "double" => "1",
        "File" | "Path" => "target",
        _ => "example",
    };
    (is_plain(property) && !property.starts_with("project."))
        .then(|| (property.to_owned(), something))
}

fn list<'a, 'i>(
    node: Node<'a, 'i>,
    outer: &'static str,
    inner: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |child| child.tag_name().name() == outer)
        .flat_map(|outer| outer.children())
        .filter(move |child| child.tag_name().name() == inner)
}

fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 100
        && text
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
        let goals: Vec<_> = plugin.goals.iter().map(|goal| &goal.name).collect();
        assert_eq!(goals, ["go"]);
        assert_eq!(Plugin::parse(b"<plugin/>"), None);
        let evil = xml.replace("<version>1.0", "<version>1.0 -Dx");
        assert_eq!(Plugin::parse(evil.as_bytes()), None);
    }

    #[test]
    fn what_a_goal_cannot_do_without_gets_a_value() {
        let xml = "<plugin><groupId>g</groupId><artifactId>a</artifactId><version>1</version><mojos><mojo><goal>go</goal>
            <parameters><parameter><name>exe</name><type>java.io.File</type><required>true</required></parameter>
              <parameter><name>set</name><type>int</type><required>true</required></parameter>
              <parameter><name>odd</name><type>int</type><required>true</required></parameter>
              <parameter><name>free</name><type>int</type><required>false</required></parameter></parameters>
            <configuration><exe>${exec.file}</exe><set default-value=\"2\">${set}</set><odd>${a b}</odd><free>${free}</free>
            </configuration></mojo></mojos></plugin>";
        let plugin = Plugin::parse(xml.as_bytes()).unwrap();
        assert_eq!(
            plugin.goals[0].properties,
            [("exec.file".to_owned(), "target")]
        );
    }
}
