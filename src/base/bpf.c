/*
 * The checks, in the order of Linux's: each instruction by itself; the last one
 * returns; no word of M is loaded on a path that has not stored it.
 */
#include "base/bpf.h"

#include <string.h>

/* ---- each instruction by itself ---- */

static bool is_alu(uint16_t code)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_DIV:
	case BPF_MOD:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
	case BPF_LSH:
	case BPF_RSH:
		return true;
	case BPF_NEG:
		return BPF_SRC(code) == BPF_K;
	default:
		return false;
	}
}

static bool is_jump(uint16_t code)
{
	switch (BPF_OP(code)) {
	case BPF_JA:
		return BPF_SRC(code) == BPF_K;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return true;
	default:
		return false;
	}
}

static bool is_load(uint16_t code)
{
	switch (code) {
	case BPF_LD | BPF_W | BPF_ABS:
	case BPF_LD | BPF_H | BPF_ABS:
	case BPF_LD | BPF_B | BPF_ABS:
	case BPF_LD | BPF_W | BPF_IND:
	case BPF_LD | BPF_H | BPF_IND:
	case BPF_LD | BPF_B | BPF_IND:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_B | BPF_MSH:
	case BPF_LDX | BPF_IMM:
	case BPF_LDX | BPF_MEM:
		return true;
	default:
		return false;
	}
}

static bool is_known(uint16_t code)
{
	if (code > 0xff)
		return false;
	switch (BPF_CLASS(code)) {
	case BPF_LD:
	case BPF_LDX:
		return is_load(code);
	case BPF_ST:
	case BPF_STX:
		return code == BPF_CLASS(code);
	case BPF_ALU:
		return is_alu(code);
	case BPF_JMP:
		return is_jump(code);
	case BPF_RET:
		return code == (BPF_RET | BPF_K) || code == (BPF_RET | BPF_A);
	default:
		return code == (BPF_MISC | BPF_TAX) || code == (BPF_MISC | BPF_TXA);
	}
}

/* Offsets from SKF_AD_OFF on are no offsets but names of other things to load. */
static bool is_offset(uint32_t k)
{
	uint32_t extension = k - (uint32_t)SKF_AD_OFF;

	if (k < (uint32_t)SKF_AD_OFF)
		return true;
	return extension < SKF_AD_MAX && extension % 4 == 0;
}

static bool is_alu_operand(uint16_t code, uint32_t k)
{
	if (BPF_SRC(code) == BPF_X)
		return true;
	switch (BPF_OP(code)) {
	case BPF_DIV:
	case BPF_MOD:
		return k != 0;
	case BPF_LSH:
	case BPF_RSH:
		return k < 32;
	default:
		return true;
	}
}

/* left: the instructions after this one. */
static bool operands_are_valid(const struct sock_filter *i, unsigned left)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(i->code) == BPF_MEM)
			return i->k < BPF_MEMWORDS;
		return BPF_MODE(i->code) != BPF_ABS || is_offset(i->k);
	case BPF_ST:
	case BPF_STX:
		return i->k < BPF_MEMWORDS;
	case BPF_ALU:
		return is_alu_operand(i->code, i->k);
	case BPF_JMP:
		if (BPF_OP(i->code) == BPF_JA)
			return i->k < left;
		return i->jt < left && i->jf < left;
	default:
		return true;
	}
}

/* ---- words of M ---- */

/* What is stored on every path, a bit a word, is carried along, and to the places
 * that are jumped to: there, only what all ways to it have stored is left. */
static bool loads_are_stored(const struct sock_filter *prog, unsigned count)
{
	uint16_t at[BPF_PROGRAM_MAX], stored = 0;

	memset(at, 0xff, count * sizeof(at[0]));
	for (unsigned pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &prog[pc];

		stored &= at[pc];
		switch (i->code) {
		case BPF_ST:
		case BPF_STX:
			stored |= (uint16_t)(1u << i->k);
			break;
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
			if (!(stored >> i->k & 1))
				return false;
			break;
		case BPF_JMP | BPF_JA:
			at[pc + 1 + i->k] &= stored;
			stored = 0xffff;
			break;
		default:
			if (BPF_CLASS(i->code) != BPF_JMP)
				break;
			at[pc + 1 + i->jt] &= stored;
			at[pc + 1 + i->jf] &= stored;
			stored = 0xffff;
		}
	}
	return true;
}

bool bpf_is_valid(const struct sock_filter *prog, unsigned count)
{
	if (count == 0 || count > BPF_PROGRAM_MAX)
		return false;
	for (unsigned pc = 0; pc < count; pc++) {
		if (!is_known(prog[pc].code) || !operands_are_valid(&prog[pc], count - pc - 1))
			return false;
	}
	return BPF_CLASS(prog[count - 1].code) == BPF_RET && loads_are_stored(prog, count);
}

/* ---- running ---- */

struct machine {
	uint32_t a, x;
	uint32_t m[BPF_MEMWORDS];
};

static bool do_load(struct machine *s, const struct sock_filter *i, const struct bpf_view *v)
{
	static const unsigned sizes[] = { 4, 2, 1 };
	unsigned size = sizes[BPF_SIZE(i->code) >> 3 & 3];
	uint32_t off = i->k;

	switch (BPF_MODE(i->code)) {
	case BPF_IMM:
		s->a = i->k;
		return true;
	case BPF_MEM:
		s->a = s->m[i->k];
		return true;
	case BPF_LEN:
		s->a = v->size;
		return true;
	case BPF_IND:
		off += s->x;
		break;
	}
	return v->load(v, off, size, &s->a);
}

static bool do_load_x(struct machine *s, const struct sock_filter *i, const struct bpf_view *v)
{
	switch (BPF_MODE(i->code)) {
	case BPF_IMM:
		s->x = i->k;
		return true;
	case BPF_MEM:
		s->x = s->m[i->k];
		return true;
	case BPF_LEN:
		s->x = v->size;
		return true;
	default: /* BPF_MSH: the length of an IP header */
		if (!v->load(v, i->k, 1, &s->x))
			return false;
		s->x = (s->x & 0xf) << 2;
		return true;
	}
}

static bool do_alu(struct machine *s, const struct sock_filter *i)
{
	uint32_t b = BPF_SRC(i->code) == BPF_X ? s->x : i->k;

	switch (BPF_OP(i->code)) {
	case BPF_ADD:
		s->a += b;
		break;
	case BPF_SUB:
		s->a -= b;
		break;
	case BPF_MUL:
		s->a *= b;
		break;
	case BPF_DIV:
	case BPF_MOD:
		if (!b)
			return false;
		s->a = BPF_OP(i->code) == BPF_DIV ? s->a / b : s->a % b;
		break;
	case BPF_AND:
		s->a &= b;
		break;
	case BPF_OR:
		s->a |= b;
		break;
	case BPF_XOR:
		s->a ^= b;
		break;
	case BPF_LSH:
		s->a <<= b & 31;
		break;
	case BPF_RSH:
		s->a >>= b & 31;
		break;
	case BPF_NEG:
		s->a = -s->a;
		break;
	}
	return true;
}

/* How many instructions are left out. */
static uint32_t do_jump(const struct machine *s, const struct sock_filter *i)
{
	uint32_t b = BPF_SRC(i->code) == BPF_X ? s->x : i->k;
	bool taken;

	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		taken = s->a == b;
		break;
	case BPF_JGT:
		taken = s->a > b;
		break;
	case BPF_JGE:
		taken = s->a >= b;
		break;
	case BPF_JSET:
		taken = s->a & b;
		break;
	default: /* BPF_JA */
		return i->k;
	}
	return taken ? i->jt : i->jf;
}

uint32_t bpf_run(const struct sock_filter *prog, const struct bpf_view *v)
{
	struct machine s = { 0 };

	for (const struct sock_filter *i = prog;; i++) {
		bool ok = true;

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			ok = do_load(&s, i, v);
			break;
		case BPF_LDX:
			ok = do_load_x(&s, i, v);
			break;
		case BPF_ST:
			s.m[i->k] = s.a;
			break;
		case BPF_STX:
			s.m[i->k] = s.x;
			break;
		case BPF_ALU:
			ok = do_alu(&s, i);
			break;
		case BPF_JMP:
			i += do_jump(&s, i);
			break;
		case BPF_RET:
			return BPF_RVAL(i->code) == BPF_A ? s.a : i->k;
		case BPF_MISC:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				s.x = s.a;
			else
				s.a = s.x;
			break;
		}
		if (unlikely(!ok))
			return 0;
	}
}

/* ---- Linux's own form ---- */

#define CONVERTED_PROLOGUE 3

static unsigned converted_jump(const struct sock_filter *i)
{
	/* Its immediates are signed: a large one takes a register. */
	unsigned large = BPF_SRC(i->code) == BPF_K && (int32_t)i->k < 0;

	/* It jumps to one place only, or falls through: the negation of JSET is not there. */
	if (BPF_OP(i->code) == BPF_JA)
		return 1;
	if (i->jf == 0 || (i->jt == 0 && BPF_OP(i->code) != BPF_JSET))
		return large + 1;
	return large + 2;
}

unsigned bpf_converted_count(const struct sock_filter *prog, unsigned count)
{
	unsigned n = CONVERTED_PROLOGUE;

	for (unsigned pc = 0; pc < count; pc++) {
		switch (prog[pc].code) {
		case BPF_ALU | BPF_DIV | BPF_X:
		case BPF_ALU | BPF_MOD | BPF_X:
			n += 5; /* with a test for 0 */
			break;
		case BPF_RET | BPF_K:
			n += 2;
			break;
		default:
			n += BPF_CLASS(prog[pc].code) == BPF_JMP ? converted_jump(&prog[pc]) : 1;
		}
	}
	return n;
}
