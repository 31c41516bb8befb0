/* The second names of calls: old programs, and libraries that avoid the application's namespace, use them. */
#include "real.h"

#include <fcntl.h>
#include <unistd.h>

#define CALL(...)
#define VCALL(...)
#define OWN(...)
#define ALIAS(type, name, params, other, args) \
	EXPORT type name params;               \
	type name params                       \
	{                                      \
		return other args;             \
	}
#include "calls.def"
