/* For librsocket.so in the same process: its calls use this engine. */
#include "rsocket.h"
#include "real.h"

rsocket_calls_fn rspreload_rsocket_calls;

EXPORT const struct rsocket_calls *rspreload_rsocket_calls(void)
{
	preload_init();
	return &rsocket_calls;
}
