/* The reason table as data. */
#include "reason.h"

const struct reason_info reason_table[REASON_COUNT] = {
#define REASON(name, code, text, remedy) [REASON_##name] = {code, text, remedy},
#include "reason.def"
#undef REASON
};
