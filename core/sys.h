/* System calls that no libc wrapper, and so no interposer of ours, can see.
 * Each returns what the kernel returns: a result, or -errno. Not cancellation points, errno untouched, safe in signal handlers. */
#ifndef RS_SYS_H
#define RS_SYS_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
#error "x86_64 or aarch64 only: libc's syscall() would come back to the preload"
#endif
}

#define sys_call5(n, a, b, c, d, e) sys_call6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define sys_call4(n, a, b, c, d) sys_call5(n, a, b, c, d, 0)
#define sys_call3(n, a, b, c) sys_call4(n, a, b, c, 0)
#define sys_call2(n, a, b) sys_call3(n, a, b, 0)
#define sys_call1(n, a) sys_call2(n, a, 0)
#define sys_call0(n) sys_call1(n, 0)

static inline int sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return (int)sys_call4(SYS_openat, dirfd, path, flags, mode);
}

static inline ssize_t sys_read(int fd, void *buf, size_t size)
{
	return sys_call3(SYS_read, fd, buf, size);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t size)
{
	return sys_call3(SYS_write, fd, buf, size);
}

static inline ssize_t sys_pread(int fd, void *buf, size_t size, off_t offset)
{
	return sys_call4(SYS_pread64, fd, buf, size, offset);
}

static inline ssize_t sys_pwrite(int fd, const void *buf, size_t size, off_t offset)
{
	return sys_call4(SYS_pwrite64, fd, buf, size, offset);
}

static inline int sys_close(int fd)
{
	return (int)sys_call1(SYS_close, fd);
}

#endif
