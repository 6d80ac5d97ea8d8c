//! What a shell says that runs nothing.

/// The prompt of an ordinary machine.
pub(super) const PROMPT: &str = "root@srv01:~# ";

/// The answer to one line; `None` when it ends the session.
pub(super) fn answer(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let mut said = String::new();
    // Several commands in a line are answered one after the other.
    for command in line
        .split([';', '\n'])
        .flat_map(|part| part.split("&&"))
        .take(16)
    {
        let mut words = command.split_whitespace();
        let Some(program) = words.next() else {
            continue;
        };
        let program = program.rsplit('/').next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        match program {
            "exit" | "logout" | "quit" => return None,
            "id" => said.push_str("uid=0(root) gid=0(root) groups=0(root)\r\n"),
            "whoami" => said.push_str("root\r\n"),
            "hostname" => said.push_str("srv01\r\n"),
            "pwd" => said.push_str("/root\r\n"),
            "uname" if rest.is_empty() => said.push_str("Linux\r\n"),
            "uname" => said.push_str(
                "Linux srv01 6.1.0-26-amd64 #1 SMP Debian 6.1.112-1 x86_64 GNU/Linux\r\n",
            ),
            "echo" => said.push_str(&format!("{}\r\n", rest.join(" ").replace(['\'', '"'], ""))),
            "nproc" => said.push_str("2\r\n"),
            // Programs that scan for devices ask it for an applet that is not there.
            "busybox" => said.push_str(&format!(
                "{}: applet not found\r\n",
                rest.first().unwrap_or(&"busybox")
            )),
            "cd" | "ls" | "cat" | "wget" | "curl" | "chmod" | "rm" | "mkdir" | "export" | "sh"
            | "bash" | "enable" | "system" | "shell" | "history" | "unset" | "sleep" | "true"
            | "set" | "stty" => {}
            other => said.push_str(&format!("-bash: {other}: command not found\r\n")),
        }
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_of_a_line_are_answered_in_order() {
        assert_eq!(
            answer(b"cd /tmp; id && /bin/busybox XYZ").unwrap(),
            "uid=0(root) gid=0(root) groups=0(root)\r\nXYZ: applet not found\r\n"
        );
        assert_eq!(
            answer(b"frob").unwrap(),
            "-bash: frob: command not found\r\n"
        );
        assert!(answer(b"id; exit").is_none());
    }

    proptest! {
        #[test]
        fn no_line_panics(line: Vec<u8>) {
            answer(&line);
        }
    }
}
