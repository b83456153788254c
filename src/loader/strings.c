/*
 * Argument and environment strings: one buffer, strings one after the other,
 * each with its NUL. This is also how they lie on the stack, so that they get
 * there in one copy.
 */
#include "loader/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

uint64_t loader_arg_limit(uint64_t stack_rlimit)
{
	uint64_t limit = MIN(stack_rlimit / 4, (uint64_t)LOADER_ARGS_MAX);

	return MAX(limit, (uint64_t)LOADER_ARGS_MIN);
}

size_t loader_strings_used(const struct loader_strings *s)
{
	return s->size + s->count * sizeof(uint64_t);
}

/* Makes room for size more bytes. */
static int strings_reserve(struct loader_strings *s, size_t size)
{
	size_t capacity = MAX(s->capacity, (size_t)1024);
	char *data;

	if (s->capacity - s->size >= size)
		return 0;
	while (capacity - s->size < size)
		capacity *= 2;
	data = FAULT_POINT("loader.strings") ? NULL : realloc(s->data, capacity);
	if (!data)
		return -ENOMEM;
	s->data = data;
	s->capacity = capacity;
	return 0;
}

/* Puts a string at byte offset `at`, which is a string's start or the end. */
static int strings_insert(struct loader_strings *s, size_t at, const char *str, size_t len,
			  size_t limit)
{
	size_t used = loader_strings_used(s);
	int err;

	if (len >= LOADER_MAX_ARG_STRLEN)
		return -E2BIG;
	if (used > limit || limit - used < len + 1 + sizeof(uint64_t))
		return -E2BIG;
	err = strings_reserve(s, len + 1);
	if (err)
		return err;
	memmove(s->data + at + len + 1, s->data + at, s->size - at);
	memcpy(s->data + at, str, len);
	s->data[at + len] = '\0';
	s->size += len + 1;
	s->count++;
	return 0;
}

int loader_strings_add(struct loader_strings *s, const char *str, size_t len, size_t limit)
{
	return strings_insert(s, s->size, str, len, limit);
}

int loader_strings_prepend(struct loader_strings *s, const char *str, size_t limit)
{
	return strings_insert(s, 0, str, strlen(str), limit);
}

void loader_strings_drop_first(struct loader_strings *s)
{
	size_t size;

	if (!s->count)
		return;
	size = strlen(s->data) + 1;
	memmove(s->data, s->data + size, s->size - size);
	s->size -= size;
	s->count--;
}

void loader_strings_free(struct loader_strings *s)
{
	free(s->data);
	*s = (struct loader_strings){ 0 };
}
