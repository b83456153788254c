/* io_uring's three calls: all of it is uring/'s. */
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "uring/uring.h"

SYSCALL(io_uring_setup)
{
	return uring_setup_call(t, (uint32_t)args->a[0], args->a[1]);
}

SYSCALL(io_uring_enter)
{
	return uring_enter_call(t, args->a);
}

SYSCALL(io_uring_register)
{
	return uring_register_call(t, (uint32_t)args->a[0], (uint32_t)args->a[1], args->a[2],
				   (uint32_t)args->a[3]);
}
