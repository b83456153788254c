/* What /proc says of when things began fits the clocks: uptime, btime, the start of a
 * process; and process 1 is alive. */
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static double clock_s(clockid_t clock)
{
	struct timespec ts;

	CHECK(clock_gettime(clock, &ts) == 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Field n (from 3) of a stat file, behind the name. */
static double stat_field(const char *path, int n, char *state)
{
	char buf[1024], *p;
	FILE *f = fopen(path, "r");

	CHECK(f && fgets(buf, sizeof(buf), f));
	fclose(f);
	p = strrchr(buf, ')');
	CHECK(p);
	*state = p[2];
	for (p += 2; n > 3; n--)
		CHECK((p = strchr(p, ' ')) && p++);
	return atof(p);
}

static void check_uptime(void)
{
	double before = clock_s(CLOCK_BOOTTIME), up, after;
	struct sysinfo si;
	FILE *f = fopen("/proc/uptime", "r");

	CHECK(f && fscanf(f, "%lf", &up) == 1);
	fclose(f);
	CHECK(sysinfo(&si) == 0);
	after = clock_s(CLOCK_BOOTTIME);
	CHECK(up > before - 0.02 && up < after + 0.02);
	CHECK((double)si.uptime > before - 0.01 && (double)si.uptime < after + 1.01);
}

static void check_btime(void)
{
	double low, high, boot = 0;
	char line[8192];
	FILE *f = fopen("/proc/stat", "r");

	CHECK(f);
	low = clock_s(CLOCK_REALTIME) - clock_s(CLOCK_BOOTTIME);
	while (boot == 0 && fgets(line, sizeof(line), f))
		(void)!sscanf(line, "btime %lf", &boot);
	high = clock_s(CLOCK_REALTIME) - clock_s(CLOCK_BOOTTIME);
	fclose(f);
	/* Somebody may set the clock meanwhile, but hardly by much. */
	CHECK(boot > low - 3 && boot < high + 3);
}

static void check_start(void)
{
	double before = clock_s(CLOCK_BOOTTIME), start, after;
	char path[64], state;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(0);
	after = clock_s(CLOCK_BOOTTIME);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	start = stat_field(path, 22, &state) / (double)sysconf(_SC_CLK_TCK);
	CHECK(start > before - 0.02 && start < after + 0.02);
	CHECK(waitpid(pid, NULL, 0) == pid);
	start = stat_field("/proc/1/stat", 22, &state) / (double)sysconf(_SC_CLK_TCK);
	CHECK(start < before && state != 'Z');
}

int main(void)
{
	check_uptime();
	check_btime();
	check_start();
	return 0;
}
