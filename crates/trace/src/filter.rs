//! The seccomp program that decides which calls the supervisor is asked about.
//!
//! Calls it does not name run at full speed. For those it names it may look at arguments that are plain
//! numbers; whatever needs the sample's memory is asked about. Every entry is one comparison followed by
//! its answer, so that no jump is longer than its block.

use libc::{c_long, sock_filter};

pub(crate) const ARCH_X86_64: u32 = 0xC000_003E;
const X32_BIT: u32 = 0x4000_0000;
const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const ABOVE_OR_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

/// Namespace bits of `clone` and `unshare`.
pub(crate) const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | 0x80) as u64;

/// Requests to `prctl` that the supervisor hears of.
pub(crate) const PRCTL_ASKED: &[i32] = &[
    libc::PR_SET_DUMPABLE,
    libc::PR_SET_SECCOMP,
    libc::PR_SET_MM,
    libc::PR_SET_PTRACER,
    libc::PR_SET_SECUREBITS,
    libc::PR_CAP_AMBIENT,
];

/// Refused with EPERM: they reach for the kernel, other namespaces, mounts or devices.
pub(crate) const FORBIDDEN: &[c_long] = &[
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    174, // create_module
    178, // query_module
    177, // get_kernel_syms
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_lookup_dcookie,
    libc::SYS_syslog,
    libc::SYS_nfsservctl,
    libc::SYS_uselib,
    libc::SYS_vserver,
    libc::SYS_fanotify_init,
    libc::SYS_vhangup,
    467, // open_tree_attr
];

/// Answered ENOSYS: programs then do the same by calls that can be seen.
pub(crate) const ABSENT: &[c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_clone3,
];

/// Always asked about.
const ASKED: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rmdir,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_chroot,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_connect,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_unshare,
    libc::SYS_seccomp,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
];

/// The filter's program, ready to be installed by [`crate::child::arm`].
#[derive(Clone)]
pub struct Filter {
    program: Vec<sock_filter>,
}

impl Filter {
    /// Builds the program. Recording every call needs no other one, because ptrace sees the calls that the filter lets
    /// pass.
    pub fn build() -> Filter {
        let mut program = Program::default();
        program.foreign_entry();
        for &number in FORBIDDEN.iter().chain(ABSENT).chain(ASKED) {
            program.call(number, &[ret(NOTIFY)]);
        }
        program.conditional_calls();
        program.0.push(ret(ALLOW));
        Filter { program: program.0 }
    }

    pub(crate) fn program(&self) -> &[sock_filter] {
        &self.program
    }
}

#[derive(Default)]
struct Program(Vec<sock_filter>);

impl Program {
    /// 32-bit and x32 entry (and the number −1) are asked about, whatever the call.
    fn foreign_entry(&mut self) {
        self.0.extend([
            load(OFFSET_ARCH),
            jump(EQUAL, ARCH_X86_64, 1, 0),
            ret(NOTIFY),
            load(OFFSET_NUMBER),
            jump(ABOVE_OR_EQUAL, X32_BIT, 0, 1),
            ret(NOTIFY),
        ]);
    }

    /// `body` decides about `number` and must end in a return.
    fn call(&mut self, number: c_long, body: &[sock_filter]) {
        let length = u8::try_from(body.len()).expect("a block is a few instructions long");
        self.0.push(jump(EQUAL, number as u32, 0, length));
        self.0.extend_from_slice(body);
    }

    fn conditional_calls(&mut self) {
        // A thread shares its folders with its process, which says nothing; another child that does so
        // could move its parent.
        let escapes = NAMESPACES as u32 | libc::CLONE_UNTRACED as u32;
        self.call(
            libc::SYS_clone,
            &[
                load(low(0)),
                jump(ANY_BIT, libc::CLONE_THREAD as u32, 1, 0),
                jump(ANY_BIT, escapes | libc::CLONE_FS as u32, 1, 2),
                jump(ANY_BIT, escapes, 0, 1),
                ret(NOTIFY),
                ret(ALLOW),
            ],
        );
        self.call(libc::SYS_sendto, &nonzero(4));
        for number in [libc::SYS_dup2, libc::SYS_dup3] {
            self.call(
                number,
                &[
                    load(low(1)),
                    jump(ABOVE_OR_EQUAL, 3, 1, 0),
                    ret(NOTIFY),
                    ret(ALLOW),
                ],
            );
        }
        self.call(
            libc::SYS_mmap,
            &[
                load(low(2)),
                jump(ANY_BIT, libc::PROT_EXEC as u32, 0, 3),
                load(low(3)),
                jump(ANY_BIT, libc::MAP_ANONYMOUS as u32, 0, 1),
                ret(NOTIFY),
                ret(ALLOW),
            ],
        );
        for number in [libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
            self.call(
                number,
                &[
                    load(low(2)),
                    jump(ANY_BIT, libc::PROT_EXEC as u32, 0, 1),
                    ret(NOTIFY),
                    ret(ALLOW),
                ],
            );
        }
        self.call(
            libc::SYS_personality,
            &[
                load(low(0)),
                jump(EQUAL, u32::MAX, 1, 0),
                ret(NOTIFY),
                ret(ALLOW),
            ],
        );
        self.call(libc::SYS_ioctl, &one_of(1, &[libc::TIOCSTI as u32, 0x541C]));
        let requests: Vec<u32> = PRCTL_ASKED.iter().map(|&request| request as u32).collect();
        self.call(libc::SYS_prctl, &one_of(0, &requests));
    }
}

fn load(offset: u32) -> sock_filter {
    statement(LOAD, offset)
}

fn ret(action: u32) -> sock_filter {
    statement(RETURN, action)
}

fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn jump(code: u16, k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code,
        jt: yes,
        jf: no,
        k,
    }
}

/// Offset of the low half of an argument.
fn low(argument: u32) -> u32 {
    OFFSET_ARGS + 8 * argument
}

/// Asks if a 64-bit argument is not zero.
fn nonzero(argument: u32) -> Vec<sock_filter> {
    vec![
        load(low(argument)),
        jump(EQUAL, 0, 0, 2),
        load(low(argument) + 4),
        jump(EQUAL, 0, 1, 0),
        ret(NOTIFY),
        ret(ALLOW),
    ]
}

/// Asks if the low half of an argument is one of `values`.
fn one_of(argument: u32, values: &[u32]) -> Vec<sock_filter> {
    let mut body = vec![load(low(argument))];
    for &value in values {
        body.push(jump(EQUAL, value, 0, 1));
        body.push(ret(NOTIFY));
    }
    body.push(ret(ALLOW));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn answer(arch: u32, number: u32, args: [u64; 6]) -> u32 {
        let filter = Filter::build();
        let mut data = [0u8; 64];
        data[..4].copy_from_slice(&number.to_le_bytes());
        data[4..8].copy_from_slice(&arch.to_le_bytes());
        for (index, value) in args.iter().enumerate() {
            data[16 + 8 * index..24 + 8 * index].copy_from_slice(&value.to_le_bytes());
        }
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = &filter.program[at];
            at += 1;
            let yes = match step.code {
                RETURN => return step.k,
                LOAD => {
                    let offset = step.k as usize;
                    accumulator = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
                    continue;
                }
                EQUAL => accumulator == step.k,
                ABOVE_OR_EQUAL => accumulator >= step.k,
                ANY_BIT => accumulator & step.k != 0,
                code => panic!("unknown instruction {code}"),
            };
            at += usize::from(if yes { step.jt } else { step.jf });
        }
    }

    fn asked(number: c_long, args: [u64; 6]) -> bool {
        answer(ARCH_X86_64, number as u32, args) == NOTIFY
    }

    #[test]
    fn hot_calls_pass_and_listed_calls_are_asked_about() {
        assert!(!asked(libc::SYS_read, [0; 6]));
        assert!(!asked(libc::SYS_futex, [0; 6]));
        assert!(!asked(libc::SYS_fork, [0; 6]));
        for &number in FORBIDDEN.iter().chain(ABSENT).chain(ASKED) {
            assert!(asked(number, [0; 6]), "{number}");
        }
    }

    #[test]
    fn foreign_entry_is_asked_about_whatever_the_call() {
        assert_eq!(answer(0x4000_0003, 3, [0; 6]), NOTIFY);
        assert_eq!(answer(ARCH_X86_64, X32_BIT, [0; 6]), NOTIFY);
        assert_eq!(answer(ARCH_X86_64, u32::MAX, [0; 6]), NOTIFY);
    }

    #[test]
    fn arguments_decide_where_they_are_numbers() {
        let cases: &[(c_long, [u64; 6], bool)] = &[
            (libc::SYS_clone, [17, 0, 0, 0, 0, 0], false),
            (libc::SYS_clone, [0x003d_0f00, 0, 0, 0, 0, 0], false),
            (
                libc::SYS_clone,
                [libc::CLONE_NEWUSER as u64 | 17, 0, 0, 0, 0, 0],
                true,
            ),
            (
                libc::SYS_clone,
                [libc::CLONE_UNTRACED as u64 | 17, 0, 0, 0, 0, 0],
                true,
            ),
            (
                libc::SYS_clone,
                [libc::CLONE_FS as u64 | 17, 0, 0, 0, 0, 0],
                true,
            ),
            (libc::SYS_sendto, [3, 0, 0, 0, 0, 0], false),
            (libc::SYS_sendto, [3, 0, 0, 0, 0x7f00_0000_0000, 16], true),
            (libc::SYS_sendto, [3, 0, 0, 0, 0x1000, 16], true),
            (libc::SYS_dup2, [5, 1, 0, 0, 0, 0], true),
            (libc::SYS_dup2, [5, 3, 0, 0, 0, 0], false),
            (libc::SYS_mmap, [0, 0, 5, 2, 3, 0], false),
            (libc::SYS_mmap, [0, 0, 7, 0x22, 0, 0], true),
            (libc::SYS_mmap, [0, 0, 3, 0x22, 0, 0], false),
            (libc::SYS_mprotect, [0, 0, 1, 0, 0, 0], false),
            (libc::SYS_mprotect, [0, 0, 5, 0, 0, 0], true),
            (libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0], false),
            (libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0], true),
            (libc::SYS_ioctl, [0, 0x5401, 0, 0, 0, 0], false),
            (libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0], true),
            (libc::SYS_prctl, [15, 0, 0, 0, 0, 0], false),
            (libc::SYS_prctl, [22, 2, 0, 0, 0, 0], true),
        ];
        for &(number, args, expected) in cases {
            assert_eq!(asked(number, args), expected, "{number} {args:x?}");
        }
    }

    #[test]
    fn program_fits_the_kernels_limit() {
        assert!(Filter::build().program().len() < 4096);
    }
}
