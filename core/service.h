/* The only thread of ours: it answers a peer that must ask for what the kernel would let nobody copy (place.h), and looks for those on other
 * hosts (far.h). The program's own threads may be in no call of ours for as long as they like. Made for the first such map or search of a
 * process, gone with the last connection that has one. All signals are blocked in it; a forked child has none, and makes its own when it needs one. */
#ifndef RS_SERVICE_H
#define RS_SERVICE_H

#include <stdbool.h>

struct iomap;

/* From now on the peer, on another host if FAR, is answered on FD about the maps of MAP; once is enough. 0; -ENOMEM: no thread, or too many
 * connections. */
int service_add(int fd, struct iomap *map, bool far);
/* The thread is there, and looks what there is to do. 0 or -ENOMEM. */
int service_run(void);
/* No more; when it returns nothing of MAP is being used. */
void service_remove(const struct iomap *map);

/* In a forked child. */
void service_forked(void);

#endif
