/* Store buffers. spin interleaves whole statements in one order that everybody sees; a processor keeps a plain store to itself
 * for a while and lets later loads pass it. A word written by plain stores therefore has one writer, whose store waits in `late` until
 * `drain` carries it out at any later moment. Read-modify-writes and fences wait until the writer's buffer is empty. */

typedef word
{
	byte mem;  /* what the others see */
	byte late; /* stored, not yet seen */
	bool held
};

/* By the writer. One entry: a second store waits for the first. */
#define STORE(w, value)                  \
	atomic                           \
	{                                \
		!w.held->w.late = value; \
		w.held = true            \
	}
#define OWN(w) (w.held->w.late : w.mem)

/* The writer's fence; an empty statement in the variants without it. */
#define FENCE(w) !w.held

/* A line of the drain process. */
#define DRAIN(w)                        \
	::atomic                        \
	{                               \
		w.held->w.mem = w.late; \
		w.held = false          \
	}
