/* The grammar of rules for TypeScript. */
#ifndef RS_RULE_EXPORT_H
#define RS_RULE_EXPORT_H

#include <napi.h>

void rule_export(Napi::Env env, Napi::Object exports);

#endif
