/* librsocket.so, opened at run time. */
#include <dlfcn.h>
#include <mutex>

#include "rcalls.h"

namespace
{

/* Neither has a destructor: threads may be under way when the process exits. */
std::mutex mutex;
const struct rcalls *loaded;

template <typename Call> bool find(void *library, const char *name, Call *call)
{
	*call = reinterpret_cast<Call>(dlsym(library, name));
	return *call != nullptr;
}

bool find_all(void *library, struct rcalls *calls)
{
	return find(library, "rsocket", &calls->rsocket) && find(library, "rbind", &calls->rbind) &&
	       find(library, "rlisten", &calls->rlisten) && find(library, "raccept4", &calls->raccept4) &&
	       find(library, "rconnect", &calls->rconnect) && find(library, "rshutdown", &calls->rshutdown) &&
	       find(library, "rclose", &calls->rclose) && find(library, "rrecv", &calls->rrecv) &&
	       find(library, "rsend", &calls->rsend) && find(library, "rsendmsg", &calls->rsendmsg) &&
	       find(library, "rgetpeername", &calls->rgetpeername) &&
	       find(library, "rgetsockname", &calls->rgetsockname) &&
	       find(library, "rgetsockopt", &calls->rgetsockopt) && find(library, "rsetsockopt", &calls->rsetsockopt) &&
	       find(library, "repoll_create", &calls->repoll_create) &&
	       find(library, "repoll_ctl", &calls->repoll_ctl) && find(library, "repoll_wait", &calls->repoll_wait);
}

} // namespace

const struct rcalls *rcalls_load(const char *path, std::string *error)
{
	std::lock_guard<std::mutex> lock(mutex);
	struct rcalls calls;
	void *library;

	if (loaded)
		return loaded;
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library || !find_all(library, &calls)) {
		*error = dlerror();
		return nullptr;
	}
	loaded = new struct rcalls(calls);
	return loaded;
}
