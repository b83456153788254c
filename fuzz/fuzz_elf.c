/*
 * Programs and scripts as a guest may bring them: the input is the file that execve
 * is called with, and also every interpreter that it names. Whatever it is, it is
 * loaded or refused, without a bad access, an assert, a leaked reference, or an
 * entry point or stack outside the guest.
 *
 * sources: src/loader src/base/panic.c src/base/fault.c src/base/log.c
 * sources: src/base/lock.c src/base/park.c src/host/random.c vdso
 * corpus: elf
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "abi/stat.h"
#include "loader/testlib_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(struct loader_image *image, const struct loader_request *req)
{
	struct loader_ids ids = { 0 };
	struct loader_result res;

	if (loader_load(fake_mm(), image, req, &ids, &res))
		return;
	ASSERT(res.entry < LOADER_TASK_SIZE && res.stack < LOADER_TASK_SIZE);
	ASSERT(res.stack % 16 == 0 && fake_peek64(res.stack) == req->argv->count);
	ASSERT(fake_brk_start() % PAGE_SIZE == 0);
	file_put(res.exe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "/ld.so", "/bin/sh", "script" };
	struct loader_strings argv = { 0 }, envp = { 0 };
	struct loader_request req = {
		.ctx = fake_ctx(), .filename = "script", .argv = &argv, .envp = &envp
	};
	struct loader_image *image;

	fake_reset();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		req.file = fake_file(names[i], data, size, S_IFREG | 0755);
	ASSERT(!loader_strings_add(&argv, "argv0", 5, LOADER_ARGS_MAX));
	if (!loader_check(&req, &image)) {
		load(image, &req);
		loader_image_free(image);
	}
	ASSERT(fake_is_balanced());
	loader_strings_free(&argv);
	loader_strings_free(&envp);
	fake_reset();
	return 0;
}
