/* Which places get trampolines, and what they look like: trampoline.h. */
#include "task/trampoline.h"

#include <string.h>

#include "abi/syscall_nr.h"
#include "task/internal.h"

/* A slot: where the jump goes, where the slot goes, and its code: the instruction that the
 * jump took the place of, the address to return to, and the way to the gate. */
#define SLOT_SIZE 40
#define SLOT_GATE 8
#define SLOT_CODE 16
#define SLOT_BACK (SLOT_CODE + 7)
#define SLOT_END (SLOT_CODE + 21)

#define JUMP_SIZE 7
#define HEAD_SIZE (JUMP_SIZE - 2)
#define PADDING_SIZE JUMP_SIZE
/* What is looked at before and behind a `syscall`. */
#define BEFORE 6
#define BEHIND 16

/* Numbers that the platform needs all registers for, or that nobody calls often. */
static bool is_unfit(int64_t nr)
{
	switch (nr) {
	case ABI_NR_clone:
	case ABI_NR_clone3:
	case ABI_NR_fork:
	case ABI_NR_vfork:
	case ABI_NR_execve:
	case ABI_NR_execveat:
	case ABI_NR_exit:
	case ABI_NR_exit_group:
	case ABI_NR_rt_sigreturn:
		return true;
	default:
		return nr < 0 || nr > UINT16_MAX;
	}
}

/* ---- what is written ---- */

static void put_jump(uint8_t jump[JUMP_SIZE], gva_t slot)
{
	uint32_t at = (uint32_t)slot;

	jump[0] = 0xff; /* jmp *slot */
	jump[1] = 0x24;
	jump[2] = 0x25;
	memcpy(jump + 3, &at, sizeof(at));
}

static void put_slot(uint8_t slot[SLOT_SIZE], gva_t at, const uint8_t head[HEAD_SIZE], gva_t back,
		     uint64_t gate)
{
	uint64_t code = at + SLOT_CODE;
	int32_t to_gate = SLOT_GATE - SLOT_END;

	memset(slot, 0xcc, SLOT_SIZE);
	memcpy(slot, &code, sizeof(code));
	memcpy(slot + SLOT_GATE, &gate, sizeof(gate));
	memcpy(slot + SLOT_CODE, head, HEAD_SIZE);
	slot[SLOT_BACK - 2] = 0x48; /* movabs $back,%rcx */
	slot[SLOT_BACK - 1] = 0xb9;
	memcpy(slot + SLOT_BACK, &back, sizeof(back));
	slot[SLOT_END - 6] = 0xff; /* jmp *gate(%rip) */
	slot[SLOT_END - 5] = 0x25;
	memcpy(slot + SLOT_END - 4, &to_gate, sizeof(to_gate));
}

/* A slot that does what head does, and goes on behind the call; 0: none. */
static gva_t make_slot(struct task *t, const uint8_t head[HEAD_SIZE], gva_t back)
{
	uint64_t gate = platform_call_gate(t->kernel->platform);
	uint8_t code[SLOT_SIZE];
	gva_t at;

	if (!gate)
		return 0;
	at = mm_code_space(t->mm, TRAMPOLINE_TABLE, TRAMPOLINE_TABLE_SIZE, SLOT_SIZE);
	if (!at)
		return 0;
	put_slot(code, at, head, back, gate);
	return mm_put_code(t->mm, at, code, sizeof(code)) == 0 ? at : 0;
}

/* ---- the kinds of places ---- */

/* What surrounds a `syscall`: the bytes before it and behind it, all of one page. */
struct place {
	uint8_t before[BEFORE], behind[BEHIND];
};

static bool read_place(struct task *t, gva_t back, struct place *p)
{
	gva_t from = back - 2 - BEFORE;
	uint8_t buf[BEFORE + 2 + BEHIND];

	if (page_down(from) != page_down(back + BEHIND - 1) ||
	    mm_read_partial(t->mm, buf, from, sizeof(buf), true) != (ssize_t)sizeof(buf) ||
	    buf[BEFORE] != 0x0f || buf[BEFORE + 1] != 0x05)
		return false;
	memcpy(p->before, buf, BEFORE);
	memcpy(p->behind, buf + BEFORE + 2, BEHIND);
	return true;
}

/* mov $nr,%eax; syscall. Behind a REX prefix it would be another instruction. */
static bool is_mov(const struct place *p, uint32_t nr)
{
	return p->before[BEFORE - 5] == 0xb8 && memcmp(p->before + BEFORE - 4, &nr, 4) == 0 &&
	       (p->before[BEFORE - 6] & 0xf0) != 0x40;
}

/* mov 8(%rsp),%r9; syscall: libc's syscall(), whose number is in rax already. */
static const uint8_t any_head[HEAD_SIZE] = { 0x4c, 0x8b, 0x4c, 0x24, 0x08 };

static bool is_any(const struct place *p)
{
	return memcmp(p->before + BEFORE - HEAD_SIZE, any_head, HEAD_SIZE) == 0;
}

/* The 5 bytes before the instruction move to the slot. */
static void patch_head(struct task *t, gva_t back, const struct place *p)
{
	uint8_t old[JUMP_SIZE], jump[JUMP_SIZE];
	gva_t slot = make_slot(t, p->before + BEFORE - HEAD_SIZE, back);

	if (!slot)
		return;
	memcpy(old, p->before + BEFORE - HEAD_SIZE, HEAD_SIZE);
	memcpy(old + HEAD_SIZE, "\x0f\x05", 2);
	put_jump(jump, slot);
	(void)!mm_patch_text(t->mm, back - JUMP_SIZE, old, jump, JUMP_SIZE);
}

/* How libc ends its read(): there are 4 bytes only, but padding behind the `ret`, which
 * nothing runs. The code goes straight on to it from the place that trapped, so this
 * is how it is cut into instructions. */
static const uint8_t read_end[] = {
	0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, /* cmp $-4096,%rax */
	0x77, 0x00,                         /* ja (any) */
	0xc3,                               /* ret */
};
static const uint8_t padding[][PADDING_SIZE] = {
	{ 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00 },
	{ 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00 },
	{ 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00 },
};

static bool is_read(const struct place *p)
{
	uint8_t end[sizeof(read_end)];

	memcpy(end, p->behind, sizeof(end));
	end[7] = 0;
	if (p->before[BEFORE - 2] != 0x31 || p->before[BEFORE - 1] != 0xc0 || /* xor %eax,%eax */
	    (p->before[BEFORE - 3] & 0xf0) == 0x40 || memcmp(end, read_end, sizeof(end)) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(padding); i++) {
		if (memcmp(p->behind + sizeof(read_end), padding[i], PADDING_SIZE) == 0)
			return true;
	}
	return false;
}

/* The padding first: nobody goes there yet. */
static void patch_read(struct task *t, gva_t back, const struct place *p)
{
	static const uint8_t old[] = { 0x31, 0xc0 },
			     hop[] = { 0xeb, 2 + sizeof(read_end) };  /* over it */
	static const uint8_t head[HEAD_SIZE] = { 0xb8, ABI_NR_read }; /* mov $0,%eax */
	gva_t slot = make_slot(t, head, back);
	uint8_t jump[JUMP_SIZE];

	if (!slot)
		return;
	put_jump(jump, slot);
	if (mm_patch_text(t->mm, back + sizeof(read_end), p->behind + sizeof(read_end), jump,
			  JUMP_SIZE) == 0)
		(void)!mm_patch_text(t->mm, back - 4, old, hop, sizeof(hop));
}

/* What fails is tried again by the next task that comes here often. */
static void make_trampoline(struct task *t, gva_t back)
{
	struct place p;

	if (t->kernel->no_trampolines || is_unfit(t->sysno) || !read_place(t, back, &p))
		return;
	if (is_mov(&p, (uint32_t)t->sysno) || is_any(&p))
		patch_head(t, back, &p);
	else if (t->sysno == ABI_NR_read && is_read(&p))
		patch_read(t, back, &p);
}

void trampoline_seen(struct task *t)
{
	struct trampoline_count *c =
		&t->trampolines[(t->regs.rip ^ t->regs.rip >> 8) % TRAMPOLINE_COUNTS];

	if (c->rip != t->regs.rip) {
		c->rip = t->regs.rip;
		c->hits = 0;
	}
	if (++c->hits == TRAMPOLINE_HITS)
		make_trampoline(t, t->regs.rip);
}

/* Does what the slot's first instruction would have done. */
static bool do_head(struct task *t, const uint8_t head[HEAD_SIZE])
{
	uint32_t nr;

	if (head[0] == 0xb8) {
		memcpy(&nr, head + 1, sizeof(nr));
		t->regs.rax = nr;
		return true;
	}
	return memcmp(head, any_head, HEAD_SIZE) == 0 &&
	       mm_copy_in(t->mm, &t->regs.r9, t->regs.rsp + 8, sizeof(t->regs.r9)) == 0;
}

void trampoline_leave(struct task *t)
{
	gva_t offset = t->regs.rip - TRAMPOLINE_TABLE;
	uint8_t slot[SLOT_SIZE];

	if (likely(offset >= TRAMPOLINE_TABLE_SIZE) ||
	    mm_read_partial(t->mm, slot, t->regs.rip - offset % SLOT_SIZE, sizeof(slot), true) !=
		    (ssize_t)sizeof(slot) ||
	    slot[SLOT_BACK - 2] != 0x48 || slot[SLOT_BACK - 1] != 0xb9)
		return;
	if (offset % SLOT_SIZE == SLOT_CODE && !do_head(t, slot + SLOT_CODE))
		return; /* it will fault */
	memcpy(&t->regs.rip, slot + SLOT_BACK, sizeof(t->regs.rip));
	t->regs.rip -= 2;
}
