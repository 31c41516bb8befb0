/* Bytes of a report, an area or a trace as objects. Bytes come from other processes: only what was checked is believed. */
#include <algorithm>
#include <cstring>
#include <string>

#include "stats_export.h"

#define _Static_assert static_assert
extern "C" {
#include "stats.h"
#include "trace.h"
}

namespace
{

std::string text_get(const char *text, size_t size)
{
	return std::string(text, strnlen(text, size));
}

/* The first SIZE bytes of a buffer that may be shorter: the rest is zero. */
template <typename Type> Type head_get(const Napi::CallbackInfo &info)
{
	const auto bytes = info[0].As<Napi::Buffer<uint8_t>>();
	Type head{};

	memcpy(static_cast<void *>(&head), bytes.Data(), std::min(bytes.Length(), sizeof(Type)));
	return head;
}

double number(uint64_t value)
{
	return static_cast<double>(value);
}

} // namespace

Napi::Object stats_connection_new(Napi::Env env, const struct stats_conn &conn)
{
	Napi::Object row = Napi::Object::New(env);

	row.Set("state", conn.state);
	row.Set("pid", conn.pid);
	row.Set("fd", conn.fd);
	row.Set("reason", conn.reason);
	row.Set("sendTransport", conn.send_transport);
	row.Set("recvTransport", conn.recv_transport);
	row.Set("family", conn.family);
	row.Set("accepted", conn.accepted != 0);
	row.Set("localPort", conn.local_port);
	row.Set("peerPort", conn.peer_port);
	row.Set("localAddr", Napi::Buffer<uint8_t>::Copy(env, conn.local_addr, sizeof(conn.local_addr)));
	row.Set("peerAddr", Napi::Buffer<uint8_t>::Copy(env, conn.peer_addr, sizeof(conn.peer_addr)));
	row.Set("openedNs", Napi::BigInt::New(env, conn.opened_ns));
	row.Set("promotedNs", Napi::BigInt::New(env, conn.promoted_ns));
	row.Set("closedNs", Napi::BigInt::New(env, conn.closed_ns));
	row.Set("recvBytes", number(conn.recv_bytes));
	row.Set("sendBytes", number(conn.send_bytes));
	row.Set("recvCalls", number(conn.recv_calls));
	row.Set("sendCalls", number(conn.send_calls));
	row.Set("shmRecvBytes", number(conn.shm_recv_bytes));
	row.Set("shmSendBytes", number(conn.shm_send_bytes));
	row.Set("sleeps", number(conn.sleeps));
	row.Set("spins", number(conn.spins));
	row.Set("program", text_get(conn.program, sizeof(conn.program)));
	row.Set("settingsLine", conn.settings_line);
	return row;
}

namespace
{

/* (buffer of the head): what it says, or undefined when it is no area of this version. */
Napi::Value area_head(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const auto head = head_get<struct stats_area>(info);
	Napi::Object row = Napi::Object::New(env);
	Napi::Object ended = Napi::Object::New(env);

	if (head.magic != AREA_MAGIC || head.version != AREA_VERSION || head.record_size != sizeof(struct stats_conn))
		return env.Undefined();
	row.Set("pid", head.pid);
	row.Set("program", text_get(head.program, sizeof(head.program)));
	row.Set("startedNs", Napi::BigInt::New(env, head.started_ns));
	row.Set("recordsOffset", AREA_RECORDS_OFFSET);
	row.Set("recordsSize", std::min(head.used, AREA_RECORDS) * sizeof(struct stats_conn));
	row.Set("traceOffset", AREA_TRACE_OFFSET);
	row.Set("traceSize", TRACE_SIZE);
	row.Set("dropped", head.dropped);
	row.Set("report", text_get(head.report, sizeof(head.report)));
	row.Set("trace", text_get(head.trace, sizeof(head.trace)));
	ended.Set("connections", number(head.ended.connections));
	ended.Set("promoted", number(head.ended.promoted));
	ended.Set("recvBytes", number(head.ended.recv_bytes));
	ended.Set("sendBytes", number(head.ended.send_bytes));
	ended.Set("recvCalls", number(head.ended.recv_calls));
	ended.Set("sendCalls", number(head.ended.send_calls));
	ended.Set("shmRecvBytes", number(head.ended.shm_recv_bytes));
	ended.Set("shmSendBytes", number(head.ended.shm_send_bytes));
	ended.Set("sleeps", number(head.ended.sleeps));
	ended.Set("spins", number(head.ended.spins));
	row.Set("ended", ended);
	return row;
}

/* (buffer of records): those that are in use. */
Napi::Value area_records(const Napi::CallbackInfo &info)
{
	const auto bytes = info[0].As<Napi::Buffer<uint8_t>>();
	Napi::Array rows = Napi::Array::New(info.Env());

	for (size_t at = 0; at + sizeof(struct stats_conn) <= bytes.Length(); at += sizeof(struct stats_conn)) {
		struct stats_conn conn;

		memcpy(&conn, bytes.Data() + at, sizeof(conn));
		if (conn.state != STATS_FREE)
			rows.Set(rows.Length(), stats_connection_new(info.Env(), conn));
	}
	return rows;
}

const char *const kinds[TRACE_KINDS] = {
	"opened", "reason", "send-shm", "recv-shm", "send-returned", "recv-returned", "error", "reset", "closed",
};

Napi::Object event_new(Napi::Env env, const struct trace_event &event)
{
	Napi::Object row = Napi::Object::New(env);

	row.Set("number", number(event.sequence));
	row.Set("timeNs", Napi::BigInt::New(env, event.time_ns));
	row.Set("openedNs", Napi::BigInt::New(env, event.opened_ns));
	row.Set("kind", event.kind < TRACE_KINDS ? kinds[event.kind] : "unknown");
	row.Set("reason", event.reason);
	row.Set("pid", event.pid);
	row.Set("fd", event.fd);
	row.Set("error", event.error == 0 ? std::string() : std::string(strerrorname_np(event.error) ?: "unknown"));
	row.Set("value", number(event.value));
	row.Set("localPort", event.local_port);
	row.Set("peerPort", event.peer_port);
	return row;
}

/* (buffer of a trace): who kept it, how many events there ever were, and the last ones, oldest first; undefined: no trace. */
Napi::Value trace_read(const Napi::CallbackInfo &info)
{
	const Napi::Env env = info.Env();
	const auto bytes = info[0].As<Napi::Buffer<uint8_t>>();
	const auto head = head_get<struct trace_ring>(info);
	Napi::Object trace = Napi::Object::New(env);
	Napi::Array events = Napi::Array::New(env);

	if (bytes.Length() < TRACE_SIZE || head.magic != TRACE_MAGIC || head.version != TRACE_VERSION ||
	    head.capacity != TRACE_EVENTS || head.event_size != sizeof(struct trace_event))
		return env.Undefined();
	for (uint64_t i = head.next < TRACE_EVENTS ? 0 : head.next - TRACE_EVENTS; i < head.next; i++) {
		struct trace_event event;

		memcpy(&event, bytes.Data() + sizeof(struct trace_ring) + i % TRACE_EVENTS * sizeof(event),
		       sizeof(event));
		if (event.sequence == i + 1)
			events.Set(events.Length(), event_new(env, event));
	}
	trace.Set("pid", head.pid);
	trace.Set("program", text_get(head.program, sizeof(head.program)));
	trace.Set("startedNs", Napi::BigInt::New(env, head.started_ns));
	trace.Set("total", number(head.next));
	trace.Set("events", events);
	return trace;
}

} // namespace

void stats_export(Napi::Env env, Napi::Object exports)
{
	Napi::Object layout = Napi::Object::New(env);

	layout.Set("areaName", AREA_NAME);
	layout.Set("areaSize", number(AREA_SIZE));
	layout.Set("headSize", number(sizeof(struct stats_area)));
	layout.Set("traceSize", number(TRACE_SIZE));
	exports.Set("statsLayout", layout);
	exports.Set("areaHead", Napi::Function::New(env, area_head));
	exports.Set("areaRecords", Napi::Function::New(env, area_records));
	exports.Set("traceRead", Napi::Function::New(env, trace_read));
}
