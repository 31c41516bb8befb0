/* Tokens, and the right to copy. */
#include "reach.h"
#include "kernel.h"
#include "lock.h"
#include "process.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

static struct lock reach_lock;
static uint64_t token[2];
static uint32_t token_owner;
static uint32_t tracer, tracer_owner; /* whom yama lets in, and into which process */

const uint64_t *reach_token(void)
{
	lock_take(&reach_lock);
	if (token_owner != process_pid() && kernel_random(token, sizeof token))
		token_owner = process_pid();
	lock_drop(&reach_lock);
	return token_owner == process_pid() ? token : NULL;
}

static bool same_user(const struct ucred *peer)
{
	return peer->uid == (uint32_t)sys_call0(SYS_geteuid);
}

void reach_tell(struct wire_reach *reach, const struct ucred *peer)
{
	const uint64_t *t = same_user(peer) ? reach_token() : NULL;

	*reach = (struct wire_reach){.pid = process_pid()};
	if (!t)
		return;
	reach->token_at = (uint64_t)(uintptr_t)t;
	reach->token[0] = t[0];
	reach->token[1] = t[1];
}

void reach_let_in(const struct ucred *peer)
{
	if (peer->pid <= 0 || (uint32_t)peer->pid == process_pid() || !same_user(peer) ||
	    load_relaxed(&process_filtered))
		return;
	lock_take(&reach_lock);
	if (tracer_owner != process_pid() || tracer == (uint32_t)peer->pid ||
	    sys_call2(SYS_kill, tracer, 0) == -ESRCH) {
		tracer = (uint32_t)peer->pid;
		tracer_owner = process_pid();
		sys_call2(SYS_prctl, PR_SET_PTRACER, peer->pid);
	}
	lock_drop(&reach_lock);
}

static long read_there(uint32_t pid, uint64_t at, uint64_t there[2])
{
	struct iovec to = {there, 16}, from = {(void *)(uintptr_t)at, 16};

	return sys_call6(SYS_process_vm_readv, pid, (long)&to, 1, (long)&from, 1, 0);
}

/* A filter may forbid the call, or kill for it: a child finds out. */
static bool filter_allows(void)
{
	static int known; /* 1 it does, -1 not */
	uint64_t here[2], there[2];
	long child, status = 0;

	if (sys_call2(SYS_prctl, PR_GET_SECCOMP, 0) <= 0)
		return true;
	if (load_relaxed(&known))
		return load_relaxed(&known) > 0;
	child = sys_call5(SYS_clone, 0, 0, 0, 0, 0);
	if (child == 0) {
		long n = read_there(kernel_getpid(), (uint64_t)(uintptr_t)here, there);

		for (;;)
			sys_call1(SYS_exit_group, n == sizeof there ? 0 : 1);
	}
	if (child < 0)
		return false;
	while (sys_call4(SYS_wait4, child, &status, __WALL, NULL) == -EINTR)
		;
	store_relaxed(&known, (int)status == 0 ? 1 : -1);
	return (int)status == 0;
}

bool reach_probe(const struct wire_reach *reach, const struct ucred *peer)
{
	uint64_t there[2];

	/* A pid that it does not know itself by is of another pid namespace; so would those in its table be. */
	if (!same_user(peer) || reach->pid != (uint32_t)peer->pid || !reach->token_at ||
	    load_relaxed(&process_filtered) || !filter_allows())
		return false;
	return read_there(reach->pid, reach->token_at, there) == sizeof there && there[0] == reach->token[0] &&
	       there[1] == reach->token[1];
}

void reach_forked(void)
{
	reach_lock.word = 0;
}
