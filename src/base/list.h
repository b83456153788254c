/* Intrusive circular doubly linked lists. A node that is on no list points to
 * itself (list_init) so that list_del is harmless twice. */
#pragma once

#include "base/base.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_push_back(struct list *head, struct list *n)
{
	list_insert_between(n, head->prev, head);
}

static inline void list_push_front(struct list *head, struct list *n)
{
	list_insert_between(n, head, head->next);
}

static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Moves everything on src to the end of dst; src becomes empty. */
static inline void list_splice_back(struct list *dst, struct list *src)
{
	if (list_empty(src))
		return;
	src->next->prev = dst->prev;
	dst->prev->next = src->next;
	src->prev->next = dst;
	dst->prev = src->prev;
	list_init(src);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_last(head, type, member) list_entry((head)->prev, type, member)

#define list_for_each(it, head, type, member)                                          \
	for (type *it = list_entry((head)->next, type, member); &it->member != (head); \
	     it = list_entry(it->member.next, type, member))

/* The current entry may be removed (or freed) in the body. */
#define list_for_each_safe(it, tmp, head, type, member)             \
	for (type *it = list_entry((head)->next, type, member),     \
		  *tmp = list_entry(it->member.next, type, member); \
	     &it->member != (head); it = tmp, tmp = list_entry(it->member.next, type, member))
