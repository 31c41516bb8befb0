/* The bytes of a stream, and a hash over them. */
#include "driver.h"

/* Position and direction decide the byte, with a period longer than any ring so that a shift shows. */
void data_fill(char *out, int end, uint64_t position, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint64_t at = position + i;

		out[i] = (char)(at * 167 + (at >> 8) * 13 + (at >> 16) * 101 + end * 59);
	}
}

/* FNV-1a; start with 0. */
uint64_t data_hash(uint64_t hash, const char *bytes, size_t length)
{
	if (!hash)
		hash = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3ull;
	return hash;
}
