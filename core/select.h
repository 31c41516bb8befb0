/* select(2) by poll. */
#ifndef RS_SELECT_H
#define RS_SELECT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/select.h>

/* Whether select_wait has anything to add to the kernel's select for these. */
bool select_special(int count, const fd_set *in, const fd_set *out, const fd_set *except);

/* select(2) and pselect(2): COUNT as given, sets NULL or of COUNT bits. TIMEOUT_NS FOREVER or >= 0. Bits set, or -errno; the sets are
 * written on success only. */
int select_wait(int count, fd_set *in, fd_set *out, fd_set *except, int64_t timeout_ns, const sigset_t *mask);

#endif
