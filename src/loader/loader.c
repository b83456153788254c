/*
 * The order of an exec.
 *
 *	loader_check()   script -> its interpreter -> ... -> ELF file
 *	                 -> its PT_INTERP: all files opened, all headers judged
 *	loader_load()    stack, program, interpreter, vDSO, then the stack's
 *	                 contents, which name the addresses of all the others
 *
 * The stack is mapped first so that a program linked to a fixed address that
 * collides with it is refused, not laid over it.
 */
#include "loader/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

#define BRK_RANDOM_SIZE ((uint64_t)1 << 30) /* Linux's gap below the heap, at most */

struct loader_image {
	struct file *file; /* reference */
	struct elf_program program;
	struct file *interp_file; /* reference, or NULL */
	struct elf_program interp;
};

/* Puts the interpreter and its argument before the script's name, which takes
 * the place of argv[0]. */
static int script_args(const struct loader_request *req, const struct script_line *line,
		       const char *script)
{
	struct loader_strings *argv = req->argv;
	int err;

	loader_strings_drop_first(argv);
	err = loader_strings_prepend(argv, script, LOADER_ARGS_MAX);
	if (!err && line->has_arg)
		err = loader_strings_prepend(argv, line->arg, LOADER_ARGS_MAX);
	if (!err)
		err = loader_strings_prepend(argv, line->interp, LOADER_ARGS_MAX);
	return err;
}

/* One step: *file is a script; replaces it with its interpreter. `name` (of
 * SCRIPT_HEAD_SIZE) receives the interpreter's, which `script` may point to. */
static int script_step(const struct loader_request *req, const char *head, const char *script,
		       struct file **file, char *name)
{
	struct script_line line;
	struct file *next;
	int err = script_parse(head, &line);

	if (err)
		return err;
	/* The interpreter would open /dev/fd/N, which exec is about to close. */
	if (req->close_on_exec_fd)
		return -ENOENT;
	err = script_args(req, &line, script);
	if (err)
		return err;
	err = loader_open(req->ctx, NULL, line.interp, LOOKUP_FOLLOW, &next);
	if (err)
		return err;
	file_put(*file);
	*file = next;
	memcpy(name, line.interp, sizeof(line.interp));
	return 0;
}

/* Follows scripts until something else is found. *file is a reference of the
 * caller's, also on failure. */
static int follow_scripts(const struct loader_request *req, struct file **file)
{
	char head[SCRIPT_HEAD_SIZE], name[SCRIPT_HEAD_SIZE];
	const char *script = req->filename;
	ssize_t n;
	int err;

	for (int depth = 0;; depth++) {
		n = loader_read_head(*file, req->ctx, head, sizeof(head));
		if (n < 0)
			return (int)n;
		if (n < 2 || memcmp(head, "#!", 2))
			return 0;
		err = script_step(req, head, script, file, name);
		if (err)
			return err;
		script = name;
		if (depth == LOADER_MAX_SCRIPT_DEPTH)
			return -ELOOP;
	}
}

static bool is_mappable(struct file *f)
{
	return f->ops->mappable && f->ops->mappable(f);
}

/* PT_INTERP. A bad one is told from a bad program: -ELIBBAD, -EIO when it is short. */
static int check_interp(const struct loader_request *req, struct loader_image *image)
{
	int err;

	if (!image->program.interp)
		return 0;
	err = loader_open(req->ctx, NULL, image->program.interp, LOOKUP_FOLLOW,
			  &image->interp_file);
	if (err)
		return err;
	err = elf_read(image->interp_file, req->ctx, -EIO, &image->interp);
	if (!err && !is_mappable(image->interp_file))
		err = -ELIBBAD;
	return err == -ENOEXEC ? -ELIBBAD : err;
}

static int check_program(const struct loader_request *req, struct loader_image *image)
{
	int err = follow_scripts(req, &image->file);

	if (err)
		return err;
	err = elf_read(image->file, req->ctx, -ENOEXEC, &image->program);
	if (err)
		return err;
	return is_mappable(image->file) ? check_interp(req, image) : -ENOEXEC;
}

int loader_check(const struct loader_request *req, struct loader_image **out)
{
	struct loader_image *image = FAULT_POINT("loader.image") ? NULL : calloc(1, sizeof(*image));
	int err = 0;

	*out = NULL;
	if (!image)
		return -ENOMEM;
	file_get(req->file);
	image->file = req->file;
	/* Programs rely on argv[0]: without one they get an empty one. */
	if (!req->argv->count)
		err = loader_strings_add(req->argv, "", 0, LOADER_ARGS_MAX);
	if (!err)
		err = check_program(req, image);
	if (err)
		loader_image_free(image);
	else
		*out = image;
	return err;
}

struct file *loader_image_file(const struct loader_image *image)
{
	return image->file;
}

void loader_image_free(struct loader_image *image)
{
	if (!image)
		return;
	elf_fini(&image->program);
	elf_fini(&image->interp);
	if (image->interp_file)
		file_put(image->interp_file);
	file_put(image->file);
	free(image);
}

/* Behind the program; a static PIE, which lies among the mappings, gets its heap
 * where other PIEs have theirs. */
static gva_t choose_brk(const struct loader_image *image, const struct elf_mapped *mapped,
			bool no_aslr)
{
	gva_t brk = page_up(mapped->end);

	if (image->program.is_dyn && !image->interp_file)
		brk = elf_pie_base(no_aslr);
	return no_aslr ? brk : brk + loader_random_offset(BRK_RANDOM_SIZE);
}

/* What /proc calls the program: the base name of what was called. */
static void set_comm(char comm[16], const char *filename)
{
	const char *slash = strrchr(filename, '/');
	const char *base = slash ? slash + 1 : filename;

	memset(comm, 0, 16);
	memcpy(comm, base, MIN(strlen(base), (size_t)15));
}

/* Program and interpreter; *interp is zero when there is none. */
static int map_programs(struct mm *mm, const struct loader_image *image,
			const struct loader_request *req, struct elf_mapped *program,
			struct elf_mapped *interp)
{
	int err;

	*interp = (struct elf_mapped){ 0 };
	err = elf_map(mm, &image->program, image->file,
		      image->interp_file ? ELF_PLACE_PIE : ELF_PLACE_MMAP, req->no_aslr, program);
	if (err || !image->interp_file)
		return err;
	return elf_map(mm, &image->interp, image->interp_file, ELF_PLACE_INTERP, req->no_aslr,
		       interp);
}

static void layout_program(struct mm_layout *l, const struct elf_mapped *program, gva_t brk)
{
	l->code_start = program->code_start;
	l->code_end = program->code_end;
	l->data_start = program->data_start;
	l->data_end = program->data_end;
	l->brk_start = l->brk = brk;
}

int loader_load(struct mm *mm, struct loader_image *image, const struct loader_request *req,
		const struct loader_ids *ids, struct loader_result *out)
{
	struct mm_layout layout = { 0 };
	struct elf_mapped program, interp;
	gva_t top, brk;
	int err;

	*out = (struct loader_result){ 0 };
	err = stack_map(mm, req, image->program.exec_stack, &top);
	if (!err)
		err = map_programs(mm, image, req, &program, &interp);
	if (!err)
		err = vdso_map(mm, &layout.vdso);
	if (err)
		return err;
	brk = choose_brk(image, &program, req->no_aslr);
	mm_set_brk_start(mm, brk);
	layout_program(&layout, &program, brk);
	err = stack_fill(mm, top,
			 &(struct stack_request){ .req = req,
						  .ids = ids,
						  .program = &image->program,
						  .mapped = &program,
						  .interp_bias = interp.bias },
			 &layout, &out->stack);
	if (err)
		return err;
	mm_set_layout(mm, &layout);
	(void)mm_install(mm); /* what fails here will fault */
	out->entry = image->interp_file ? interp.entry : program.entry;
	set_comm(out->comm, req->filename);
	file_get(image->file);
	out->exe = image->file;
	return 0;
}
