# Numbers that several threads change at once.

from libc.stdint cimport int64_t, uint8_t


cdef extern from *:
    """
    #define ur_add(at, n) __atomic_fetch_add(at, n, __ATOMIC_ACQ_REL)
    #define ur_get(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    #define ur_put(at, n) __atomic_store_n(at, n, __ATOMIC_RELEASE)
    #define ur_count(at, n) ((void) __atomic_fetch_add(at, n, __ATOMIC_RELAXED))
    #define ur_replace(at, from, to) __extension__({                                                        \
        uint8_t expected = (from);                                                                          \
        __atomic_compare_exchange_n(at, &expected, (to), 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED); })
    """
    int add "ur_add"(int* at, int n) noexcept nogil             # returns the number before
    int get "ur_get"(const int* at) noexcept nogil
    void put "ur_put"(int* at, int n) noexcept nogil
    void count "ur_count"(int64_t* at, int64_t n) noexcept nogil        # adds; orders nothing else
    bint replace "ur_replace"(uint8_t* at, uint8_t before, uint8_t after) noexcept nogil    # whether it was `before`
