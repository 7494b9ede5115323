/* The forward pass of a quantised network: int8 weights, int16 inputs, int32 sums (the format: docs/weights.md).
 *
 * Every sum is exact, so all machines get the same integers, whichever of the loops below they run. On x86-64 the
 * widest one that the processor has is chosen at the call; elsewhere (arm64, WebAssembly) the compiler vectorises the
 * plain loop. Inputs that are zero are skipped: features and ReLUs are sparse.
 */
#ifndef UR_QUANTIZED_H
#define UR_QUANTIZED_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "network/dense.h"

/* The inputs of a layer that are not zero; one more zero makes their number even. */
typedef struct {
    int count;
    int16_t values[UR_MAX_WIDTH + 16];        /* the wide loop writes 16 at a time */
    int32_t inputs[UR_MAX_WIDTH + 16];
} ur_used;

static void ur_collect_plain(const int32_t *x, int inputs, ur_used *used)
{
    int count = 0;
    for (int i = 0; i < inputs; i++) {
        used->values[count] = (int16_t)x[i];
        used->inputs[count] = i;
        count += x[i] != 0;
    }
    used->count = count;
}

static void ur_sums_plain(const ur_quantized_layer *layer, const ur_used *used, int32_t *restrict y)
{
    const int width = layer->width;
    memcpy(y, layer->biases, (size_t)width * sizeof(int32_t));
    for (int k = 0; k < used->count; k += 2) {
        const int8_t *restrict first = layer->weights + (long)used->inputs[k] * width;
        const int8_t *restrict second = layer->weights + (long)used->inputs[k + 1] * width;
        const int16_t x = used->values[k], z = used->values[k + 1];
        for (int i = 0; i < width; i++)
            y[i] += (int16_t)first[i] * x + (int16_t)second[i] * z;
    }
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(UR_PLAIN)
#include <immintrin.h>

static inline int32_t ur_pair(const int16_t *values)
{
    int32_t pair;
    memcpy(&pair, values, sizeof pair);
    return pair;
}

/* Four accumulators of 8 outputs. Unpacking works within halves of 128 bits, so the sums come out in that order. */
__attribute__((target("avx2")))
static void ur_sums_256(const ur_quantized_layer *layer, const ur_used *used, int column, int32_t *y)
{
    for (; column < layer->width; column += 32) {
        __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
        for (int k = 0; k < used->count; k += 2) {
            const int8_t *first = layer->weights + (long)used->inputs[k] * layer->width + column;
            const int8_t *second = layer->weights + (long)used->inputs[k + 1] * layer->width + column;
            const __m256i x = _mm256_set1_epi32(ur_pair(used->values + k));
            const __m256i u = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)first));
            const __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)second));
            const __m256i s = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(first + 16)));
            const __m256i t = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(second + 16)));
            a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_unpacklo_epi16(u, v), x));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_unpackhi_epi16(u, v), x));
            c = _mm256_add_epi32(c, _mm256_madd_epi16(_mm256_unpacklo_epi16(s, t), x));
            d = _mm256_add_epi32(d, _mm256_madd_epi16(_mm256_unpackhi_epi16(s, t), x));
        }
        const __m256i sums[4] = {
            _mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31),
            _mm256_permute2x128_si256(c, d, 0x20), _mm256_permute2x128_si256(c, d, 0x31),
        };
        for (int i = 0; i < 4; i++) {
            const __m256i bias = _mm256_loadu_si256((const __m256i *)(layer->biases + column + 8 * i));
            _mm256_storeu_si256((__m256i *)(y + column + 8 * i), _mm256_add_epi32(sums[i], bias));
        }
    }
}

/* The same with four accumulators of 16 outputs; returns how many outputs are done, all but perhaps the last 32. */
__attribute__((target("avx512f,avx512bw")))
static int ur_sums_512(const ur_quantized_layer *layer, const ur_used *used, int32_t *y)
{
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i high = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    int column = 0;
    for (; column + 64 <= layer->width; column += 64) {
        __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
        for (int k = 0; k < used->count; k += 2) {
            const int8_t *first = layer->weights + (long)used->inputs[k] * layer->width + column;
            const int8_t *second = layer->weights + (long)used->inputs[k + 1] * layer->width + column;
            const __m512i x = _mm512_set1_epi32(ur_pair(used->values + k));
            const __m512i u = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)first));
            const __m512i v = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)second));
            const __m512i s = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(first + 32)));
            const __m512i t = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(second + 32)));
            a = _mm512_add_epi32(a, _mm512_madd_epi16(_mm512_unpacklo_epi16(u, v), x));
            b = _mm512_add_epi32(b, _mm512_madd_epi16(_mm512_unpackhi_epi16(u, v), x));
            c = _mm512_add_epi32(c, _mm512_madd_epi16(_mm512_unpacklo_epi16(s, t), x));
            d = _mm512_add_epi32(d, _mm512_madd_epi16(_mm512_unpackhi_epi16(s, t), x));
        }
        const __m512i sums[4] = {
            _mm512_permutex2var_epi32(a, low, b), _mm512_permutex2var_epi32(a, high, b),
            _mm512_permutex2var_epi32(c, low, d), _mm512_permutex2var_epi32(c, high, d),
        };
        for (int i = 0; i < 4; i++) {
            const __m512i bias = _mm512_loadu_si512(layer->biases + column + 16 * i);
            _mm512_storeu_si512(y + column + 16 * i, _mm512_add_epi32(sums[i], bias));
        }
    }
    return column;
}

/* In the forward pass this saves a quarter of the whole, although by itself it is no faster than the plain loop. */
__attribute__((target("avx512f,avx512bw")))
static void ur_collect_512(const int32_t *x, int inputs, ur_used *used)
{
    __m512i number = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int count = 0;
    for (int i = 0; i < inputs; i += 16) {
        const __mmask16 there = inputs - i < 16 ? (__mmask16)((1 << (inputs - i)) - 1) : (__mmask16)0xFFFF;
        const __m512i value = _mm512_maskz_loadu_epi32(there, x + i);
        const __mmask16 some = _mm512_test_epi32_mask(value, value);
        const __m512i values = _mm512_maskz_compress_epi32(some, value);
        _mm256_storeu_si256((__m256i *)(used->values + count), _mm512_cvtepi32_epi16(values));
        _mm512_storeu_si512(used->inputs + count, _mm512_maskz_compress_epi32(some, number));
        number = _mm512_add_epi32(number, _mm512_set1_epi32(16));
        count += __builtin_popcount(some);
    }
    used->count = count;
}

static void ur_collect(const int32_t *x, int inputs, ur_used *used)
{
    if (__builtin_cpu_supports("avx512bw"))
        ur_collect_512(x, inputs, used);
    else
        ur_collect_plain(x, inputs, used);
}

static void ur_sums(const ur_quantized_layer *layer, const ur_used *used, int32_t *y)
{
    if (!__builtin_cpu_supports("avx2"))
        ur_sums_plain(layer, used, y);
    else
        ur_sums_256(layer, used, __builtin_cpu_supports("avx512bw") ? ur_sums_512(layer, used, y) : 0, y);
}
#else
#define ur_collect ur_collect_plain
#define ur_sums ur_sums_plain
#endif

typedef int32_t ur_ints __attribute__((vector_size(4 * UR_LANES)));

/* Sums to the next layer's inputs, with ReLU: multiplied, rounded towards zero, at most UR_QUANTIZED_TOP. There is no
 * addition that a compiler could fuse, so all machines agree. Positive floats are ordered as their bits are.
 */
UR_CLONES static void ur_relu_levels(const int32_t *sums, const float *factors, int width, int32_t *x)
{
    const ur_vec top = (float)UR_QUANTIZED_TOP - (ur_vec){0};
    for (int i = 0; i < width; i += UR_LANES) {
        ur_ints sum, bits, below;
        ur_vec factor, level;
        memcpy(&sum, sums + i, sizeof sum);
        UR_LOAD(factor, factors + i);
        level = __builtin_convertvector(sum & (sum > 0), ur_vec) * factor;
        bits = (ur_ints)level;
        below = bits < (ur_ints)top;
        level = (ur_vec)((bits & below) | ((ur_ints)top & ~below));
        sum = __builtin_convertvector(level, ur_ints);
        memcpy(x + i, &sum, sizeof sum);
    }
}

static void ur_silu_levels(const int32_t *sums, const float *factors, float levels, int width, int32_t *x)
{
    for (int i = 0; i < width; i++) {
        const float z = (float)sums[i] * factors[i];
        float level = z / (1 + expf(-z)) * levels;
        level = level < UR_QUANTIZED_TOP ? level : UR_QUANTIZED_TOP;
        level = level > -UR_QUANTIZED_TOP ? level : -UR_QUANTIZED_TOP;
        x[i] = (int32_t)level;
    }
}

/* Feature bytes -> the outputs before tanh or softmax. On a stack frame of its own, of some 30,000 bytes. */
__attribute__((noinline))
static void ur_quantized_forward(const ur_quantized *net, const uint8_t *features, float *out)
{
    int32_t x[UR_MAX_WIDTH + UR_QUANTIZED_LANES];
    int32_t y[UR_MAX_WIDTH + UR_QUANTIZED_LANES];
    ur_used used;
    for (int i = 0; i < net->layer[0].inputs; i++)
        y[i] = features[i];
    ur_relu_levels(y, net->factors, net->layer[0].inputs, x);
    for (int l = 0; l < net->layers; l++) {
        const ur_quantized_layer *layer = &net->layer[l];
        ur_collect(x, layer->inputs, &used);
        used.values[used.count] = 0;
        used.inputs[used.count] = 0;
        ur_sums(layer, &used, y);
        if (l == net->layers - 1)
            for (int i = 0; i < layer->outputs; i++)
                out[i] = (float)y[i] * layer->factors[i];
        else if (net->silu)
            ur_silu_levels(y, layer->factors, layer->levels, layer->width, x);
        else
            ur_relu_levels(y, layer->factors, layer->width, x);
    }
}

#endif
