/* Ids and capabilities through set*id and exec: setuid programs, no_new_privs,
 * securebits, ambient and bounding sets, dumpable and the death signal. */
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/auxv.h>
#include <grp.h>
#include <sys/fsuid.h>

#include "say.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* The host may have taken some capabilities away: only the first eight count. */
static void show_status(const char *line)
{
	if (!strncmp(line, "Cap", 3))
		printf(" | %.7s %02llx", line, strtoull(line + 8, NULL, 16) & 0xff);
	else
		printf(" | %s", line);
}

static void ids(char *w)
{
	uid_t r, e, s;
	gid_t a, b, c;
	getresuid(&r, &e, &s);
	getresgid(&a, &b, &c);
	FILE *f = fopen("/proc/self/status", "r");
	char l[256];
	printf("%s uid %u %u %u gid %u %u %u", w, r, e, s, a, b, c);
	while (f && fgets(l, 256, f)) {
		if (!strncmp(l, "Cap", 3) || !strncmp(l, "NoNewPrivs", 10) ||
		    !strncmp(l, "Uid", 3) || !strncmp(l, "Gid", 3)) {
			l[strcspn(l, "\n")] = 0;
			if (!strncmp(l, "CapBnd", 6))
				continue;
			show_status(l);
		}
	}
	if (f)
		fclose(f);
	int d = prctl(PR_GET_DUMPABLE);
	int v = -1;
	prctl(PR_GET_PDEATHSIG, &v);
	printf(" | secure %d dump %d pd %d sb %d kc %d\n", (int)getauxval(AT_SECURE), d, v,
	       prctl(PR_GET_SECUREBITS), prctl(PR_GET_KEEPCAPS));
	fflush(stdout);
}
static char self[300], tmp[300];
static void run(char *path, char *w)
{
	fflush(stdout);
	pid_t p = fork();
	if (!p) {
		execl(path, path, w, NULL);
		printf("exec %s %s\n", w, strerrorname_np(errno));
		fflush(stdout);
		_exit(1);
	}
	waitpid(p, 0, 0);
}
static int capset2(unsigned e, unsigned p, unsigned i)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { e, p, i }, { 0, 0, 0 } };
	return syscall(SYS_capset, &h, d);
}
static void copyself(char *to, int mode, int uid, int gid)
{
	char c[700];
	sprintf(c, "cp %s %s", self, to);
	system(c);
	chown(to, uid, gid);
	chmod(to, mode);
}
static char su[320], sg[320], both[320], sgx[320], sc[320], u1[320];

static void setuid_programs(void)
{
	run(self, "root plain");
	run(u1, "root to 1111");
	run(sg, "root setgid");
	IN_CHILD(setgroups(0, 0); setresgid(500, 500, 500); setresuid(501, 501, 501);
		 ids("dropped"); run(self, "user plain"); run(su, "user suid root");
		 run(sg, "user sgid"); run(both, "user both"); run(sgx, "user sgx");
		 run(u1, "user to 1111"));
	IN_CHILD(setgroups(0, 0); setresgid(500, 500, 500); setresuid(501, 501, 501);
		 SAY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); run(su, "nnp suid root");
		 run(sg, "nnp sgid"); SAY(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)));
	IN_CHILD(setresuid(501, 0, 0); ids("euid 0"); run(self, "euid 0 exec"); seteuid(501);
		 ids("seteuid"); run(self, "suid 0 exec"));
	IN_CHILD(setresuid(0, 501, 0); ids("ruid 0"); run(self, "ruid 0 exec"));
	IN_CHILD(prctl(PR_SET_KEEPCAPS, 1); setresuid(501, 501, 501); ids("keepcaps");
		 run(self, "keepcaps exec");
		 SAY(capset2(1 << CAP_KILL, 1 << CAP_KILL | 1 << CAP_SETUID, 1 << CAP_KILL));
		 ids("some"); SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
		 SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0));
		 SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0)); ids("ambient");
		 run(self, "ambient exec"); run(su, "ambient suid");
		 SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
		 run(self, "lowered exec"));
}

static void mixed_ids(void)
{
	IN_CHILD(SAY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT)); run(self, "noroot exec");
		 setresuid(501, 501, 501); run(su, "noroot suid"));
	IN_CHILD(SAY(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)); setresuid(501, 501, 501);
		 ids("nofixup"); run(self, "nofixup exec"));
	IN_CHILD(SAY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED));
		 SAY(prctl(PR_SET_KEEPCAPS, 0)); SAY(prctl(PR_SET_SECUREBITS, 0));
		 SAY(prctl(PR_SET_SECUREBITS, 0x10000)));
	IN_CHILD(SAY(prctl(PR_CAPBSET_DROP, CAP_KILL)); SAY(prctl(PR_CAPBSET_READ, CAP_KILL));
		 SAY(prctl(PR_CAPBSET_READ, CAP_CHOWN)); SAY(prctl(PR_CAPBSET_READ, 63));
		 run(self, "bounded exec"));
	IN_CHILD(SAY(setuid(501)); ids("setuid"); SAY(setuid(0)); SAY(setresuid(-1, 0, -1));
		 SAY(setgroups(0, 0)); SAY(prctl(PR_CAPBSET_DROP, CAP_KILL));
		 SAY(prctl(PR_SET_SECUREBITS, 1)); SAY(capset2(1, 1, 0)));
	IN_CHILD(seteuid(501); ids("seteuid"); seteuid(0); ids("back"); setfsuid(501); ids("fsuid");
		 SAY(setfsuid(-1)); setfsuid(0); ids("fs back"));
	IN_CHILD(prctl(PR_SET_PDEATHSIG, SIGUSR1); setresuid(501, 501, 501); int x;
		 prctl(PR_GET_PDEATHSIG, &x); SAY(x); SAY(prctl(PR_GET_DUMPABLE));
		 SAY(prctl(PR_SET_DUMPABLE, 1)); SAY(prctl(PR_SET_DUMPABLE, 2));
		 run(self, "after"));
}

static void secure_bits(void)
{
	IN_CHILD(setresuid(501, 501, 501); prctl(PR_SET_PDEATHSIG, SIGUSR1);
		 execl(self, self, "pd kept", NULL));
	IN_CHILD(setresuid(501, 501, 501); prctl(PR_SET_PDEATHSIG, SIGUSR1);
		 execl(su, su, "pd cleared", NULL));
	/* unreadable program */
	copyself(sc, 0111, 0, 0);
	IN_CHILD(setresuid(501, 501, 501); run(sc, "unreadable"));
	/* nosuid mounts are ignored here; setreuid rules */
	IN_CHILD(setresuid(1, 2, 3); SAY(setreuid(3, -1)); SAY(setreuid(2, -1)); ids("reuid");
		 SAY(setreuid(-1, 3)); ids("reuid2"); SAY(setresuid(9, -1, -1)));
	IN_CHILD(setresgid(1, 2, 3); setresuid(9, 9, 9); SAY(setregid(3, -1)); SAY(setregid(2, 1));
		 ids("regid"); SAY(setgid(3)); SAY(setgid(2)); ids("gid"));
	IN_CHILD(gid_t g[3] = { 7, 5, 6 }; SAY(setgroups(3, g)); gid_t o[5]; SAY(getgroups(5, o));
		 printf("%u %u %u\n", o[0], o[1], o[2]); SAY(getgroups(2, o)); SAY(getgroups(0, o));
		 SAY(setgroups(65537, g)));
}

static void make_programs(void)
{
	readlink("/proc/self/exe", self, 299);
	getcwd(tmp, 200);
	chmod(tmp, 0755);
	sprintf(su, "%s/su.tmp", tmp);
	sprintf(sg, "%s/sg.tmp", tmp);
	sprintf(both, "%s/both.tmp", tmp);
	sprintf(sgx, "%s/sgx.tmp", tmp);
	sprintf(u1, "%s/u1.tmp", tmp);
	sprintf(sc, "%s/sc.tmp", tmp);
	copyself(su, 04755, 0, 0);
	copyself(sg, 02755, 0, 1234);
	copyself(both, 06755, 1111, 1234);
	copyself(sgx, 02744, 0, 1234);
	copyself(u1, 04755, 1111, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		ids(argv[1]);
		return 0;
	}
	if (getuid()) {
		printf("SKIP: needs root\n");
		return 77;
	}
	make_programs();
	setuid_programs();
	mixed_ids();
	secure_bits();
	unlink(su);
	unlink(sg);
	unlink(both);
	unlink(sgx);
	unlink(u1);
	unlink(sc);
	return 0;
}
