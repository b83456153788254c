/* nacre doctor: what this host allows, found out by trying. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "boot/internal.h"
#include "host/proc.h"
#include "platform/platform.h"
#include "syscall/syscall.h"

static void print_walls(void)
{
	printf("outer walls (used when the host allows; none of them is the boundary):\n");
	for (int w = 0; w < WALLS; w++) {
		if (w == WALL_SECCOMP)
			continue;
		printf("  %-40s %s%s%s%s\n", walls[w].name, walls[w].up ? "yes" : "no",
		       walls[w].up || !walls[w].why[0] ? "" : " (", walls[w].up ? "" : walls[w].why,
		       walls[w].up || !walls[w].why[0] ? "" : ")");
	}
}

static int try_platform(void)
{
	const char *why = "";
	struct platform_options opt = { .ncpus = 1, .pool_max = 1, .why = &why };
	struct platform *p;
	int r = platform_create(&opt, &p);

	if (r < 0)
		printf("guest code in stub processes (needed):     no: %s (%s)\n", why,
		       strerror(-r));
	else
		printf("guest code in stub processes (needed):     yes\n");
	if (r == 0) {
		printf("host clock functions for guests:           %s\n",
		       platform_vdso_symbol(p, "__vdso_clock_gettime") ? "yes"
								       : "no (clock calls trap)");
		platform_destroy(p);
	}
	return r;
}

static int child_main(void)
{
	int r;

	platform_prepare();
	walls_enter(NULL);
	r = try_platform();
	r = r < 0 ? r : filter_install();
	printf("seccomp filter of the kernel (needed):     %s\n", r < 0 ? "no" : "yes");
	print_walls();
	printf("%s\n", r < 0 ? "nacre cannot run here" : "nacre can run here");
	fflush(stdout);
	return r < 0;
}

int boot_doctor(void)
{
	int status;
	pid_t pid;

	log_init(2, LOG_ERROR);
	fflush(stdout);
	pid = walls_fork();
	if (pid == 0)
		_exit(child_main());
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fprintf(stderr, "nacre: cannot fork\n");
		return BOOT_EXIT_FAILED;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : BOOT_EXIT_FAILED;
}

void boot_dump_syscalls(void (*emit)(const char *line, void *arg), void *arg)
{
	syscall_table_markdown(emit, arg);
}
