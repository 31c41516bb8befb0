/* Why a connection is carried the way it is. */
#ifndef RS_REASON_H
#define RS_REASON_H

enum reason {
#define REASON(name, code, text, remedy) REASON_##name,
#include "reason.def"
#undef REASON
	REASON_COUNT
};

struct reason_info {
	const char *code, *text, *remedy;
};

extern const struct reason_info reason_table[REASON_COUNT];

#endif
