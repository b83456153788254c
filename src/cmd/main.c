/* nacre: runs Linux programs that nobody trusts, on a kernel of its own. */
#include <stdio.h>
#include <string.h>

#include "boot/boot.h"
#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "do", cmd_do, "run a program in a fresh sandbox over the host's root" },
	{ "doctor", cmd_doctor, "say what this host allows" },
};

static void print_line(const char *line, void *arg)
{
	fprintf(arg, "%s\n", line);
}

static int usage(FILE *to, int status)
{
	fprintf(to, "usage: nacre COMMAND [ARG...]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\n  --help, --version; nacre COMMAND --help for a command's flags\n");
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr, BOOT_EXIT_FAILED);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "--version") == 0) {
		printf("nacre %s\n", NACRE_VERSION);
		return 0;
	}
	if (strcmp(argv[1], "--dump-syscalls") == 0) {
		boot_dump_syscalls(print_line, stdout);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	}
	fprintf(stderr, "nacre: unknown command: %s (nacre --help lists them)\n", argv[1]);
	return BOOT_EXIT_FAILED;
}
