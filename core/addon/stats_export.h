/* What a process tells of its connections, as objects of JavaScript. */
#pragma once

#include <napi.h>

struct stats_conn;

Napi::Object stats_connection_new(Napi::Env env, const struct stats_conn &conn);
void stats_export(Napi::Env env, Napi::Object exports);
