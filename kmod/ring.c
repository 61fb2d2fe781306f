// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings' pages and their mapping.
 *
 * What user space writes to the pages has no meaning here but for one question, "is there
 * anything", which poll(2) asks and a wrong answer to which hurts only the two that share them.
 * Pages are not reused before both have unmapped them.
 *
 * A ring is mapped twice in a row in user space, so on a machine with a virtually indexed cache the
 * two views would have to be coloured; 64-bit machines of today have none.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vgpu.h>

#include "compat.h"
#include "ring.h"

/*
 * Charged to the caller's cgroup. RETRY_MAYFAIL: a caller that asks for more than there is gets
 * ENOMEM, and nobody gets the OOM killer.
 */
#define RING_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static void ring_free(struct vgpu_ring *ring)
{
	u32 i;

	if (!ring->pages)
		return;
	for (i = 0; i < ring->bytes >> PAGE_SHIFT && ring->pages[i]; i++)
		__free_page(ring->pages[i]);
	kvfree(ring->pages);
}

/* What was allocated before a failure is ring_free()'s to find. */
static int ring_alloc(struct vgpu_ring *ring, u32 bytes)
{
	u32 i, nr = bytes >> PAGE_SHIFT;

	ring->bytes = bytes;
	ring->pages = kvcalloc(nr, sizeof(*ring->pages), GFP_KERNEL_ACCOUNT);
	if (!ring->pages)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		/* Up to 32768 pages: a killed process need not wait for the rest. */
		if (fatal_signal_pending(current))
			return -EINTR;
		ring->pages[i] = alloc_page(RING_GFP);
		if (!ring->pages[i])
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

struct vgpu_rings *vgpu_rings_alloc(u32 sq_bytes, u32 cq_bytes)
{
	struct vgpu_rings *rings;
	int ret = -ENOMEM;

	BUILD_BUG_ON(sizeof(struct vgpu_control) > PAGE_SIZE);
	BUILD_BUG_ON(VGPU_RING_MIN < PAGE_SIZE);

	rings = kzalloc(sizeof(*rings), GFP_KERNEL_ACCOUNT);
	if (!rings)
		return ERR_PTR(-ENOMEM);
	rings->control = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!rings->control)
		goto err_free;
	ret = ring_alloc(&rings->sq, sq_bytes);
	if (ret)
		goto err_free;
	ret = ring_alloc(&rings->cq, cq_bytes);
	if (ret)
		goto err_free;
	return rings;

err_free:
	vgpu_rings_free(rings);
	return ERR_PTR(ret);
}

void vgpu_rings_free(struct vgpu_rings *rings)
{
	if (!rings)
		return;
	ring_free(&rings->cq);
	ring_free(&rings->sq);
	free_page((unsigned long)rings->control);
	kfree(rings);
}

void vgpu_rings_set_state(struct vgpu_rings *rings, u32 state)
{
	WRITE_ONCE(rings->control->state, state);
}

static u64 filled(const struct vgpu_ring_side *head, const struct vgpu_ring_side *tail)
{
	return READ_ONCE(head->index) - READ_ONCE(tail->index);
}

/*
 * A producer that sleeps says in its asleep word how many bytes it waits for. One free byte would
 * wake it again and again while it can do nothing.
 */
static bool has_room(const struct vgpu_ring_side *head, const struct vgpu_ring_side *tail,
		     u32 bytes)
{
	u32 wanted = clamp(READ_ONCE(head->asleep), 1u, bytes);
	u64 used = filled(head, tail);

	return used <= bytes - wanted;
}

bool vgpu_sq_is_empty(const struct vgpu_rings *rings)
{
	return !filled(&rings->control->sq_head, &rings->control->sq_tail);
}

bool vgpu_sq_has_room(const struct vgpu_rings *rings)
{
	return has_room(&rings->control->sq_head, &rings->control->sq_tail, rings->sq.bytes);
}

bool vgpu_cq_is_empty(const struct vgpu_rings *rings)
{
	return !filled(&rings->control->cq_head, &rings->control->cq_tail);
}

bool vgpu_cq_has_room(const struct vgpu_rings *rings)
{
	return has_room(&rings->control->cq_head, &rings->control->cq_tail, rings->cq.bytes);
}

static int insert(struct vm_area_struct *vma, unsigned long addr, struct page **pages, u32 bytes)
{
	unsigned long nr = bytes >> PAGE_SHIFT;

	return vm_insert_pages(vma, addr, pages, &nr);
}

static int mmap_control(struct vgpu_rings *rings, struct vm_area_struct *vma)
{
	struct page *page = virt_to_page(rings->control);

	if (vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;
	return insert(vma, vma->vm_start, &page, PAGE_SIZE);
}

static int mmap_ring(struct vgpu_ring *ring, struct vm_area_struct *vma)
{
	int ret;

	if (vma->vm_end - vma->vm_start != 2 * (unsigned long)ring->bytes)
		return -EINVAL;
	ret = insert(vma, vma->vm_start, ring->pages, ring->bytes);
	if (ret)
		return ret;
	return insert(vma, vma->vm_start + ring->bytes, ring->pages, ring->bytes);
}

/*
 * All pages are inserted now and there is no fault handler: who punches a hole with
 * madvise(MADV_DONTNEED) gets SIGBUS there, in its own process.
 */
int vgpu_rings_mmap(struct vgpu_rings *rings, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC))
		return -EINVAL;
	/*
	 * A child that wrote to its parent's rings would break the order of frames, so the mappings
	 * are not inherited. Neither do they grow, become executable or go into a core dump, where
	 * other people's data has no place.
	 */
	vgpu_vm_flags(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);

	switch ((u64)vma->vm_pgoff << PAGE_SHIFT) {
	case VGPU_MMAP_CONTROL:
		return mmap_control(rings, vma);
	case VGPU_MMAP_SQ:
		return mmap_ring(&rings->sq, vma);
	case VGPU_MMAP_CQ:
		return mmap_ring(&rings->cq, vma);
	default:
		return -EINVAL;
	}
}
