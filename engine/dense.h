/* One dense layer of a network, in vectors that GCC and Clang lower to what the machine has.
 *
 * On x86-64 Linux the function is compiled for three levels and chosen when the program is loaded; elsewhere (arm64,
 * WebAssembly, macOS) it is compiled once. The levels may differ in the last bits: wider ones fuse multiply and add.
 */
#ifndef UR_DENSE_H
#define UR_DENSE_H

#include <string.h>

#define UR_LANES 16         /* outputs are padded to a multiple of this */
#define UR_MAX_WIDTH 2048   /* of a layer's inputs or outputs */

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define UR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define UR_CLONES
#endif

typedef float ur_vec __attribute__((vector_size(4 * UR_LANES)));

#define UR_LOAD(vector, address) memcpy(&(vector), (address), sizeof(ur_vec))
#define UR_STORE(address, vector) memcpy((address), &(vector), sizeof(ur_vec))

/* y = x W + b; weights: inputs x width, row-major; inputs that are zero are skipped (features and ReLUs are sparse). */
UR_CLONES static void ur_dense(const float *weights, const float *biases, int inputs, int width,
                               const float *x, float *y)
{
    int used[UR_MAX_WIDTH];
    int count = 0;
    int column = 0;
    for (int i = 0; i < inputs; i++) {
        used[count] = i;
        count += x[i] != 0.0f;
    }
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
    for (; column < width; column += UR_LANES) {
        ur_vec even, odd = {0};
        UR_LOAD(even, biases + column);
        for (int k = 0; k + 1 < count; k += 2) {
            ur_vec w0, w1;
            UR_LOAD(w0, weights + (long)used[k] * width + column);
            UR_LOAD(w1, weights + (long)used[k + 1] * width + column);
            even += (x[used[k]] - (ur_vec){0}) * w0;
            odd += (x[used[k + 1]] - (ur_vec){0}) * w1;
        }
        if (count & 1) {
            ur_vec w0;
            UR_LOAD(w0, weights + (long)used[count - 1] * width + column);
            even += (x[used[count - 1]] - (ur_vec){0}) * w0;
        }
        even += odd;
        UR_STORE(y + column, even);
    }
}

#endif
