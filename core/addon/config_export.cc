/* For rsconfig: what the core makes of a line of rules and whether it matches a connection; locks; directories that change places. */
#include "config_export.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/file.h>

extern "C" {
#include "config.h"
#include "rule.h"
}

namespace
{

const char *const kinds[] = {"none", "use", "set", "profile"};
const char *const roles[] = {"*", "server", "client"};

/* A string of one character a byte. */
std::string line_get(const Napi::Value &value)
{
	size_t length = 0;

	if (napi_get_value_string_latin1(value.Env(), value, nullptr, 0, &length) != napi_ok)
		throw Napi::TypeError::New(value.Env(), "expected a string");
	std::string line(length, '\0');
	napi_get_value_string_latin1(value.Env(), value, line.data(), length + 1, &length);
	return line;
}

/* The name of value NUMBER of the transport setting. */
std::string transport_name(unsigned number)
{
	const char *name = option_find("transport")->values;

	for (; number > 0; number--)
		name += strcspn(name, "|") + 1;
	return std::string(name, strcspn(name, "|"));
}

std::string peer_name(const struct rule &rule)
{
	char text[INET6_ADDRSTRLEN];

	if (rule.family == 0)
		return "*";
	inet_ntop(rule.family, rule.address, text, sizeof text);
	std::string name = rule.family == AF_INET6 ? "[" + std::string(text) + "]" : text;
	return rule.bits == (rule.family == AF_INET ? 32 : 128) ? name : name + "/" + std::to_string(rule.bits);
}

Napi::Object rule_new(Napi::Env env, const struct rule &rule)
{
	Napi::Object row = Napi::Object::New(env);

	row.Set("kind", kinds[rule.kind]);
	if (rule.kind != RULE_NONE)
		row.Set("program", rule.program);
	if (rule.kind == RULE_USE) {
		row.Set("transport", transport_name(rule.transport));
		row.Set("role", roles[rule.role]);
		row.Set("peer", peer_name(rule));
		row.Set("portMin", rule.port_min);
		row.Set("portMax", rule.port_max);
	}
	if (rule.profile)
		row.Set("profile", std::string(rule.profile, rule.profile_length));
	if (rule.rest)
		row.Set("rest", std::string(rule.rest, rule.rest_length));
	return row;
}

/* (line): the rule, or {fault, word} */
Napi::Value rule_parse_line(const Napi::CallbackInfo &info)
{
	const std::string line = line_get(info[0]);
	struct rule_fault fault;
	struct rule rule;

	if (rule_parse(line.data(), line.size(), &rule, &fault) == 0)
		return rule_new(info.Env(), rule);
	Napi::Object row = Napi::Object::New(info.Env());
	row.Set("fault", fault.sentence);
	row.Set("word", fault.word);
	return row;
}

/* (line, program, isServer, address, port): whether it is a rule that matches; an address that is none matches nothing. */
Napi::Value rule_match_line(const Napi::CallbackInfo &info)
{
	const std::string line = line_get(info[0]), program = line_get(info[1]), address = line_get(info[3]);
	struct rule_subject subject = {};
	struct rule_fault fault;
	struct rule rule;
	bool matches = false;

	subject.program = program.c_str();
	subject.is_server = info[2].As<Napi::Boolean>().Value();
	subject.family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
	subject.port = static_cast<uint16_t>(info[4].As<Napi::Number>().Uint32Value());
	if (rule_parse(line.data(), line.size(), &rule, &fault) == 0 && rule.kind == RULE_USE)
		matches =
			inet_pton(subject.family, address.c_str(), subject.peer) == 1 && rule_matches(&rule, &subject);
	return Napi::Boolean::New(info.Env(), matches);
}

/* (pattern, name) */
Napi::Value rule_match_program(const Napi::CallbackInfo &info)
{
	return Napi::Boolean::New(info.Env(),
				  rule_program_matches(line_get(info[0]).c_str(), line_get(info[1]).c_str()));
}

[[noreturn]] void fail(Napi::Env env, const char *call, int error)
{
	Napi::Error exception = Napi::Error::New(env, std::string(call) + ": " + strerror(error));
	exception.Set("code", strerrorname_np(error));
	throw exception;
}

/* (one, other): two paths change places, at once. Throws an Error with `code`. */
void paths_exchange(const Napi::CallbackInfo &info)
{
	const std::string one = line_get(info[0]), other = line_get(info[1]);

	if (renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) < 0)
		fail(info.Env(), "renameat2", errno);
}

/* (fd): whether nobody else has the lock of the file; it lasts until the descriptor is closed, also by our death. */
Napi::Value descriptor_lock(const Napi::CallbackInfo &info)
{
	if (flock(info[0].As<Napi::Number>().Int32Value(), LOCK_EX | LOCK_NB) == 0)
		return Napi::Boolean::New(info.Env(), true);
	if (errno != EWOULDBLOCK)
		fail(info.Env(), "flock", errno);
	return Napi::Boolean::New(info.Env(), false);
}

} // namespace

void config_export(Napi::Env env, Napi::Object exports)
{
	exports.Set("ruleParse", Napi::Function::New(env, rule_parse_line));
	exports.Set("ruleMatches", Napi::Function::New(env, rule_match_line));
	exports.Set("exchange", Napi::Function::New(env, paths_exchange));
	exports.Set("lock", Napi::Function::New(env, descriptor_lock));
	exports.Set("ruleProgramMatches", Napi::Function::New(env, rule_match_program));
}
