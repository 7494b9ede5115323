// Reads a weights file as a browser would, and compares it with a golden vector.
//
//     node tests/support/golden_check.mjs WEIGHTS VECTOR
//
// Exit code 0: every probability is within the vector's tolerance; 1: one is not, or a file cannot be used.
import { readFileSync } from "node:fs";

const LAYOUT = "input-output-row-major-v1";
const ACTIVATIONS = {
  relu: (x) => Math.max(x, 0),
  silu: (x) => x / (1 + Math.exp(-x)),
};

/** The layers of a flat list: each the matrix, input by output row-major, and then the biases. */
function layersOf(flat, sizes) {
  const layers = [];
  let taken = 0;
  for (let i = 0; i + 1 < sizes.length; i++) {
    const [inputs, outputs] = [sizes[i], sizes[i + 1]];
    const weights = flat.slice(taken, taken + inputs * outputs);
    const biases = flat.slice(taken + inputs * outputs, taken + (inputs + 1) * outputs);
    layers.push({ inputs, outputs, weights, biases });
    taken += (inputs + 1) * outputs;
  }
  if (taken !== flat.length) throw new Error(`${flat.length} numbers, the sizes need ${taken}`);
  return layers;
}

/** The outputs before tanh or softmax. */
function forward(layers, activation, features) {
  let x = features;
  layers.forEach((layer, index) => {
    const y = layer.biases.slice();
    for (let i = 0; i < layer.inputs; i++)
      for (let j = 0; j < layer.outputs; j++) y[j] += x[i] * layer.weights[i * layer.outputs + j];
    x = index + 1 < layers.length ? y.map(activation) : y;
  });
  return x;
}

/** The value output is v = 2 p - 1. */
function winProbability(logits) {
  return (Math.tanh(logits[0]) + 1) / 2;
}

/** Softmax over the slots of the legal moves; 0 elsewhere. */
function policyOf(logits, slots) {
  const highest = Math.max(...slots.map((slot) => logits[slot]));
  const policy = logits.map((logit, slot) => (slots.includes(slot) ? Math.exp(logit - highest) : 0));
  const total = policy.reduce((sum, p) => sum + p, 0);
  return policy.map((p) => p / total);
}

function check(weightsPath, vectorPath) {
  const file = JSON.parse(readFileSync(weightsPath, "utf8"));
  const vector = JSON.parse(readFileSync(vectorPath, "utf8"));
  if (file.layout !== LAYOUT) throw new Error(`layout ${file.layout}, expected ${LAYOUT}`);
  if (file.feature_set !== vector.feature_set)
    throw new Error(`weights for ${file.feature_set}, vector for ${vector.feature_set}`);
  const name = file.architecture?.activation ?? "relu";
  const activation = ACTIVATIONS[name];
  if (!activation) throw new Error(`unknown activation ${name}`);
  const config = file.network_config;
  const network = (flat, outputs) =>
    flat?.length ? layersOf(flat, [config.input_size, ...config.hidden_sizes, outputs]) : null;
  const value = network(file.value_weights, config.value_output_size);
  const policy = network(file.policy_weights, config.policy_output_size);

  let [compared, worst] = [0, 0];
  const compare = (ours, theirs) => {
    const error = Math.abs(ours - theirs);
    if (!(error <= vector.tolerance)) throw new Error(`${ours}, the vector has ${theirs}`);
    worst = Math.max(worst, error);
    compared++;
  };
  for (const entry of vector.cases) {
    if (value) compare(winProbability(forward(value, activation, entry.value_inputs)), entry.win_probability);
    if (policy) {
      const ours = policyOf(forward(policy, activation, entry.policy_inputs), entry.policy_slots);
      ours.forEach((p, slot) => compare(p, entry.policy[slot]));
    }
  }
  if (compared === 0) throw new Error("nothing to compare");
  console.log(`${compared} probabilities agree, largest difference ${worst.toExponential(1)}`);
}

const paths = process.argv.slice(2);
if (paths.length !== 2) {
  console.error("usage: node tests/support/golden_check.mjs WEIGHTS VECTOR");
  process.exit(2);
}
try {
  check(...paths);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
