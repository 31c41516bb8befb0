/* POSIX asynchronous input and output. Threads of libc's own read and write the descriptor, past us: it goes back to TCP
 * before the first request. */
#include "conn.h"
#include "log.h"
#include "promote.h"
#include "real.h"

#include <errno.h>

/* 0 or -errno. */
static int leave(int fd)
{
	struct conn *c = conn_get(fd);
	int error;

	if (!c)
		return 0;
	error = promote_return(c, REASON_SOCKET_FEATURE);
	conn_put(c);
	if (error < 0)
		log_at(LOG_ERROR,
		       "aio on descriptor %d: received bytes wait in shared memory, where libc's threads cannot read "
		       "them",
		       fd);
	return error;
}

EXPORT int aio_read(struct aiocb *request)
{
	int error = leave(request->aio_fildes);

	if (error < 0)
		RETURN(error);
	return real.aio_read(request);
}

EXPORT int aio_read64(struct aiocb64 *request)
{
	int error = leave(request->aio_fildes);

	if (error < 0)
		RETURN(error);
	return real.aio_read64(request);
}

EXPORT int aio_write(struct aiocb *request)
{
	int error = leave(request->aio_fildes);

	if (error < 0)
		RETURN(error);
	return real.aio_write(request);
}

EXPORT int aio_write64(struct aiocb64 *request)
{
	int error = leave(request->aio_fildes);

	if (error < 0)
		RETURN(error);
	return real.aio_write64(request);
}

EXPORT int lio_listio(int mode, struct aiocb *const list[], int count, struct sigevent *event)
{
	for (int i = 0; i < count; i++) {
		int error = list[i] && list[i]->aio_lio_opcode != LIO_NOP ? leave(list[i]->aio_fildes) : 0;

		if (error < 0)
			RETURN(error);
	}
	return real.lio_listio(mode, list, count, event);
}

EXPORT int lio_listio64(int mode, struct aiocb64 *const list[], int count, struct sigevent *event)
{
	for (int i = 0; i < count; i++) {
		int error = list[i] && list[i]->aio_lio_opcode != LIO_NOP ? leave(list[i]->aio_fildes) : 0;

		if (error < 0)
			RETURN(error);
	}
	return real.lio_listio64(mode, list, count, event);
}
