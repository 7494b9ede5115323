# Sweeps over the slabs of a layer, by several workers, with the same result as by one.

from libc.stdint cimport uint16_t, uint32_t

from engine.solved.tablebase cimport CONFIGURATIONS


cdef enum:
    MAX_WORKERS = 1024
    CACHE_LINE = 8              # doubles


# Updates one slab (a number in SLABS) -> the largest change of a value. Sweep 0 prepares; its result is not used.
ctypedef double (*SlabPass)(void* context, int slab, int sweep) noexcept nogil


# A move without capture leads to a slab of higher progress or stays in its slab, so slabs of equal progress are
# independent of each other, up to captures, which read the sweep before. Each slab waits for all of higher progress:
# every value then comes from the same inputs, however many workers there are.
ctypedef struct Schedule:
    SlabPass run
    void* context
    int slabs                   # how many there are
    int slab[CONFIGURATIONS]    # their numbers in SLABS
    int before[CONFIGURATIONS]  # the number of slabs of higher progress
    int next                    # slabs taken, over all sweeps
    int done                    # slabs finished, over all sweeps
    int sweep                   # the sweep that may begin
    int finished                # there is no further one
    int stop                    # set from outside: give up
    int workers
    double tolerance            # the change at which no further sweep follows
    double noise                # below this change, one that grows is rounding
    double omega                # over-relaxation
    double residual             # the largest change of the last sweep
    double best                 # the smallest of them
    int stalled                 # sweeps without over-relaxation that brought nothing
    double change[MAX_WORKERS * CACHE_LINE]     # the largest of the running sweep, by worker


# What the update of a layer's slabs needs.
ctypedef struct Layer:
    int leader, follower        # pieces left
    double* leader_turn         # the layer's values: the leader's win probability
    double* follower_turn
    const double* leader_off    # the follower's turn of the layer (leader - 1, follower); NULL: won
    const double* follower_off  # the leader's turn of the layer (leader, follower - 1); NULL: lost
    const double* values        # of all layers, in the table's order
    bint guessed                # whether the values are near the solution before the first sweep
    const uint32_t* slabs       # the index's rows of this layer
    const uint16_t* blocks
    Schedule* schedule


cdef class SlabSweeps:
    cdef Schedule schedule
    cdef object buffers         # what the context points to: the threads keep it alive


cdef void fill_constants() noexcept nogil
cdef void schedule_slabs(
    Schedule* schedule, int leader, SlabPass run, void* context, double tolerance, double omega
) noexcept nogil
cdef void prepare_layer(
    Layer* layer, int leader, int follower, double* values, double* diagonal, double* mirrored, Schedule* schedule,
    double tolerance, bint guessed
) noexcept nogil
cdef void work(Schedule* schedule, int worker) noexcept nogil


cdef int add(int* at, int n) noexcept nogil
cdef int get(const int* at) noexcept nogil
