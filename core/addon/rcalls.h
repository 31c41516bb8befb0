/* The r-calls of librsocket.so, found when they are first asked for: most users of the addon open no socket. */
#pragma once

#include <rdma/rsocket.h>
#include <string>

struct rcalls {
	decltype(&::rsocket) rsocket;
	decltype(&::rbind) rbind;
	decltype(&::rlisten) rlisten;
	decltype(&::raccept4) raccept4;
	decltype(&::rconnect) rconnect;
	decltype(&::rshutdown) rshutdown;
	decltype(&::rclose) rclose;
	decltype(&::rrecv) rrecv;
	decltype(&::rsend) rsend;
	decltype(&::rsendmsg) rsendmsg;
	decltype(&::rgetpeername) rgetpeername;
	decltype(&::rgetsockname) rgetsockname;
	decltype(&::rgetsockopt) rgetsockopt;
	decltype(&::rsetsockopt) rsetsockopt;
	decltype(&::repoll_create) repoll_create;
	decltype(&::repoll_ctl) repoll_ctl;
	decltype(&::repoll_wait) repoll_wait;
};

/* Those of the library at PATH; of the first one asked for, for as long as the process lives. NULL: *ERROR says why there are none.
 * Any thread. */
const struct rcalls *rcalls_load(const char *path, std::string *error);
