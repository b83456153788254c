/*
 * The first line of a script: "#!", blanks, the interpreter's path, and
 * optionally blanks and one argument, which runs to the end of the line with
 * blanks of its own inside.
 *
 * Only SCRIPT_HEAD_SIZE bytes are looked at. A line that is longer loses the end
 * of its argument, silently, as in Linux; but an interpreter's name that may have
 * been cut is an error: another program could have that shorter name.
 */
#include "loader/internal.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_end(char c)
{
	return is_blank(c) || c == '\n' || c == '\0';
}

/* The line's end: its newline, or the first NUL, or the buffer's last byte, which
 * Linux needs for a NUL of its own. */
static const char *line_end(const char *head)
{
	size_t n = strnlen(head, SCRIPT_HEAD_SIZE);
	const char *newline = memchr(head, '\n', n);

	return newline ? newline : head + MIN(n, (size_t)SCRIPT_HEAD_SIZE - 1);
}

int script_parse(const char *head, struct script_line *out)
{
	const char *end, *p, *start;

	*out = (struct script_line){ 0 };
	if (head[0] != '#' || head[1] != '!')
		return -ENOEXEC;
	end = line_end(head);
	for (p = head + 2; p < end && is_blank(*p);)
		p++;
	for (start = p; p < end && !is_blank(*p);)
		p++;
	if (p == start || (p == end && !is_end(*p)))
		return -ENOEXEC;
	memcpy(out->interp, start, (size_t)(p - start));

	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	out->has_arg = end > p;
	memcpy(out->arg, p, (size_t)(end - p));
	return 0;
}
