/* What TypeScript sees of the core: its tables, the report file, the start of a program, rsockets. Typed in cli/native.ts.
 * Paths, arguments and environment cross as "raw" strings: one character a byte, so that no encoding is lost. */
#include <cstring>
#include <dlfcn.h>
#include <napi.h>
#include <string>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <vector>

#include "config_export.h"
#include "launch.h"
#include "rsocket_export.h"
#include "stats_export.h"

#define _Static_assert static_assert
extern "C" {
#include "config.h"
#include "reason.h"
#include "stats.h"
}

namespace
{

std::string raw_get(const Napi::Value &value)
{
	size_t length = 0;
	napi_status status = napi_get_value_string_latin1(value.Env(), value, nullptr, 0, &length);

	if (status != napi_ok)
		throw Napi::TypeError::New(value.Env(), "expected a string");
	std::string raw(length, '\0');
	napi_get_value_string_latin1(value.Env(), value, raw.data(), length + 1, &length);
	return raw;
}

/* ERROR is -errno. */
Napi::Error system_error(Napi::Env env, int error, const char *call)
{
	Napi::Error exception = Napi::Error::New(env, std::string(call) + ": " + strerror(-error));

	exception.Set("errno", static_cast<double>(error));
	exception.Set("code", strerrorname_np(-error));
	return exception;
}

class RawList
{
public:
	explicit RawList(const Napi::Value &value)
	{
		const Napi::Array array = value.As<Napi::Array>();

		for (uint32_t i = 0; i < array.Length(); i++)
			strings_.push_back(raw_get(array.Get(i)));
		for (std::string &string : strings_)
			pointers_.push_back(string.data());
		pointers_.push_back(nullptr);
	}
	char *const *data() const { return pointers_.data(); }

private:
	std::vector<std::string> strings_;
	std::vector<char *> pointers_;
};

std::vector<int> numbers_get(const Napi::Value &value)
{
	const Napi::Array array = value.As<Napi::Array>();
	std::vector<int> numbers;

	for (uint32_t i = 0; i < array.Length(); i++)
		numbers.push_back(array.Get(i).As<Napi::Number>().Int32Value());
	return numbers;
}

sigset_t signals_get(const Napi::Value &value)
{
	sigset_t set;

	sigemptyset(&set);
	for (int number : numbers_get(value))
		sigaddset(&set, number);
	return set;
}

struct inherited inherited_get(const Napi::Value &value)
{
	const Napi::Object object = value.As<Napi::Object>();
	const Napi::Value nofile = object.Get("openFilesSoft");

	return {
		signals_get(object.Get("ignoredSignals")),
		signals_get(object.Get("blockedSignals")),
		numbers_get(object.Get("descriptors")),
		nofile.IsNumber() ? static_cast<long>(nofile.As<Napi::Number>().Int64Value()) : -1,
	};
}

Napi::Value options(const Napi::CallbackInfo &info)
{
	Napi::Array table = Napi::Array::New(info.Env());

	for (uint32_t i = 0; i < option_count; i++) {
		const struct option_info &option = option_table[i];
		Napi::Object row = Napi::Object::New(info.Env());

		row.Set("name", option.name);
		row.Set("unit", option.unit);
		row.Set("default", static_cast<double>(option.deflt));
		row.Set("min", static_cast<double>(option.min));
		row.Set("max", static_cast<double>(option.max));
		row.Set("values", option.values);
		row.Set("isOfConnection", option.scope == SCOPE_CONNECTION);
		row.Set("help", option.help);
		table.Set(i, row);
	}
	return table;
}

/* (name, text): the number, or the name of an errno. */
Napi::Value option_parse_value(const Napi::CallbackInfo &info)
{
	const struct option_info *option = option_find(raw_get(info[0]).c_str());
	long value = 0;
	int error = option ? option_parse(option, raw_get(info[1]).c_str(), &value) : -ENOENT;

	if (error != 0)
		return Napi::String::New(info.Env(), strerrorname_np(-error));
	return Napi::Number::New(info.Env(), static_cast<double>(value));
}

Napi::Value reasons(const Napi::CallbackInfo &info)
{
	Napi::Array table = Napi::Array::New(info.Env());

	for (uint32_t i = 0; i < REASON_COUNT; i++) {
		Napi::Object row = Napi::Object::New(info.Env());

		row.Set("code", reason_table[i].code);
		row.Set("text", reason_table[i].text);
		row.Set("remedy", reason_table[i].remedy);
		table.Set(i, row);
	}
	return table;
}

/* What the preload does about each function of libc that takes or makes descriptors: written once, in preload. */
struct call {
	const char *name, *kind, *why;
};

#define CALL(type, name, ...) {#name, "mapped", ""},
#define VCALL(type, name, ...) {#name, "mapped", ""},
#define OWN(type, name, ...) {#name, "mapped", ""},
#define ALIAS(type, name, ...) {#name, "mapped", ""},
#define KERNEL(name, why) {#name, "kernel", why},
#define UNSEEN(name, why) {#name, "unseen", why},
const struct call call_table[] = {
#include "../../preload/calls.def"
#include "../../preload/left_out.def"
};
#undef CALL
#undef VCALL
#undef OWN
#undef ALIAS
#undef KERNEL
#undef UNSEEN

Napi::Value calls(const Napi::CallbackInfo &info)
{
	Napi::Array table = Napi::Array::New(info.Env());

	for (const struct call &call : call_table) {
		Napi::Object row = Napi::Object::New(info.Env());

		row.Set("name", call.name);
		row.Set("kind", call.kind);
		row.Set("why", call.why);
		table.Set(table.Length(), row);
	}
	return table;
}

/* {error} or {devices}: the names of the RDMA devices that libibverbs, opened here, knows. */
Napi::Value verbs_devices(const Napi::CallbackInfo &info)
{
	Napi::Object result = Napi::Object::New(info.Env());
	void *library = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		result.Set("error", std::string(dlerror()));
		return result;
	}
	auto list_get = reinterpret_cast<void **(*)(int *)>(dlsym(library, "ibv_get_device_list"));
	auto list_free = reinterpret_cast<void (*)(void **)>(dlsym(library, "ibv_free_device_list"));
	auto name = reinterpret_cast<const char *(*)(void *)>(dlsym(library, "ibv_get_device_name"));
	int count = 0;
	void **list = list_get && list_free && name ? list_get(&count) : nullptr;
	Napi::Array devices = Napi::Array::New(info.Env());

	for (int i = 0; list && i < count; i++)
		devices.Set(static_cast<uint32_t>(i), name(list[i]));
	if (list)
		list_free(list);
	dlclose(library);
	result.Set("devices", devices);
	return result;
}

/* (path, capacity) */
void stats_create(const Napi::CallbackInfo &info)
{
	int error = stats_file_create(raw_get(info[0]).c_str(), info[1].As<Napi::Number>().Uint32Value());

	if (error != 0)
		throw system_error(info.Env(), error, "stats_file_create");
}

/* (path, capacity): {connections, dropped} */
Napi::Value stats_read(const Napi::CallbackInfo &info)
{
	std::vector<struct stats_conn> records(info[1].As<Napi::Number>().Uint32Value());
	uint32_t dropped = 0;
	ssize_t count = stats_file_read(raw_get(info[0]).c_str(), records.data(), records.size(), &dropped);

	if (count < 0)
		throw system_error(info.Env(), static_cast<int>(count), "stats_file_read");
	Napi::Array connections = Napi::Array::New(info.Env(), static_cast<size_t>(count));
	for (uint32_t i = 0; i < count; i++)
		connections.Set(i, stats_connection_new(info.Env(), records[i]));
	Napi::Object report = Napi::Object::New(info.Env());
	report.Set("connections", connections);
	report.Set("dropped", dropped);
	return report;
}

/* (path): whether the file carries capabilities. */
Napi::Value has_capabilities(const Napi::CallbackInfo &info)
{
	return Napi::Boolean::New(info.Env(),
				  getxattr(raw_get(info[0]).c_str(), "security.capability", nullptr, 0) > 0);
}

/* (path, argv, env, inherited): returns only by throwing. */
void exec(const Napi::CallbackInfo &info)
{
	const std::string path = raw_get(info[0]);
	const RawList argv(info[1]), env(info[2]);
	const struct inherited inherited = inherited_get(info[3]);

	throw system_error(info.Env(), launch_exec(path.c_str(), argv.data(), env.data(), &inherited), "execve");
}

/* (path, argv, env, inherited): {code} or {signal} */
Napi::Value spawn_wait(const Napi::CallbackInfo &info)
{
	const std::string path = raw_get(info[0]);
	const RawList argv(info[1]), env(info[2]);
	const struct inherited inherited = inherited_get(info[3]);
	Napi::Object result = Napi::Object::New(info.Env());
	int status = 0;
	int error = launch_wait(path.c_str(), argv.data(), env.data(), &inherited, &status);

	if (error != 0)
		throw system_error(info.Env(), error, "execve");
	if (WIFSIGNALED(status))
		result.Set("signal", WTERMSIG(status));
	else
		result.Set("code", WEXITSTATUS(status));
	return result;
}

void relay_begin(const Napi::CallbackInfo &)
{
	launch_relay_begin();
}

void relay_end(const Napi::CallbackInfo &)
{
	launch_relay_end();
}

/* (signal) */
void die(const Napi::CallbackInfo &info)
{
	launch_die(info[0].As<Napi::Number>().Int32Value());
}

Napi::Object init(Napi::Env env, Napi::Object exports)
{
	exports.Set("options", Napi::Function::New(env, options));
	exports.Set("optionParse", Napi::Function::New(env, option_parse_value));
	exports.Set("reasons", Napi::Function::New(env, reasons));
	exports.Set("calls", Napi::Function::New(env, calls));
	exports.Set("verbsDevices", Napi::Function::New(env, verbs_devices));
	exports.Set("statsCreate", Napi::Function::New(env, stats_create));
	exports.Set("statsRead", Napi::Function::New(env, stats_read));
	exports.Set("hasCapabilities", Napi::Function::New(env, has_capabilities));
	exports.Set("execve", Napi::Function::New(env, exec));
	exports.Set("spawnWait", Napi::Function::New(env, spawn_wait));
	exports.Set("relayBegin", Napi::Function::New(env, relay_begin));
	exports.Set("relayEnd", Napi::Function::New(env, relay_end));
	exports.Set("die", Napi::Function::New(env, die));
	config_export(env, exports);
	stats_export(env, exports);
	rsocket_export(env, exports);
	return exports;
}

} // namespace

NODE_API_MODULE(rsocket, init)
