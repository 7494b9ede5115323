"""The engine's kernels as a program without Python, to be run on another chip.

    check FOLDER NETWORKS PIECES

FOLDER holds what is asked, little-endian: `positions` (64 bits each: packed, the roll in bits 56 to 63), `weights`
(seven doubles for each preset of the classic evaluation, in the order of `Points`) and `network-0`, `network-1`, ... (a
value and a policy network; each: activation, layers and sizes as 32-bit integers, then the flat list of float32). The
answers are arrays in files beside them, seven places a position where they are about moves; places without a move are
zero. `table` is the game with PIECES pieces a side, solved.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint64_t
from libc.stdio cimport (
    FILE,
    SEEK_END,
    fclose,
    fopen,
    fprintf,
    fread,
    fseek,
    ftell,
    fwrite,
    rewind,
    snprintf,
    stderr,
)
from libc.stdlib cimport atoi, calloc, exit, free

from engine.classic.evaluation cimport Points, weigh
from engine.core.features cimport MAX_FEATURES, NO_ROLL, feature_count, feature_floats
from engine.network.layers cimport Activation, Net, lay_out, policy_moves, storage_size, win_probability
from engine.network.lookahead cimport network_moves
from engine.core.position cimport *
from engine.classic.search cimport (
    LAST_TABLE_SIZE,
    Moves,
    Searcher,
    fill_last_table,
    fill_ternary,
    search_moves,
)
from engine.core.rules cimport shared
from engine.solved.order cimport SIDE_COUNTS, Index, count_of, far_of, far_squares
from engine.solved.solver cimport Layer, fill_constants, prepare_layer
from engine.solved.sweeps cimport Schedule, work


cdef extern from "ur_tables.h":
    const float SCALES "UR_SCALES"[RULE_SET_COUNT][MAX_FEATURES]


cdef extern from "solved/sweep.h":
    enum:
        SLACK "UR_SLACK"


cdef enum:
    DEPTH = 3                   # of the deepest search


# What is asked.
ctypedef struct Asked:
    const char* folder
    int count
    Board* boards
    int* rolls


cdef FILE* open_file(const char* folder, const char* name, const char* mode) noexcept nogil:
    cdef char path[4096]
    cdef FILE* file
    snprintf(path, sizeof(path), "%s/%s", folder, name)
    file = fopen(path, mode)
    if file == NULL:
        fprintf(stderr, "cannot open %s\n", path)
        exit(1)
    return file


cdef void* room(size_t count, size_t size) noexcept nogil:
    """Memory that is zero."""
    cdef void* memory = calloc(count, size)
    if memory == NULL:
        fprintf(stderr, "out of memory\n")
        exit(1)
    return memory


cdef void* read_file(const char* folder, const char* name, size_t* size) noexcept nogil:
    cdef FILE* file = open_file(folder, name, "rb")
    cdef void* content
    fseek(file, 0, SEEK_END)
    size[0] = ftell(file)
    rewind(file)
    content = room(size[0] + 1, 1)
    if fread(content, 1, size[0], file) != size[0]:
        fprintf(stderr, "cannot read %s\n", name)
        exit(1)
    fclose(file)
    return content


cdef void save(const char* folder, const char* name, void* content, size_t size) noexcept nogil:
    """Writes an answer and frees it."""
    cdef FILE* file = open_file(folder, name, "wb")
    if fwrite(content, 1, size, file) != size or fclose(file) != 0:
        fprintf(stderr, "cannot write %s\n", name)
        exit(1)
    free(content)


cdef void answer_rules(const Asked* asked) noexcept nogil:
    cdef uint16_t* legal = <uint16_t*> room(asked.count, sizeof(uint16_t))
    cdef uint64_t* successors = <uint64_t*> room(asked.count * MAX_MOVES, sizeof(uint64_t))
    cdef uint64_t* passed = <uint64_t*> room(asked.count, sizeof(uint64_t))
    cdef unsigned int sources
    cdef Board board
    cdef bint again
    cdef int i, k
    for i in range(asked.count):
        sources = 0 if is_over(&asked.boards[i]) else legal_sources(&asked.boards[i], asked.rolls[i])
        legal[i] = <uint16_t> sources
        k = i * MAX_MOVES
        while sources:
            board = successor(asked.boards[i], lowest(sources), asked.rolls[i])
            again = grants_roll(&asked.boards[i], lowest(sources), asked.rolls[i])
            successors[k] = pack(&board) | <uint64_t> again << 63
            sources &= sources - 1
            k += 1
        board = swap_sides(asked.boards[i])
        passed[i] = pack(&board)
    save(asked.folder, "legal", legal, asked.count * sizeof(uint16_t))
    save(asked.folder, "successors", successors, asked.count * MAX_MOVES * sizeof(uint64_t))
    save(asked.folder, "passed", passed, asked.count * sizeof(uint64_t))


cdef void answer_features(const Asked* asked) noexcept nogil:
    """Every other position with its roll."""
    cdef int width = feature_count(&RULES[FINKEL])
    cdef float* rows = <float*> room(<size_t> asked.count * width, sizeof(float))
    cdef int i
    for i in range(asked.count):
        feature_floats(&asked.boards[i], asked.rolls[i] if i & 1 else NO_ROLL, SCALES[FINKEL], &rows[i * width])
    save(asked.folder, "features", rows, <size_t> asked.count * width * sizeof(float))


cdef void answer_search(const Asked* asked) noexcept nogil:
    cdef Searcher searcher
    cdef Moves moves
    cdef size_t size
    cdef Points* points = <Points*> read_file(asked.folder, "weights", &size)
    cdef int16_t* table = <int16_t*> room(LAST_TABLE_SIZE, sizeof(int16_t))
    cdef double* values
    cdef char name[32]
    cdef int preset, i, k
    fill_ternary(searcher.ternary)
    for preset in range(<int> (size // sizeof(Points))):
        weigh(&points[preset], &RULES[FINKEL], &searcher.weights)
        searcher.last = NULL
        if not fill_last_table(&searcher, table):
            fprintf(stderr, "the weights are too large\n")
            exit(1)
        searcher.last = table
        for searcher.depth in range(1, DEPTH + 1):
            values = <double*> room(asked.count * MAX_MOVES, sizeof(double))
            for i in range(asked.count):
                search_moves(&searcher, &asked.boards[i], asked.rolls[i], &moves)
                for k in range(moves.count):
                    values[i * MAX_MOVES + k] = (
                        <double> moves.value[k] / <double> (<int64_t> 2 << (4 * (searcher.depth - 1))))
            snprintf(name, sizeof(name), "search-%d-%d", preset, searcher.depth)
            save(asked.folder, name, values, asked.count * MAX_MOVES * sizeof(double))
    free(table)
    free(points)


cdef const int32_t* take_network(Net* net, const int32_t* at) noexcept nogil:
    """Makes a network of its part of a file; returns the place behind it."""
    cdef const int* sizes = <const int*> at + 2
    cdef int layers = at[1]
    cdef int i, parameters = 0
    cdef const float* flat = <const float*> (sizes + layers + 1)
    net.scales = SCALES[FINKEL]
    net.activation = <Activation> at[0]
    lay_out(net, sizes, layers, flat, <float*> room(storage_size(sizes, layers), sizeof(float)))
    for i in range(layers):
        parameters += (sizes[i] + 1) * sizes[i + 1]
    return <const int32_t*> (flat + parameters)


cdef void answer_network(const Asked* asked, int number) noexcept nogil:
    cdef Net value_net
    cdef Net policy_net
    cdef char name[32]
    cdef size_t size
    cdef double* values = <double*> room(asked.count, sizeof(double))
    cdef double* moves = <double*> room(asked.count * MAX_MOVES, sizeof(double))
    cdef double* policies = <double*> room(asked.count * MAX_MOVES, sizeof(double))
    cdef int squares[MAX_MOVES]
    cdef int i
    snprintf(name, sizeof(name), "network-%d", number)
    take_network(&policy_net, take_network(&value_net, <const int32_t*> read_file(asked.folder, name, &size)))
    for i in range(asked.count):
        values[i] = win_probability(&value_net, &asked.boards[i])
        network_moves(&value_net, &asked.boards[i], asked.rolls[i], 1, squares, &moves[i * MAX_MOVES])
        policy_moves(&policy_net, &asked.boards[i], asked.rolls[i], squares, &policies[i * MAX_MOVES])
    snprintf(name, sizeof(name), "value-%d", number)
    save(asked.folder, name, values, asked.count * sizeof(double))
    snprintf(name, sizeof(name), "moves-%d", number)
    save(asked.folder, name, moves, asked.count * MAX_MOVES * sizeof(double))
    snprintf(name, sizeof(name), "policy-%d", number)
    save(asked.folder, name, policies, asked.count * MAX_MOVES * sizeof(double))


cdef void take_index(const char* folder, Index* index) noexcept nogil:
    """The index of Finkel's table, from the arrays of `engine.solved.order.index_tables`: numpy made them."""
    cdef size_t size
    cdef const int64_t* sizes = <const int64_t*> read_file(folder, "index-size", &size)
    cdef const int64_t* starts = <const int64_t*> read_file(folder, "index-start", &size)
    cdef int leader, follower
    index.rules = FINKEL
    index.pieces = RULES[FINKEL].pieces
    index.far_masks = index.order.far_masks = 1 << far_squares(&RULES[FINKEL])
    index.lane = far_of(shared(&RULES[FINKEL]))
    for leader in range(SIDE_COUNTS):
        for follower in range(SIDE_COUNTS):
            index.size[leader][follower] = sizes[leader * SIDE_COUNTS + follower]
            index.start[leader][follower] = starts[leader * SIDE_COUNTS + follower]
    index.order.leader_key = <const uint32_t*> read_file(folder, "index-leader_key", &size)
    index.order.follower_key = <const uint32_t*> read_file(folder, "index-follower_key", &size)
    index.order.slab = <const uint32_t*> read_file(folder, "index-slab", &size)
    index.order.block = <const uint16_t*> read_file(folder, "index-block", &size)
    index.order.keys = <int> (size // sizeof(uint16_t) // SIDE_COUNTS)
    index.slabs = <const uint16_t*> read_file(folder, "index-slabs", &size)
    index.followers = <const uint16_t*> read_file(folder, "index-followers", &size)
    index.followers_start = <const uint32_t*> read_file(folder, "index-followers_start", &size)


cdef void solve(const char* folder, int pieces) noexcept nogil:
    cdef Index index
    cdef Layer layer
    cdef Schedule schedule
    cdef double* values
    cdef double* diagonal
    cdef double* mirrored
    cdef int leader, follower
    take_index(folder, &index)
    fill_constants()
    values = <double*> room(count_of(&index, pieces) + SLACK, sizeof(double))
    diagonal = <double*> room(index.size[pieces][pieces] + SLACK, sizeof(double))
    mirrored = <double*> room(index.size[pieces][pieces - 1] + SLACK, sizeof(double))
    for follower in range(1, pieces + 1):
        for leader in range(1, follower + 1):
            prepare_layer(
                &layer, &index, leader, follower, values, diagonal, mirrored, &schedule, 1e-12, 0
            )
            work(&schedule, 0)
    free(diagonal)
    free(mirrored)
    save(folder, "table", values, count_of(&index, pieces) * sizeof(double))


cdef public int main(int argc, char** argv) noexcept nogil:
    cdef Asked asked
    cdef size_t size
    cdef uint64_t* given
    cdef int i
    if argc != 4:
        fprintf(stderr, "usage: check FOLDER NETWORKS PIECES\n")
        return 2
    asked.folder = argv[1]
    given = <uint64_t*> read_file(asked.folder, "positions", &size)
    asked.count = <int> (size // sizeof(uint64_t))
    asked.boards = <Board*> room(asked.count, sizeof(Board))
    asked.rolls = <int*> room(asked.count, sizeof(int))
    for i in range(asked.count):
        asked.boards[i] = unpack(FINKEL, given[i] & <uint64_t> 0xFFFFFFFFFFFF)
        asked.rolls[i] = <int> (given[i] >> 56)
    answer_rules(&asked)
    answer_features(&asked)
    answer_search(&asked)
    for i in range(atoi(argv[2])):
        answer_network(&asked, i)
    solve(asked.folder, atoi(argv[3]))
    return 0
