/* One dense layer of a network, in vectors that GCC and Clang lower to what the machine has.
 *
 * On x86-64 Linux the function is compiled for three levels and chosen when the program is loaded; elsewhere (arm64,
 * WebAssembly, macOS) it is compiled once. All give the same bits: every output is summed in the same order, and
 * setup.py forbids the compiler to fuse multiply and add.
 */
#ifndef UR_DENSE_H
#define UR_DENSE_H

#include <string.h>

#include "machine/clones.h"
#include "network/layers.h"

#define UR_ROWS 4           /* positions that go through a layer together, where it has at most so many outputs: */
#define UR_ROW_WIDTH (UR_MAX_WIDTH / UR_ROWS)

typedef float ur_vec __attribute__((vector_size(4 * UR_LANES)));

#define UR_LOAD(vector, address) memcpy(&(vector), (address), sizeof(ur_vec))
#define UR_STORE(address, vector) memcpy((address), &(vector), sizeof(ur_vec))

/* The inputs that are not zero in some of the rows; returns how many. */
static inline __attribute__((always_inline)) int ur_list_used(const float *x, int inputs, const int rows, int *used)
{
    int count = 0;
    for (int i = 0; i < inputs; i++) {
        int some = 0;
        for (int row = 0; row < rows; row++)
            some |= x[row * UR_ROW_WIDTH + i] != 0.0f;
        used[count] = i;
        count += some;
    }
    return count;
}

/* y = x W + b; weights: inputs x width, row-major; inputs that are zero are skipped (features and ReLUs are sparse). */
UR_CLONES static void ur_dense(const float *weights, const float *biases, int inputs, int width,
                               const float *x, float *y)
{
    int used[UR_MAX_WIDTH];
    const int count = ur_list_used(x, inputs, 1, used);
    int column = 0;
    /* Four named accumulators: in an array they would leave their registers. */
    for (; column + 4 * UR_LANES <= width; column += 4 * UR_LANES) {
        ur_vec a, b, c, d;
        UR_LOAD(a, biases + column);
        UR_LOAD(b, biases + column + UR_LANES);
        UR_LOAD(c, biases + column + 2 * UR_LANES);
        UR_LOAD(d, biases + column + 3 * UR_LANES);
        for (int k = 0; k < count; k++) {
            const float *row = weights + (long)used[k] * width + column;
            ur_vec value = x[used[k]] - (ur_vec){0};
            ur_vec w0, w1, w2, w3;
            UR_LOAD(w0, row);
            UR_LOAD(w1, row + UR_LANES);
            UR_LOAD(w2, row + 2 * UR_LANES);
            UR_LOAD(w3, row + 3 * UR_LANES);
            a += value * w0;
            b += value * w1;
            c += value * w2;
            d += value * w3;
        }
        UR_STORE(y + column, a);
        UR_STORE(y + column + UR_LANES, b);
        UR_STORE(y + column + 2 * UR_LANES, c);
        UR_STORE(y + column + 3 * UR_LANES, d);
    }
    for (; column + 2 * UR_LANES <= width; column += 2 * UR_LANES) {
        ur_vec a, b;
        UR_LOAD(a, biases + column);
        UR_LOAD(b, biases + column + UR_LANES);
        for (int k = 0; k < count; k++) {
            const float *row = weights + (long)used[k] * width + column;
            ur_vec value = x[used[k]] - (ur_vec){0};
            ur_vec w0, w1;
            UR_LOAD(w0, row);
            UR_LOAD(w1, row + UR_LANES);
            a += value * w0;
            b += value * w1;
        }
        UR_STORE(y + column, a);
        UR_STORE(y + column + UR_LANES, b);
    }
    for (; column < width; column += UR_LANES) {
        ur_vec a;
        UR_LOAD(a, biases + column);
        for (int k = 0; k < count; k++) {
            ur_vec w0;
            UR_LOAD(w0, weights + (long)used[k] * width + column);
            a += (x[used[k]] - (ur_vec){0}) * w0;
        }
        UR_STORE(y + column, a);
    }
}

/* The same for UR_ROWS rows, UR_ROW_WIDTH apart in x and in y: every weight is loaded once for all of them. The sums
 * are in the order of ur_dense, so the bits are the same. */
UR_CLONES static void ur_dense_rows(const float *weights, const float *biases, int inputs, int width,
                                    const float *x, float *y)
{
    const float *x0 = x, *x1 = x + UR_ROW_WIDTH, *x2 = x + 2 * UR_ROW_WIDTH, *x3 = x + 3 * UR_ROW_WIDTH;
    float *y0 = y, *y1 = y + UR_ROW_WIDTH, *y2 = y + 2 * UR_ROW_WIDTH, *y3 = y + 3 * UR_ROW_WIDTH;
    const ur_vec zero = {0};
    int used[UR_ROW_WIDTH];
    const int count = ur_list_used(x, inputs, UR_ROWS, used);
    int column = 0;
    for (; column + 2 * UR_LANES <= width; column += 2 * UR_LANES) {
        ur_vec a0, a1, a2, a3, b0, b1, b2, b3;
        UR_LOAD(a0, biases + column);
        UR_LOAD(b0, biases + column + UR_LANES);
        a1 = a2 = a3 = a0;
        b1 = b2 = b3 = b0;
        for (int k = 0; k < count; k++) {
            int i = used[k];
            const float *row = weights + (long)i * width + column;
            ur_vec v, w;
            UR_LOAD(v, row);
            UR_LOAD(w, row + UR_LANES);
            a0 += (x0[i] - zero) * v;
            b0 += (x0[i] - zero) * w;
            a1 += (x1[i] - zero) * v;
            b1 += (x1[i] - zero) * w;
            a2 += (x2[i] - zero) * v;
            b2 += (x2[i] - zero) * w;
            a3 += (x3[i] - zero) * v;
            b3 += (x3[i] - zero) * w;
        }
        UR_STORE(y0 + column, a0);
        UR_STORE(y1 + column, a1);
        UR_STORE(y2 + column, a2);
        UR_STORE(y3 + column, a3);
        UR_STORE(y0 + column + UR_LANES, b0);
        UR_STORE(y1 + column + UR_LANES, b1);
        UR_STORE(y2 + column + UR_LANES, b2);
        UR_STORE(y3 + column + UR_LANES, b3);
    }
    for (; column < width; column += UR_LANES) {
        ur_vec a0, a1, a2, a3;
        UR_LOAD(a0, biases + column);
        a1 = a2 = a3 = a0;
        for (int k = 0; k < count; k++) {
            int i = used[k];
            ur_vec v;
            UR_LOAD(v, weights + (long)i * width + column);
            a0 += (x0[i] - zero) * v;
            a1 += (x1[i] - zero) * v;
            a2 += (x2[i] - zero) * v;
            a3 += (x3[i] - zero) * v;
        }
        UR_STORE(y0 + column, a0);
        UR_STORE(y1 + column, a1);
        UR_STORE(y2 + column, a2);
        UR_STORE(y3 + column, a3);
    }
}

#endif
