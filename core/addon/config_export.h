/* What rsconfig needs besides the tables: the grammar of rules, and directories that change places. */
#ifndef RS_CONFIG_EXPORT_H
#define RS_CONFIG_EXPORT_H

#include <napi.h>

void config_export(Napi::Env env, Napi::Object exports);

#endif
