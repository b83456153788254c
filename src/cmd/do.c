/*
 * nacre do [flags] [--] CMD [ARG...]
 *
 * Flags end at the first word that is not one, or at "--". A flag's value
 * follows it, or stands behind "=". Each wrong word gets one line that says
 * what was wrong and what would be right.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "boot/boot.h"
#include "cmd/cmd.h"

extern char **environ;

static const char help_text[] =
	"usage: nacre do [flags] [--] CMD [ARG...]\n"
	"\n"
	"Runs CMD in a fresh sandbox on nacre's own kernel, over the host's root; what\n"
	"it writes stays in memory and is gone at the end. Ends with CMD's status, or\n"
	"128 plus the signal that ended it; 125 when nacre could not start, 126 when CMD\n"
	"cannot be executed, 127 when it is not found, 124 when --timeout ended it.\n"
	"\n"
	"  --rootfs DIR          use DIR as the root instead of /\n"
	"  --no-overlay          writes reach the host\n"
	"  --bind SRC:DST[:ro][,cache=exclusive|writethrough|shared][,forcecache]\n"
	"                        show the host's SRC at DST; writes reach the host\n"
	"  --tmpfs DST           an empty file system in memory at DST\n"
	"  --virtio-blk SOCKET[:NAME]\n"
	"                        the disk of a vhost-user-blk device, as /dev/NAME (vda)\n"
	"  --virtiofs SOCKET:DST[,cache=exclusive|writethrough|shared]\n"
	"                        the files of a vhost-user-fs device at DST (writethrough)\n"
	"  --env K=V, --env K    set a variable, or pass it on (all are passed by default)\n"
	"  --clear-env           pass no variable on\n"
	"  --cwd DIR             start in DIR\n"
	"  --user UID[:GID]      who it is; outside too when root runs nacre\n"
	"  --hostname NAME       (nacre)\n"
	"  --timeout SECONDS     kill it after that time\n"
	"  --memory SIZE         limit its memory (K, M, G); else the cgroup's limit\n"
	"  --cpus N              how many cpus it sees\n"
	"  --strace[=FILTER]     print its system calls: names or %file, %process, ...\n"
	"  --log FILE            log there instead of standard error\n"
	"  --log-level LEVEL     error, warn (default), info, debug\n"
	"  --stats[=json]        print counters at the end\n"
	"  --no-io-uring         io_uring is not there (ENOSYS)\n"
	"  --no-io-uring-op LIST these of its operations are not: send,connect,...\n"
	"  --no-trampolines      leave programs' text as it is; system calls are slower\n"
	"  --platform NAME       (systrap)\n"
	"  --help\n";

static int wrong(const char *flag, const char *val, const char *right)
{
	if (val)
		fprintf(stderr, "nacre do: %s %s: %s\n", flag, val, right);
	else
		fprintf(stderr, "nacre do: %s: %s\n", flag, right);
	return -1;
}

/* ---- growing lists ---- */

static void *grow(void *list, size_t count, size_t size)
{
	void *p = realloc(list, (count + 1) * size);

	if (!p) {
		fprintf(stderr, "nacre do: out of memory\n");
		exit(BOOT_EXIT_FAILED);
	}
	return p;
}

static void env_set(struct boot_config *cfg, const char *pair)
{
	size_t key = strcspn(pair, "="), n = 0;

	for (; cfg->envp && cfg->envp[n]; n++) {
		if (strncmp(cfg->envp[n], pair, key) == 0 && cfg->envp[n][key] == '=') {
			cfg->envp[n] = strdup(pair);
			return;
		}
	}
	cfg->envp = grow(cfg->envp, n + 1, sizeof(*cfg->envp));
	cfg->envp[n] = strdup(pair);
	cfg->envp[n + 1] = NULL;
}

static void env_inherit(struct boot_config *cfg)
{
	size_t n = 0;

	while (environ[n])
		n++;
	cfg->envp = calloc(n + 1, sizeof(*cfg->envp));
	for (size_t i = 0; cfg->envp && i < n; i++)
		cfg->envp[i] = environ[i];
}

/* ---- one function per flag with a value ---- */

static int parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 10);
	return *s && isdigit((unsigned char)*s) && !*end && !errno && *out <= max ? 0 : -1;
}

static int flag_rootfs(struct boot_config *cfg, const char *val)
{
	cfg->rootfs = val;
	return 0;
}

static int parse_cache(enum boot_cache *cache, const char *mode)
{
	if (strcmp(mode, "exclusive") == 0)
		*cache = BOOT_CACHE_EXCLUSIVE;
	else if (strcmp(mode, "writethrough") == 0)
		*cache = BOOT_CACHE_WRITETHROUGH;
	else if (strcmp(mode, "shared") == 0)
		*cache = BOOT_CACHE_SHARED;
	else
		return -1;
	return 0;
}

static int flag_bind(struct boot_config *cfg, const char *val)
{
	static const char right[] =
		"must be SRC:DST[:ro][,cache=exclusive|writethrough|shared][,forcecache]";
	struct boot_bind b = { .cache = BOOT_CACHE_SHARED, .fd = -1 };
	char *copy = strdup(val), *opts = copy ? strchr(copy, ',') : NULL, *dst, *ro, *save = NULL;

	if (!copy)
		return wrong("--bind", val, "out of memory");
	if (opts)
		*opts++ = '\0';
	dst = strchr(copy, ':');
	if (!dst)
		return wrong("--bind", val, right);
	*dst++ = '\0';
	ro = strchr(dst, ':');
	if (ro) {
		*ro++ = '\0';
		if (strcmp(ro, "ro") != 0)
			return wrong("--bind", val, right);
		b.readonly = true;
	}
	for (char *o = opts ? strtok_r(opts, ",", &save) : NULL; o;
	     o = strtok_r(NULL, ",", &save)) {
		if (strcmp(o, "forcecache") == 0)
			b.forcecache = true;
		else if (strncmp(o, "cache=", 6) != 0 || parse_cache(&b.cache, o + 6) < 0)
			return wrong("--bind", val, right);
	}
	if (!*copy || *dst != '/')
		return wrong("--bind", val, "DST must be an absolute path, SRC must not be empty");
	b.src = copy;
	b.dst = dst;
	cfg->binds = grow(cfg->binds, cfg->nbinds, sizeof(b));
	cfg->binds[cfg->nbinds++] = b;
	return 0;
}

static int flag_tmpfs(struct boot_config *cfg, const char *val)
{
	if (*val != '/')
		return wrong("--tmpfs", val, "must be an absolute path");
	cfg->tmpfs = grow(cfg->tmpfs, cfg->ntmpfs, sizeof(*cfg->tmpfs));
	cfg->tmpfs[cfg->ntmpfs++] = val;
	return 0;
}

/* A colon with no slash behind it separates the name. */
static int flag_virtio_blk(struct boot_config *cfg, const char *val)
{
	static const char right[] = "must be SOCKET[:NAME], NAME like vda";
	struct boot_disk d = { .path = strdup(val), .name = "vda", .fd = -1 };
	char *colon = d.path ? strrchr(d.path, ':') : NULL;

	if (!d.path)
		return wrong("--virtio-blk", val, "out of memory");
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		d.name = colon + 1;
	}
	if (!*d.path || !*d.name || strlen(d.name) > 31 ||
	    d.name[strspn(d.name, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
		return wrong("--virtio-blk", val, right);
	for (size_t i = 0; i < cfg->ndisks; i++) {
		if (strcmp(cfg->disks[i].name, d.name) == 0)
			return wrong("--virtio-blk", val, "there is a disk of that name already");
	}
	cfg->disks = grow(cfg->disks, cfg->ndisks, sizeof(d));
	cfg->disks[cfg->ndisks++] = d;
	return 0;
}

static int flag_virtiofs(struct boot_config *cfg, const char *val)
{
	static const char right[] = "must be SOCKET:DST[,cache=exclusive|writethrough|shared]";
	struct boot_share s = { .cache = BOOT_CACHE_WRITETHROUGH, .fd = -1 };
	char *copy = strdup(val), *opts = copy ? strchr(copy, ',') : NULL, *dst;

	if (!copy)
		return wrong("--virtiofs", val, "out of memory");
	if (opts)
		*opts++ = '\0';
	dst = strrchr(copy, ':');
	if (!dst || dst == copy || dst[1] != '/')
		return wrong("--virtiofs", val, right);
	*dst++ = '\0';
	if (opts && (strncmp(opts, "cache=", 6) != 0 || parse_cache(&s.cache, opts + 6) < 0))
		return wrong("--virtiofs", val, right);
	s.path = copy;
	s.dst = dst;
	cfg->shares = grow(cfg->shares, cfg->nshares, sizeof(s));
	cfg->shares[cfg->nshares++] = s;
	return 0;
}

static int flag_env(struct boot_config *cfg, const char *val)
{
	const char *outer;
	char *pair;

	if (strchr(val, '=')) {
		if (*val == '=')
			return wrong("--env", val, "must be K=V or K");
		env_set(cfg, val);
		return 0;
	}
	outer = getenv(val);
	if (outer && asprintf(&pair, "%s=%s", val, outer) > 0) {
		env_set(cfg, pair);
		free(pair);
	}
	return 0;
}

static int flag_cwd(struct boot_config *cfg, const char *val)
{
	if (*val != '/')
		return wrong("--cwd", val, "must be an absolute path");
	cfg->cwd = val;
	return 0;
}

static int flag_user(struct boot_config *cfg, const char *val)
{
	char uid[32];
	const char *colon = strchr(val, ':');
	size_t len = colon ? (size_t)(colon - val) : strlen(val);
	uint64_t u, g;

	if (len >= sizeof(uid))
		return wrong("--user", val, "must be UID[:GID], as numbers");
	memcpy(uid, val, len);
	uid[len] = '\0';
	if (parse_u64(uid, UINT32_MAX - 1, &u) < 0 ||
	    (colon && parse_u64(colon + 1, UINT32_MAX - 1, &g) < 0))
		return wrong("--user", val, "must be UID[:GID], as numbers");
	cfg->has_user = true;
	cfg->uid = (uint32_t)u;
	cfg->gid = colon ? (uint32_t)g : (uint32_t)u;
	return 0;
}

static int flag_hostname(struct boot_config *cfg, const char *val)
{
	if (!*val || strlen(val) > 64)
		return wrong("--hostname", val, "must have 1 to 64 characters");
	cfg->hostname = val;
	return 0;
}

static int flag_timeout(struct boot_config *cfg, const char *val)
{
	char *end;
	double s = strtod(val, &end);

	if (end == val || *end || !(s > 0) || s > 1e9)
		return wrong("--timeout", val, "must be a number of seconds above 0");
	cfg->timeout_ns = (uint64_t)(s * 1e9);
	return 0;
}

static int flag_memory(struct boot_config *cfg, const char *val)
{
	char *end;
	unsigned long long n;
	unsigned shift = 0;

	errno = 0;
	n = strtoull(val, &end, 10);
	switch (toupper((unsigned char)*end)) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	if (!isdigit((unsigned char)*val) || errno || (shift ? end[1] : end[0]) ||
	    n > (UINT64_MAX >> 8 >> shift) || (n << shift) < (1u << 20))
		return wrong("--memory", val, "must be a size of at least 1M, like 512M or 2G");
	cfg->memory = n << shift;
	return 0;
}

static int flag_cpus(struct boot_config *cfg, const char *val)
{
	uint64_t n;

	if (parse_u64(val, 64, &n) < 0 || n == 0)
		return wrong("--cpus", val, "must be a number from 1 to 64");
	cfg->ncpus = (unsigned)n;
	return 0;
}

static int flag_log(struct boot_config *cfg, const char *val)
{
	cfg->log_file = val;
	return 0;
}

static int flag_log_level(struct boot_config *cfg, const char *val)
{
	cfg->log_level = log_level_parse(val);
	if (cfg->log_level < 0)
		return wrong("--log-level", val, "must be error, warn, info or debug");
	return 0;
}

static int flag_platform(struct boot_config *cfg, const char *val)
{
	cfg->platform = val;
	return 0;
}

/* ---- flags without a value, or with an optional one behind "=" ---- */

static int flag_no_overlay(struct boot_config *cfg, const char *val UNUSED)
{
	cfg->overlay = false;
	return 0;
}

static int flag_no_trampolines(struct boot_config *cfg, const char *val UNUSED)
{
	cfg->no_trampolines = true;
	return 0;
}

static int flag_no_uring(struct boot_config *cfg, const char *val UNUSED)
{
	cfg->no_uring = true;
	return 0;
}

static int flag_no_uring_op(struct boot_config *cfg, const char *val)
{
	cfg->no_uring_ops = val;
	return 0;
}

static int flag_uring_pages(struct boot_config *cfg, const char *val UNUSED)
{
	cfg->uring_pages = true;
	return 0;
}

static int flag_clear_env(struct boot_config *cfg, const char *val UNUSED)
{
	cfg->envp = calloc(1, sizeof(*cfg->envp));
	return cfg->envp ? 0 : -1;
}

static int flag_strace(struct boot_config *cfg, const char *val)
{
	cfg->strace = val ? val : "";
	return 0;
}

static int flag_stats(struct boot_config *cfg, const char *val)
{
	if (val && strcmp(val, "json") != 0)
		return wrong("--stats", val, "must be --stats or --stats=json");
	cfg->stats = true;
	cfg->stats_json = val != NULL;
	return 0;
}

static int flag_help(struct boot_config *cfg UNUSED, const char *val UNUSED)
{
	fputs(help_text, stdout);
	exit(0);
}

enum value { VALUE_NONE, VALUE_OPTIONAL, VALUE_NEEDED };

static const struct flag {
	const char *name;
	enum value value;
	int (*set)(struct boot_config *cfg, const char *val);
} flags[] = {
	{ "--rootfs", VALUE_NEEDED, flag_rootfs },
	{ "--bind", VALUE_NEEDED, flag_bind },
	{ "--tmpfs", VALUE_NEEDED, flag_tmpfs },
	{ "--virtio-blk", VALUE_NEEDED, flag_virtio_blk },
	{ "--virtiofs", VALUE_NEEDED, flag_virtiofs },
	{ "--no-overlay", VALUE_NONE, flag_no_overlay },
	{ "--env", VALUE_NEEDED, flag_env },
	{ "--clear-env", VALUE_NONE, flag_clear_env },
	{ "--cwd", VALUE_NEEDED, flag_cwd },
	{ "--user", VALUE_NEEDED, flag_user },
	{ "--hostname", VALUE_NEEDED, flag_hostname },
	{ "--timeout", VALUE_NEEDED, flag_timeout },
	{ "--memory", VALUE_NEEDED, flag_memory },
	{ "--cpus", VALUE_NEEDED, flag_cpus },
	{ "--strace", VALUE_OPTIONAL, flag_strace },
	{ "--log", VALUE_NEEDED, flag_log },
	{ "--log-level", VALUE_NEEDED, flag_log_level },
	{ "--stats", VALUE_OPTIONAL, flag_stats },
	{ "--platform", VALUE_NEEDED, flag_platform },
	{ "--no-trampolines", VALUE_NONE, flag_no_trampolines },
	{ "--no-io-uring", VALUE_NONE, flag_no_uring },
	{ "--no-io-uring-op", VALUE_NEEDED, flag_no_uring_op },
	/* Not in the help: for tests of what is rare. */
	{ "--io-uring-pages", VALUE_NONE, flag_uring_pages },
	{ "--help", VALUE_NONE, flag_help },
	{ "-h", VALUE_NONE, flag_help },
};

/* Takes the flag at argv[*i], and its value; advances *i past both. */
static int take_flag(struct boot_config *cfg, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *eq = strchr(word, '=');
	size_t len = eq ? (size_t)(eq - word) : strlen(word);
	const char *val = eq ? eq + 1 : NULL;
	const struct flag *f = NULL;

	for (size_t k = 0; k < ARRAY_SIZE(flags) && !f; k++) {
		if (strlen(flags[k].name) == len && strncmp(flags[k].name, word, len) == 0)
			f = &flags[k];
	}
	if (!f)
		return wrong(word, NULL, "no such flag (nacre do --help lists them)");
	(*i)++;
	if (f->value == VALUE_NONE && val)
		return wrong(f->name, NULL, "takes no value");
	if (f->value == VALUE_NEEDED && !val) {
		if (*i >= argc)
			return wrong(f->name, NULL, "needs a value");
		val = argv[(*i)++];
	}
	return f->set(cfg, val);
}

int cmd_do(int argc, char **argv)
{
	/* With what it points to it stays until the process ends. */
	static struct boot_config cfg = { .overlay = true, .log_level = LOG_WARN };
	int i = 0;

	env_inherit(&cfg);
	while (i < argc && argv[i][0] == '-') {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (take_flag(&cfg, argc, argv, &i) < 0)
			return BOOT_EXIT_FAILED;
	}
	if (i >= argc) {
		fprintf(stderr,
			"nacre do: no command given (nacre do [flags] [--] CMD [ARG...])\n");
		return BOOT_EXIT_FAILED;
	}
	cfg.argv = &argv[i];
	return boot_run(&cfg);
}
