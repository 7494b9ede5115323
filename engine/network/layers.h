/* The limits of a network, and the layers of a quantised one in memory. */
#ifndef UR_LAYERS_H
#define UR_LAYERS_H

#include <stdint.h>

#define UR_MAX_LAYERS 12            /* of a network */
#define UR_MAX_WIDTH 2048           /* of a layer's inputs or outputs */
#define UR_LANES 16                 /* outputs are padded to a multiple of this */
#define UR_QUANTIZED_LANES 32           /* outputs are padded to a multiple of this */
#define UR_QUANTIZED_TOP 32767          /* largest input of a layer */

typedef struct {
    int inputs;
    int outputs;
    int width;                          /* outputs, padded; the padding is zero */
    const int8_t *weights;              /* inputs x width, row-major */
    const int32_t *biases;              /* width */
    const float *factors;               /* width: sum * factor is the output, or with ReLU the next layer's input */
    float levels;                       /* with SiLU: output * levels is the next layer's input */
} ur_quantized_layer;

typedef struct {
    int layers;                         /* 0: not a quantised network */
    int silu;                           /* the activation of the hidden layers: SiLU, or else ReLU */
    ur_quantized_layer layer[UR_MAX_LAYERS];
    const float *factors;               /* feature byte * factor is the first layer's input; padded to UR_LANES */
} ur_quantized;

#endif
