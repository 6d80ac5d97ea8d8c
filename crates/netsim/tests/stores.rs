//! Databases, directories, brokers and the rest, by real clients.
#![allow(clippy::unwrap_used)]

mod common;

use apa_model::Protocol;
use common::{SECRET, Simulation, extracted, simulate, simulate_port, stdout, summaries};

async fn shell(sim: &Simulation, command: &str) -> Option<String> {
    let output = sim.client("sh", &["-c", command]).await?;
    Some(stdout(&output))
}

/// Probes X1, T9.
#[tokio::test(flavor = "multi_thread")]
async fn psql_logs_in_asks_and_copies_rows_in_the_clear_and_in_tls() {
    for (mode, tls) in [("disable", false), ("require", true)] {
        let sim = simulate_port(5432);
        let address = format!(
            "postgresql://kim:hunter2@127.0.0.1:{}/shop?sslmode={mode}",
            sim.tcp.port()
        );
        let input = format!(
            "select version();\nselect 42;\ninsert into t values ('{SECRET}');\nselect * from users;\n\\copy t from pstdin\nrow one\n\\.\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("in.sql");
        std::fs::write(&file, input).unwrap();
        let Some(output) = sim
            .client(
                "psql",
                &["-X", "-A", "-t", &address, "-f", file.to_str().unwrap()],
            )
            .await
        else {
            return;
        };
        let text = stdout(&output);
        assert!(
            text.starts_with("PostgreSQL 16.4")
                && text.contains("\n42\n")
                && text.contains("INSERT 0 1"),
            "{text}"
        );
        let (result, _) = sim.finish().await;
        let flow = result.flows.last().unwrap();
        assert_eq!(
            (flow.protocol, flow.layers.contains(&"tls".to_owned())),
            (Protocol::Postgres, tls)
        );
        assert_eq!(extracted(flow, "password"), ["hunter2"]);
        assert_eq!(extracted(flow, "database"), ["shop"]);
        assert_eq!(flow.canary_hits.len(), 1);
        assert!(
            summaries(flow).contains(&"select 42;".to_owned()),
            "{:?}",
            summaries(flow)
        );
    }
}

/// Probes X1, R2, T9.
#[tokio::test(flavor = "multi_thread")]
async fn mysql_logs_in_and_asks_in_the_clear_and_in_tls() {
    for (more, tls) in [("--skip-ssl", false), ("--ssl", true)] {
        let sim = simulate_port(3306);
        let port = format!("-P{}", sim.tcp.port());
        let statement = format!("select version(); insert into t values ('{SECRET}'); select 42;");
        let arguments = [
            "-h127.0.0.1",
            &port,
            "-ukim",
            "-phunter2",
            more,
            "-N",
            "-e",
            &statement,
            "shop",
        ];
        let Some(output) = sim.client("mysql", &arguments).await else {
            return;
        };
        let text = stdout(&output);
        assert!(
            text.starts_with("8.0.39") && text.ends_with("42\n"),
            "{text}"
        );
        let (result, _) = sim.finish().await;
        let flow = &result.flows[0];
        assert_eq!(
            (flow.protocol, flow.layers.contains(&"tls".to_owned())),
            (Protocol::Mysql, tls)
        );
        assert_eq!(
            (extracted(flow, "user"), extracted(flow, "database")),
            (vec!["kim".to_owned()], vec!["shop".to_owned()])
        );
        assert_eq!(extracted(flow, "scramble")[0].len(), 40);
        assert_eq!(flow.canary_hits.len(), 1);
    }
}

/// Probe X1.
#[tokio::test(flavor = "multi_thread")]
async fn redis_cli_logs_in_and_stores_a_value() {
    let sim = simulate_port(6379);
    let command = format!(
        "printf 'set k \"{SECRET}\"\\nget k\\nconfig get dir\\nslaveof 192.0.2.1 6379\\n' | redis-cli -p {} -a hunter2 --no-auth-warning",
        sim.tcp.port()
    );
    let Some(text) = shell(&sim, &command).await else {
        return;
    };
    assert_eq!(text, format!("OK\n{SECRET}\ndir\n/var/lib/redis\nOK\n"));
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.protocol, Protocol::Redis);
    assert_eq!(extracted(flow, "password"), ["hunter2"]);
    assert_eq!(flow.canary_hits.len(), 1);
}

/// Probes X1, T9.
#[tokio::test(flavor = "multi_thread")]
async fn ldapsearch_binds_and_searches_in_the_clear_and_in_tls() {
    for more in ["", "-ZZ"] {
        let sim = simulate();
        let command = format!(
            "LDAPTLS_CACERT={} ldapsearch -x {more} -H ldap://127.0.0.1:{} -D cn=kim,dc=shop -w hunter2 -b dc=shop '(uid=*)'",
            sim.ca_file().display(),
            sim.tcp.port()
        );
        let Some(text) = shell(&sim, &command).await else {
            return;
        };
        assert!(
            text.contains("dn: dc=shop") && text.contains("result: 0 Success"),
            "{text}"
        );
        let (result, _) = sim.finish().await;
        let flow = &result.flows[0];
        assert_eq!(flow.protocol, Protocol::Ldap);
        assert_eq!(flow.layers.contains(&"tls".to_owned()), !more.is_empty());
        assert_eq!(extracted(flow, "password"), ["hunter2"]);
    }
}

/// Probe X1.
#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_publishes_with_every_assurance_and_version() {
    for (version, assurance) in [("311", "0"), ("311", "1"), ("5", "2")] {
        let sim = simulate();
        let port = sim.tcp.port().to_string();
        let arguments = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            version,
            "-q",
            assurance,
            "-u",
            "kim",
            "-P",
            "hunter2",
            "-t",
            "loot/1",
            "-m",
            SECRET,
        ];
        let Some(output) = sim.client("mosquitto_pub", &arguments).await else {
            return;
        };
        stdout(&output);
        let (result, blobs) = sim.finish().await;
        let flow = &result.flows[0];
        assert_eq!(flow.protocol, Protocol::Mqtt);
        assert_eq!(
            (extracted(flow, "password"), extracted(flow, "topic")),
            (vec!["hunter2".to_owned()], vec!["loot/1".to_owned()])
        );
        let published = flow.messages.iter().find(|m| m.body.is_some()).unwrap();
        assert_eq!(
            blobs.get(&published.body),
            SECRET.as_bytes(),
            "{version} {assurance}"
        );
        assert_eq!(flow.canary_hits.len(), 1);
    }
}

/// Probe X1.
#[tokio::test(flavor = "multi_thread")]
async fn a_driver_of_mongodb_is_greeted_and_its_commands_are_kept() {
    let sim = simulate();
    let script = format!(
        "import pymongo\nc=pymongo.MongoClient('127.0.0.1',{},serverSelectionTimeoutMS=5000)\nprint(c.admin.command('ping')['ok'], c.shop.loot.insert_one({{'t':'{SECRET}'}}).acknowledged)",
        sim.tcp.port()
    );
    if sim
        .client("/usr/bin/python3", &["-c", "import pymongo"])
        .await
        .is_none_or(|output| !output.status.success())
    {
        eprintln!("SKIPPED: pymongo is not installed");
        return;
    }
    let output = sim
        .client("/usr/bin/python3", &["-c", &script])
        .await
        .unwrap();
    assert_eq!(stdout(&output), "1.0 True\n");
    let (result, _) = sim.finish().await;
    assert!(
        result
            .flows
            .iter()
            .all(|flow| flow.protocol == Protocol::Mongodb)
    );
    let said: Vec<String> = result.flows.iter().flat_map(summaries).collect();
    assert!(
        said.contains(&"ping".to_owned()) && said.contains(&"insert loot".to_owned()),
        "{said:?}"
    );
    assert_eq!(
        result
            .flows
            .iter()
            .map(|flow| flow.canary_hits.len())
            .sum::<usize>(),
        1
    );
}

/// Probe X1.
#[tokio::test(flavor = "multi_thread")]
async fn git_over_its_own_protocol_is_refused_and_its_repository_noted() {
    let sim = simulate();
    let url = format!("git://127.0.0.1:{}/team/tool.git", sim.tcp.port());
    let Some(output) = sim.client("git", &["ls-remote", &url]).await else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("access denied or repository not exported: /team/tool.git"),
        "{text}"
    );
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows[0].protocol, Protocol::Git);
    assert_eq!(
        summaries(&result.flows[0]),
        ["git-upload-pack /team/tool.git"]
    );
}

/// Probe X3.
#[tokio::test(flavor = "multi_thread")]
async fn miners_get_a_job_over_plain_connections_and_tls() {
    for how in [
        "nc -w 2 127.0.0.1 PORT",
        "(timeout 3 openssl s_client -quiet -connect 127.0.0.1:PORT 2>/dev/null; true)",
    ] {
        let sim = simulate();
        let client = how.replace("PORT", &sim.tcp.port().to_string());
        let login = r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"4BxWallet","pass":"x","agent":"XMRig/6.21","algo":["rx/0"]}}"#;
        let Some(text) = shell(&sim, &format!("(echo '{login}'; sleep 1) | {client}")).await else {
            return;
        };
        assert!(
            text.contains("\"job_id\"") && text.contains("\"status\":\"OK\""),
            "{text}"
        );
        let (result, _) = sim.finish().await;
        let flow = &result.flows[0];
        assert_eq!(flow.protocol, Protocol::Stratum);
        assert_eq!(
            (extracted(flow, "wallet"), extracted(flow, "agent")),
            (vec!["4BxWallet".to_owned()], vec!["XMRig/6.21".to_owned()])
        );
    }
}

/// Probes X1, R2.
#[tokio::test(flavor = "multi_thread")]
async fn telnet_is_asked_for_a_password_and_given_a_shell_that_runs_nothing() {
    let sim = simulate_port(23);
    let command = format!(
        "(sleep 1; printf 'root\\n'; sleep 0.3; printf 'hunter2\\n'; sleep 0.3; printf 'id\\n'; sleep 0.3; printf 'exit\\n'; sleep 0.5) | telnet 127.0.0.1 {}; true",
        sim.tcp.port()
    );
    let Some(text) = shell(&sim, &command).await else {
        return;
    };
    assert!(
        text.contains("login:") && text.contains("uid=0(root)"),
        "{text}"
    );
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(
        (flow.protocol, extracted(flow, "password")),
        (Protocol::Telnet, vec!["hunter2".to_owned()])
    );
    assert_eq!(summaries(flow), ["login", "id", "exit"]);
}

/// Probes N3, R2.
#[tokio::test(flavor = "multi_thread")]
async fn the_small_services_answer_as_their_standards_say() {
    for (port, input, expected) in [
        (7, "hello", "hello"),
        (9, "hello", ""),
        (13, "", "-UTC\r\n"),
        (17, "", "Robert Frost"),
        (19, "", " !\"#$%&'()*+"),
        (79, "kim\\r\\n", "Login: kim"),
        (113, "6193, 23\\r\\n", "6193, 23 : USERID : UNIX : root"),
        (514, "<13>Nov 24 x: hello\\n", ""),
    ] {
        let sim = simulate_port(port);
        let command = format!(
            "(printf '{input}'; sleep 1) | nc -N -w 3 127.0.0.1 {}",
            sim.tcp.port()
        );
        let Some(text) = shell(&sim, &command).await else {
            return;
        };
        assert!(
            text.contains(expected) && text.is_empty() == expected.is_empty(),
            "{port}: {text}"
        );
        let (result, _) = sim.finish().await;
        let expected = if port == 514 {
            Protocol::Syslog
        } else {
            Protocol::Simple
        };
        assert_eq!(result.flows[0].protocol, expected, "{port}");
    }
}

/// Probe R1.
#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_first_on_any_port_and_is_nothing_known_is_taken_in() {
    let sim = simulate();
    let command = format!(
        "printf 'BEACON {SECRET}' | nc -N -w 3 127.0.0.1 {}",
        sim.tcp.port()
    );
    let Some(text) = shell(&sim, &command).await else {
        return;
    };
    assert_eq!(text, "");
    let (result, _) = sim.finish().await;
    assert_eq!(
        (result.flows[0].protocol, result.flows[0].canary_hits.len()),
        (Protocol::Raw, 1)
    );
}

/// Probe X1.
#[tokio::test(flavor = "multi_thread")]
async fn ssh_logs_in_with_a_password_runs_a_command_and_sends_a_file() {
    let sim = simulate_port(22);
    let options = format!(
        "-p {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o PubkeyAuthentication=no -F none root@127.0.0.1",
        sim.tcp.port()
    );
    let ssh = format!("sshpass -p hunter2 ssh {options}");
    let Some(text) = shell(&sim, &format!("{ssh} 'id; uname' </dev/null")).await else {
        return;
    };
    assert_eq!(text, "uid=0(root) gid=0(root) groups=0(root)\nLinux\n");
    shell(&sim, &format!("echo {SECRET} | {ssh} 'cat > /tmp/x'"))
        .await
        .unwrap();
    let typed = shell(&sim, &format!("printf 'whoami\\nexit\\n' | {ssh}"))
        .await
        .unwrap();
    assert!(typed.contains("root"), "{typed}");
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(
        (flow.protocol, extracted(flow, "password")),
        (Protocol::Ssh, vec!["hunter2".to_owned()])
    );
    assert_eq!(summaries(flow), ["login", "id; uname"]);
    assert_eq!(result.flows[1].canary_hits.len(), 1);
}
