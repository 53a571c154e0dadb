//! The fence around a recogniser process: after it no files, no network, no programs, and no end of memory.
//! What the kernel does not know is left out, and said so: the fence is a second wall, the process itself is the first.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, getpid, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// Memory that a decode may take beyond what the loaded model takes, bytes; all of them at least as much as the model itself.
/// Measured: 35 to 140 MB for tiny.en.
const DECODE_BYTES: u64 = 1 << 30;

/// System calls that a recogniser has no use for once its model is loaded.
const DENIED: &[i64] = &[
    // Files by name
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_truncate,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_chroot,
    // Network
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Programs and other processes
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    // Ways around: kernel interfaces that do all of the above, or have done more than they should
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_prlimit64,
];

/// The older names of some of them, which newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const DENIED_OLD: &[i64] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_fork,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_OLD: &[i64] = &[];

/// Puts the calling thread, and those that it starts, behind the fence for good; it has memory for `n_states` decodes at a
/// time. Says what does not hold here.
#[must_use]
pub fn enclose(n_states: NonZeroUsize) -> Vec<String> {
    let parts = [
        ("memory", limit_memory(n_states)),
        ("core dumps", limit(Resource::Core, 0)),
        ("landlock", deny_files_and_network()),
        ("seccomp", deny_system_calls()),
    ];
    let missing = parts.into_iter().filter_map(|(part, result)| Some((part, result.err()?)));
    missing.map(|(part, error)| format!("{part}: {error}")).collect()
}

/// The process may take twice its memory, or [`DECODE_BYTES`] a state more; then an allocation fails, and it aborts.
fn limit_memory(n_states: NonZeroUsize) -> Result<(), String> {
    // Pages of the whole address space come first: proc_pid_statm(5)
    let statm = fs::read_to_string("/proc/self/statm").map_err(|e| e.to_string())?;
    let n_pages = statm.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let n_pages = n_pages.ok_or_else(|| format!("/proc/self/statm says {statm:?}"))?;
    let bytes = n_pages.saturating_mul(rustix::param::page_size() as u64);
    let decodes = DECODE_BYTES.saturating_mul(n_states.get() as u64);
    limit(Resource::As, bytes.saturating_add(bytes.max(decodes)))
}

fn limit(resource: Resource, maximum: u64) -> Result<(), String> {
    let limit = Rlimit { current: Some(maximum), maximum: Some(maximum) };
    setrlimit(resource, limit).map_err(|e| e.to_string())
}

/// Nothing is allowed: pipes that are open stay open.
fn deny_files_and_network() -> Result<(), String> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V6))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .map_err(|e| e.to_string())?;
    match ruleset.restrict_self().map_err(|e| e.to_string())?.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel does not have it".to_owned()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

fn deny_system_calls() -> Result<(), String> {
    let filter = filter().map_err(|e| e.to_string())?;
    apply_filter(&filter).map_err(|e| e.to_string())
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let denied = DENIED.iter().chain(DENIED_OLD).map(|number| (*number, Vec::new()));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = denied.collect();
    // It may end itself, which is how `abort` works, and nobody else.
    let own = u64::from(getpid().as_raw_nonzero().get().unsigned_abs());
    let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![other])?]);
    let denial = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, denial, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_on_this_machine() {
        // Its effect is tested from outside: nothing takes a fence away again (server/tests/recognizer).
        assert!(filter().is_ok_and(|program| program.len() > DENIED.len()));
    }
}
