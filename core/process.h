/* This process: who it is, and how it came to be: fork, exec, exit. */
#ifndef RS_PROCESS_H
#define RS_PROCESS_H

#include "barrier.h"

#include <stdbool.h>
#include <stdint.h>

/* Our pid; cached, right in every child that fork made. In a vfork child it is the parent's: see process_is_us. */
uint32_t process_pid(void);
/* A random name of this process, 128 bits; new in a forked child. */
const uint64_t *process_name(void);

/* False in a vfork child, which runs in our memory but has descriptors of its own: nothing it does to them is ours to know. */
bool process_is_us(void);

/* A page that the kernel empties in every child with memory of its own, whatever made it: clone() behind libc's back included. */
struct process_mark {
	uint32_t alive;
};
extern struct process_mark *process_mark;

static inline bool process_forked_unseen(void)
{
	return !process_mark->alive;
}

/* For a process that has no hooks around exec: from now on its forked family can tell that a pid lives on as another program. */
void process_watch_exec(void);
/* Whether PID, one of the family, ended or, as far as that is watched, executes something else. */
bool process_gone(uint32_t pid);

/* The child's part of a fork that ran no handlers. */
void process_notice_fork(void);

/* Around fork, from pthread_atfork or an interposer; parent's CHILD as conn_fork_parent. */
void process_fork_prepare(void);
void process_fork_parent(int32_t child);
void process_fork_child(void);

/* After a fork whose handlers could not know: the child's pid, 0 if it failed. */
void process_child_known(uint32_t child);

/* Connections end as the kernel would end them: at exit, when other libraries' destructors may still use them, and at _exit. */
void process_exit(void);
void process_end(void);
extern bool process_exiting;

/* A system-call filter was installed or inherited: no further promotions, no system call that the program would not make. */
extern bool process_filtered;

/* A thread went to another network namespace: what ends meet and wake each other by is in more than one. No further promotions. */
extern bool process_moved;

/* Once, before anything else of the engine. */
void process_init(void);
/* The first call of ours may have come before libc knew its environment: reads it if so. By a constructor. */
void process_configure(void);

#endif
