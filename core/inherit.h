/* Bytes that were received but not read, handed to the program that replaces this one. The connection itself is back on
 * TCP by then; what its ring still held goes along in a memfd, named in the environment, and is read before TCP goes on. */
#ifndef RS_INHERIT_H
#define RS_INHERIT_H

#include "conn.h"

#define INHERIT_VARIABLE "RSOCKET_INHERIT"
#define INHERIT_SIZE 1024

/* Appends to TEXT (INHERIT_SIZE bytes, a string) what the next program needs to find C's bytes: "MEMFD:FD,FD;".
 * The memfd survives exec. 0 or -errno. */
int inherit_pack(struct conn *c, char *text);
/* exec failed: closes the memfds that TEXT names. */
void inherit_undo(const char *text);
/* In the new program, from its environment; TEXT may be anything. */
void inherit_unpack(const char *text);

#endif
