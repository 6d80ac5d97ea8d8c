//! Real sandboxes. This program is its own helper, hence no standard harness.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
use apa_sandbox::*;
use std::time::{Duration, Instant};
fn main() {
    run_helper_role();
    let backend = default_backend();
    for _ in 0..1 {
        let t = Instant::now();
        let mut s = match backend.create(SandboxSpec::default()) {
            Ok(s) => s,
            Err(e) => {
                println!("{e} {e:?}");
                return;
            }
        };
        println!("ready {:?}", t.elapsed());
        let session = apa_sandbox::trace_shim::Session;
        let cwd = s.guest().project_dir.clone();
        let script = std::env::args().nth(1).unwrap_or("id; ls -la / ~; cat /proc/self/mountinfo; cat /proc/self/cgroup; cat /proc/self/status | grep -iE 'cap|nonew|uid'; ps aux; ip a; ip r; ls -l /proc/self/fd; ulimit -a".into());
        let t = Instant::now();
        let r = s.spawn(
            &Command {
                argv: vec!["bash".into(), "-c".into(), script],
                env: vec![],
                cwd,
                owner: apa_model::Owner::Manager,
                report: false,
                output_bytes: 1 << 20,
            },
            &session,
        );
        println!("spawn {:?}", t.elapsed());
        match r {
            Ok(r) => {
                r.traced.wait(Instant::now() + Duration::from_secs(20));
                println!("ran {:?}", t.elapsed());
                let o = r.output();
                println!("{}", o.tail.lossy());
            }
            Err(e) => println!("{e:?}"),
        }
        println!("{:?}", s.info());
        s.written(&mut |w, _| println!("{w:?}")).unwrap();
        println!("{:?}", s.limits_hit());
        println!("{:?}", s.destroy());
    }
}
