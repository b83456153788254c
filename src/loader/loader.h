/*
 * loader/: puts a program into an address space: ELF (static, static-pie,
 * dynamic with its interpreter), #! scripts, the first stack, the vDSO.
 *
 * The file is hostile: every number in it is checked before it is used. Until
 * loader_check() has succeeded nothing of the old program is touched: a failed
 * exec returns its errno to the caller. loader_load() runs in the new, empty
 * address space; if it fails the process is past the point of no return and is
 * killed (SIGSEGV), as in Linux.
 */
#pragma once

#include "base/base.h"
#include "mm/mm.h"
#include "vfs/vfs.h"

#define LOADER_MAX_ARG_STRLEN (32u * PAGE_SIZE) /* one string */
#define LOADER_MAX_SCRIPT_DEPTH 5               /* #! of #! of ... */

/* Arguments and environment, copied out of the guest once: strings one after
 * the other, each with its NUL. Owned by the exec in progress. */
struct loader_strings {
	char *data;
	size_t size, capacity;
	size_t count;
};

/* What argv and envp may take together, of loader_strings_used(), with the
 * given RLIMIT_STACK: a quarter of it, at most 6 MiB, at least ARG_MAX. */
#define LOADER_ARGS_MAX (6u << 20)
#define LOADER_ARGS_MIN (128u << 10)
uint64_t loader_arg_limit(uint64_t stack_rlimit);
/* Bytes of strings and of the pointers to them. */
size_t loader_strings_used(const struct loader_strings *s);
/* Appends a string of len bytes without NUL. -E2BIG: its size with NUL is more
 * than LOADER_MAX_ARG_STRLEN, or s would use more than `limit`: for envp, the
 * limit of both less what argv uses. -ENOMEM. */
int loader_strings_add(struct loader_strings *s, const char *str, size_t len, size_t limit)
	MUST_CHECK;
void loader_strings_free(struct loader_strings *s);

/* A checked program, ready to be loaded. */
struct loader_image;

struct loader_request {
	const struct vfs_ctx *ctx;
	struct file *file;           /* the program, opened for exec; borrowed */
	const char *filename;        /* as execve was called; AT_EXECFN */
	struct loader_strings *argv; /* scripts put their interpreter in front */
	struct loader_strings *envp;
	bool is_fd_exec;       /* execveat(AT_EMPTY_PATH): scripts use /dev/fd/N */
	bool close_on_exec_fd; /* a script could not be opened: -ENOENT */
	bool no_aslr;          /* personality(ADDR_NO_RANDOMIZE) */
};

/* Opens a program for loader_request.file: a regular file that the caller may
 * execute, on a mount without MS_NOEXEC; it need not be readable. Without
 * LOOKUP_FOLLOW a symlink is -ELOOP (execveat's AT_SYMLINK_NOFOLLOW). -EACCES,
 * -ETXTBSY (while it is open nobody can open it for writing), and vfs_lookup()'s
 * errors. *out is a reference. */
int loader_open(const struct vfs_ctx *ctx, const struct path *dir, const char *name,
		unsigned lookup_flags, struct file **out) MUST_CHECK;
/* The same for a place that is already found (execveat's AT_EMPTY_PATH). */
int loader_open_path(const struct vfs_ctx *ctx, const struct path *p, struct file **out) MUST_CHECK;

/* Opens interpreters, follows scripts, reads and checks headers. -ENOEXEC,
 * -ENOENT, -EACCES, -ELIBBAD, -EIO, -E2BIG, -ELOOP, -ENOMEM, as execve(2).
 * Changes argv: also when it fails. */
int loader_check(const struct loader_request *req, struct loader_image **out) MUST_CHECK;

struct loader_ids {
	uint32_t uid, euid, gid, egid;
	bool secure;
};

struct loader_result {
	gva_t entry, stack; /* rip and rsp to start with */
	struct file *exe;   /* the file that was loaded (a script's
				    interpreter); reference */
	char comm[16];
};

/* Maps image into mm (empty), builds the stack with argv, envp and a complete
 * auxiliary vector, and fills mm's layout. */
int loader_load(struct mm *mm, struct loader_image *image, const struct loader_request *req,
		const struct loader_ids *ids, struct loader_result *out) MUST_CHECK;
/* The file whose mode decides about setuid bits and whose text is run. */
struct file *loader_image_file(const struct loader_image *image);
void loader_image_free(struct loader_image *image);

/* Builds the sandbox-wide vDSO: the image copied to the memory file and its
 * parameter page. Once, at start. */
int loader_vdso_init(struct memfile *mf, const struct platform *p) MUST_CHECK;
void loader_vdso_fini(void);
/* Guests have this many CPUs: getcpu in the vDSO stays below. 0: the host's. */
void loader_vdso_set_cpus(unsigned ncpus);
/* Offset of __vdso_rt_sigreturn-like restorer code inside the image, for
 * signal frames of programs without SA_RESTORER: 0 when none. */
uint64_t loader_vdso_sigreturn_offset(void);
