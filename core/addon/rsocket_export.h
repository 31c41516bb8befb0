/* Rsockets as functions of JavaScript that never block. */
#pragma once

#include <napi.h>

void rsocket_export(Napi::Env env, Napi::Object exports);
