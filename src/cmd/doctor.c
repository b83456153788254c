/* nacre doctor: what this host allows. */
#include <stdio.h>
#include <string.h>

#include "boot/boot.h"
#include "cmd/cmd.h"

int cmd_doctor(int argc, char **argv)
{
	if (argc > 0) {
		bool help = strcmp(argv[0], "--help") == 0;

		fprintf(help ? stdout : stderr, "usage: nacre doctor\n");
		return help ? 0 : BOOT_EXIT_FAILED;
	}
	return boot_doctor();
}
