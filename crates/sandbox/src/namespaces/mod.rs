//! The back end `namespaces`: two nested user namespaces, everything else unshared, root on a bounded memory file system.

mod machine;
mod remains;
mod start;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use apa_model::Limits;

use crate::cgroup::Cgroups;
use crate::error::Doing;
use crate::guest::invent;
use crate::helper::{ProcessLimits, Setup};
use crate::ids::Ids;
use crate::launch::Helper;
use crate::leftovers::{Note, fresh_name};
use crate::watch::Watch;
use crate::{Backend, Sandbox, SandboxError, SandboxSpec, image};
use machine::NamespaceSandbox;
use remains::Remains;

const OPEN_FILES: u64 = 16_384;

/// The default back end: isolation by namespaces, with this program as the helper.
pub fn default_backend() -> Arc<dyn Backend> {
    static DEFAULT: LazyLock<Arc<dyn Backend>> =
        LazyLock::new(|| backend_with_helper("/proc/self/exe"));
    Arc::clone(&DEFAULT)
}

/// The default back end with another program as the helper; its `main` must call [`crate::run_helper_role`] first.
pub fn backend_with_helper(program: impl Into<std::path::PathBuf>) -> Arc<dyn Backend> {
    Arc::new(Namespaces {
        helper: Helper::new(program),
    })
}

struct Namespaces {
    helper: Helper,
}

impl Backend for Namespaces {
    fn name(&self) -> &'static str {
        "namespaces"
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let start = Instant::now();
        let name = fresh_name();
        let cgroups = Arc::new(Cgroups::create(&name, &spec.limits));
        let mut remains = Remains::of(Arc::clone(&cgroups));
        remains.note =
            Note::write(&name, &cgroups.folders()).doing("note the sandbox for clean-up")?;
        let ids = Ids::detect();
        let (mut guest, machine) = invent(spec.persona);
        if spec.ca_pem.is_some() {
            guest
                .env
                .push(("NODE_EXTRA_CA_CERTS".into(), image::AUTHORITY.into()));
        }
        let nodes = image::list(&guest, &machine, &spec);
        let setup = Setup {
            inner: ids.inner(guest.uid),
            uid: guest.uid,
            gid: guest.gid,
            groups: ids.many(),
            unprivileged: ids != Ids::Root,
            hostname: guest.hostname.clone(),
            mac: machine.mac,
            image: nodes,
            system_writable: spec.system_writable,
            disk_bytes: spec.limits.disk_bytes,
            inodes: spec.limits.inodes,
            limits: process_limits(&spec.limits, &cgroups),
        };
        let parts = start::start_helpers(&self.helper, setup, &ids, &mut remains)?;
        let output = Arc::new(AtomicBool::new(false));
        let watch = Watch::start(
            Arc::clone(&cgroups),
            parts.root,
            spec.limits.clone(),
            Arc::clone(&output),
        )
        .doing("watch the limits")?;
        Ok(Box::new(NamespaceSandbox {
            guest,
            limits: spec.limits,
            image: spec.image.name().to_owned(),
            system_writable: spec.system_writable,
            ids,
            cgroups,
            init: parts.init,
            network: Some(parts.network),
            output,
            watch,
            ready_ms: start.elapsed().as_millis() as u64,
            remains,
        }))
    }
}

fn process_limits(limits: &Limits, cgroups: &Cgroups) -> ProcessLimits {
    ProcessLimits {
        // With a control group that one counts, and reports; this is only a second line.
        processes: if cgroups.bounds_pids() {
            limits.pids * 2
        } else {
            limits.pids
        },
        file_bytes: limits.disk_bytes,
        open_files: OPEN_FILES,
        // Not the address space: runtimes reserve much of that and never use it.
        data_bytes: (!cgroups.bounds_memory()).then_some(limits.memory_bytes),
    }
}
