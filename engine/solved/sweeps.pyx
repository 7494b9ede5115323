"""Sweeps over the slabs of a layer: which worker updates which slab, and when a layer is finished. See sweeps.pxd."""

from libc.math cimport INFINITY
from libc.string cimport memset
from engine.core.rules cimport popcount
from engine.machine.atomics cimport add, get, put
from engine.solved.order cimport Index, progress_of
from engine.machine.cores import run_parallel


cdef extern from "<sched.h>" nogil:
    int sched_yield() noexcept


cdef void end_sweep(Schedule* schedule) noexcept nogil:
    """Decides, after all slabs of a sweep, whether another one follows and how."""
    cdef int k
    cdef double change = 0
    for k in range(schedule.workers):
        change = max(change, schedule.change[k * CACHE_LINE])
        schedule.change[k * CACHE_LINE] = 0
    if schedule.sweep > 0:
        schedule.residual = change
        if change <= schedule.tolerance:
            put(&schedule.finished, 1)
        elif change >= schedule.best and change < schedule.noise:
            if schedule.omega == 1.0:
                schedule.stalled += 1
                put(&schedule.finished, schedule.stalled == 2)
            schedule.omega = 1.0
        schedule.best = min(schedule.best, change)
    put(&schedule.sweep, schedule.sweep + 1)


cdef void work(Schedule* schedule, int worker) noexcept nogil:
    """One worker's share: takes slabs in order, each as soon as all of higher progress are done."""
    cdef int ticket, sweep, slab, before, spins
    cdef double change
    while True:
        ticket = add(&schedule.next, 1)
        sweep = ticket // schedule.slabs
        slab = ticket % schedule.slabs
        before = sweep * schedule.slabs + (schedule.before[slab] if sweep else 0)
        spins = 0
        while get(&schedule.done) < before or (slab and get(&schedule.sweep) < sweep):
            if get(&schedule.stop) or get(&schedule.finished):
                return
            spins += 1
            if spins > 200:
                sched_yield()
        if slab == 0 and sweep:
            end_sweep(schedule)
        if get(&schedule.stop) or get(&schedule.finished):
            return
        change = schedule.run(schedule.context, schedule.slab[slab], sweep)
        schedule.change[worker * CACHE_LINE] = max(schedule.change[worker * CACHE_LINE], change)
        add(&schedule.done, 1)


cdef void schedule_slabs(
    Schedule* schedule, const Index* index, int leader, SlabPass run, void* context, double tolerance, double omega
) noexcept nogil:
    """Lists the slabs of a layer whose leader has so many pieces left; for one worker, unless `workers` is changed."""
    cdef int k, progress
    cdef int last = -1
    cdef int level = 0
    memset(schedule, 0, sizeof(Schedule))
    schedule.run = run
    schedule.context = context
    schedule.tolerance = tolerance
    schedule.noise = 1e-13
    schedule.omega = omega
    schedule.best = INFINITY
    schedule.workers = 1
    for k in range(index.far_masks):
        if popcount(index.slabs[k]) > leader:
            continue
        progress = progress_of(index.slabs[k])
        if progress != last:
            last = progress
            level = schedule.slabs
        schedule.slab[schedule.slabs] = k
        schedule.before[schedule.slabs] = level
        schedule.slabs += 1


cdef class SlabSweeps:
    """The sweeps over one layer. The threads hold it, so that what they use lives as long as they do."""

    def run(self, int workers):
        """Sweeps until done, or until Ctrl-C."""
        def task(int worker):
            with nogil:
                work(&self.schedule, worker)

        self.schedule.workers = workers
        run_parallel(task, workers, on_interrupt=self.stop)

    def stop(self):
        """Makes the workers end early."""
        put(&self.schedule.stop, 1)


cdef class Tickets:
    """What the workers of a pass share; alive as long as they are."""

    def stop(self):
        """Makes the workers end early."""
        put(&self.stopped, 1)
