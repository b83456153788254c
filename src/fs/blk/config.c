/*
 * What the device says of itself, judged: nothing of it is used before. What is only
 * strange is made possible (a limit of 0 segments means 1); what is impossible is refused, with a
 * sentence.
 */
#include <stdio.h>

#include "fs/blk/internal.h"

#define HAS(bit) (features >> (bit)&1)
#define CONFIG_SIZE offsetof(struct virtio_blk_config, max_secure_erase_sectors)

#define ACCEPTED                                                                                  \
	(VHOST_F_VERSION_1 | VIRTQ_F_EVENT_IDX | 1ull << VIRTIO_BLK_F_SIZE_MAX |                  \
	 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_RO | 1ull << VIRTIO_BLK_F_BLK_SIZE | \
	 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_MQ |   \
	 1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES)

/* More than that is the last structure's end for every device that we know. */
size_t config_size(uint64_t features)
{
	if (HAS(VIRTIO_BLK_F_DISCARD) || HAS(VIRTIO_BLK_F_WRITE_ZEROES))
		return CONFIG_SIZE;
	return offsetof(struct virtio_blk_config, max_discard_sectors);
}

static bool is_power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

static bool judge_blocks(uint64_t features, const struct virtio_blk_config *c,
			 struct blk_limits *out, char *why, size_t size)
{
	out->block_size = HAS(VIRTIO_BLK_F_BLK_SIZE) ? c->blk_size : (uint32_t)SECTOR;
	if (!is_power_of_two(out->block_size) || out->block_size < SECTOR ||
	    out->block_size > PAGE_SIZE) {
		snprintf(why, size, "says that its blocks have %u bytes", out->block_size);
		return false;
	}
	if (c->capacity > (uint64_t)INT64_MAX / SECTOR) {
		snprintf(why, size, "says that it has %llu sectors",
			 (unsigned long long)c->capacity);
		return false;
	}
	out->sectors = c->capacity & ~(out->block_size / SECTOR - 1);
	return true;
}

static bool judge_segments(uint64_t features, const struct virtio_blk_config *c,
			   struct blk_limits *out, char *why, size_t size)
{
	uint32_t segments = HAS(VIRTIO_BLK_F_SEG_MAX) ? c->seg_max : 1;

	out->segments_max = MIN(MAX(segments, 1u), SEGMENTS_MAX);
	out->segment_size = (uint32_t)REQUEST_BYTES_MAX;
	if (!HAS(VIRTIO_BLK_F_SIZE_MAX) || !c->size_max)
		return true;
	if (c->size_max < out->block_size) {
		snprintf(why, size, "takes pieces of at most %u bytes, less than a block",
			 c->size_max);
		return false;
	}
	out->segment_size = MIN(out->segment_size, c->size_max & ~(out->block_size - 1));
	return true;
}

/* Wishes only: those that cannot be are not listened to. */
static void judge_topology(uint64_t features, const struct virtio_blk_config *c,
			   struct blk_limits *out)
{
	out->physical_size = out->io_min = out->block_size;
	if (!HAS(VIRTIO_BLK_F_TOPOLOGY))
		return;
	if (c->physical_block_exp <= 12)
		out->physical_size = out->io_min = out->block_size << c->physical_block_exp;
	out->alignment = c->alignment_offset * out->block_size % out->physical_size;
	if (c->min_io_size)
		out->io_min = MAX(out->io_min, c->min_io_size * out->block_size);
	if (c->opt_io_size <= UINT32_MAX / out->block_size)
		out->io_opt = c->opt_io_size * out->block_size;
}

static void judge_ranges(uint64_t features, const struct virtio_blk_config *c,
			 struct blk_limits *out)
{
	uint32_t unit = out->block_size / SECTOR;

	out->discard_unit = unit;
	if (HAS(VIRTIO_BLK_F_DISCARD) && c->max_discard_seg) {
		out->discard_max = c->max_discard_sectors & ~(unit - 1);
		if (is_power_of_two(c->discard_sector_alignment))
			out->discard_unit = MAX(unit, c->discard_sector_alignment);
		if (out->discard_max < out->discard_unit)
			out->discard_max = 0;
	}
	if (HAS(VIRTIO_BLK_F_WRITE_ZEROES) && c->max_write_zeroes_seg)
		out->write_zeroes_max = c->max_write_zeroes_sectors & ~(unit - 1);
	out->may_unmap = c->write_zeroes_may_unmap;
}

bool config_judge(uint64_t features, const struct virtio_blk_config *c, struct blk_limits *out,
		  char *why, size_t size)
{
	*out = (struct blk_limits){ .features = features & ACCEPTED };
	if (!judge_blocks(features, c, out, why, size) ||
	    !judge_segments(features, c, out, why, size))
		return false;
	judge_topology(features, c, out);
	judge_ranges(features, c, out);
	out->nr_queues = HAS(VIRTIO_BLK_F_MQ) ? MAX(c->num_queues, 1) : 1;
	return true;
}
