# Sweeps over the slabs of a layer, by several workers, with the same result as by one.

from engine.solved.order cimport MOST_FAR_MASKS, Index


cdef enum:
    MAX_WORKERS = 1024
    CACHE_LINE = 8              # doubles


# Updates one slab (a number in the index's slabs) -> the largest change of a value. Sweep 0 prepares; its result is not
# used.
ctypedef double (*SlabPass)(void* context, int slab, int sweep) noexcept nogil


# A move without capture leads to a slab of higher progress or stays in its slab, so slabs of equal progress are
# independent of each other, up to captures, which read the sweep before. Each slab waits for all of higher progress:
# every value then comes from the same inputs, however many workers there are.
ctypedef struct Schedule:
    SlabPass run
    void* context
    int slabs                   # how many there are
    int slab[MOST_FAR_MASKS]    # their numbers in the index's slabs
    int before[MOST_FAR_MASKS]  # the number of slabs of higher progress
    int next                    # slabs taken, over all sweeps
    int done                    # slabs finished, over all sweeps
    int sweep                   # the sweep that may begin
    int finished                # no further sweep follows
    int stop                    # set from outside: the workers end early
    int workers
    double tolerance            # the change at which no further sweep follows
    double noise                # a change below this one that grows is rounding
    double omega                # over-relaxation
    double residual             # the largest change of the last sweep
    double best                 # the smallest residual
    int stalled                 # sweeps without over-relaxation that brought nothing
    double change[MAX_WORKERS * CACHE_LINE]     # the largest of the running sweep, by worker


cdef void schedule_slabs(
    Schedule* schedule, const Index* index, int leader, SlabPass run, void* context, double tolerance, double omega
) noexcept nogil
cdef void work(Schedule* schedule, int worker) noexcept nogil


cdef class SlabSweeps:
    cdef Schedule schedule
    cdef object buffers         # what the context points to: the threads keep it alive


# A pass over numbered pieces of work that are independent of each other.
cdef class Tickets:
    cdef int next               # the next number
    cdef int stopped            # the workers end early
