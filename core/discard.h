/* Descriptors that strangers sent, and whose close may wait. */
#ifndef RS_DISCARD_H
#define RS_DISCARD_H

#include <stdbool.h>

/* Closes FD, or has it closed. */
void discard_fd(int fd);
/* Whether COUNT more of them might have to be waited for. */
bool discard_full(unsigned count);
/* In a forked child. */
void discard_forked(void);

#endif
