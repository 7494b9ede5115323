// Weights files: checked as engine.network.document and engine.network.quantized check them, in the same order and with
// the same messages (tests/portable/test_wasm.py compares the two readers; docs/weights.md describes the files).

const INT32 = 2 ** 31 - 1;
const CHARACTER_BITS = 6;
const MIDDLE = 32; // added to the upper bits of a level, so that they start at 0

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const show = (value) => (value === undefined || value === null ? "nothing" : JSON.stringify(value).slice(0, 60));
const isFloat = (number) => Number.isFinite(Math.fround(number));

function refuse(why) {
  throw new Error(`not a usable weights file: ${why}`);
}

/**
 * The checked parts of a parsed weights file: { config, activation, metadata, value, policy }. `constants` are the
 * engine's. A network is null, { flat } or { layers }; a layer is { bits, step, levels, biases, scales }.
 */
export function checkedWeights(given, constants) {
  const { limits } = constants;
  const newKey = (key) => (Object.hasOwn(constants.oldKeys, key) ? constants.oldKeys[key] : key);
  const modern = (object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [newKey(key), value]));

  if (!isObject(given)) refuse("not a JSON object");
  const document = modern(given);
  const { layout = constants.layout, architecture = {}, metadata = {} } = document;
  const layouts = [constants.layout, constants.quantizedLayout];
  if (!layouts.includes(layout))
    refuse(`layout ${show(layout)} is unknown, expected ${layouts.map(show).join(" or ")}`);

  if (!isObject(document.network_config)) refuse("network_config is missing");
  const defaults = { value_output_size: 1, policy_output_size: constants.policyOutputs };
  const config = { ...defaults, ...modern(document.network_config) };
  const hidden = config.hidden_sizes;
  if (!Array.isArray(hidden) || hidden.length < 1 || hidden.length >= limits.layers)
    refuse(`network_config.hidden_sizes must list 1 to ${limits.layers - 1} sizes`);
  for (const size of [config.input_size, ...hidden, config.value_output_size, config.policy_output_size])
    if (!Number.isInteger(size) || size < 1 || size > limits.width)
      refuse(`network_config: a size must be an integer from 1 to ${limits.width}, got ${show(size)}`);

  if (!isObject(architecture)) refuse("architecture must be an object");
  const { activation: name = "relu" } = architecture;
  const activation = constants.activations.indexOf(name);
  if (activation < 0)
    refuse(`activation ${show(name)} is unknown, expected one of ${constants.activations.join(", ")}`);

  const read = layout === constants.layout ? flatNetwork : quantizedNetwork;
  const sizes = (outputs) => [config.input_size, ...hidden, outputs];
  const value = read(document, "value", sizes(config.value_output_size), constants);
  const policy = read(document, "policy", sizes(config.policy_output_size), constants);
  const kind = read === flatNetwork ? "weights" : "layers";
  if (value === null && policy === null) refuse(`neither value_${kind} nor policy_${kind} is there`);
  if (!isObject(metadata)) refuse("metadata must be an object");
  const { rules = "finkel" } = document;
  if (!constants.ruleSets.includes(rules))
    refuse(`unknown rule set ${show(rules)} (known: ${constants.ruleSets.join(", ")})`);
  checkUse(document, rules, config, constants);
  return { rules, config, activation, metadata, value, policy };
}

/** Whether the engine can play with the networks. */
function checkUse({ feature_set: featureSet, value_scale: scale }, rules, config, constants) {
  if (featureSet !== constants.featureSets[rules])
    throw new Error(
      `made for the feature set ${show(featureSet)}, this engine has ${show(constants.featureSets[rules])}: ` +
        "it converts, but cannot play",
    );
  if ((scale ?? constants.valueScale) !== constants.valueScale)
    throw new Error(`value_scale ${show(scale)} is unknown, expected ${show(constants.valueScale)}`);
  if (config.input_size !== constants.inputs[rules])
    throw new Error(`takes ${config.input_size} inputs, the feature set has ${constants.inputs[rules]}`);
  if (config.value_output_size !== 1 || config.policy_output_size !== constants.policyOutputs)
    throw new Error(`must have 1 value and ${constants.policyOutputs} policy outputs`);
}

function flatNetwork(document, head, sizes, { largestWeight }) {
  const key = `${head}_weights`;
  const list = document[key] ?? [];
  if (!Array.isArray(list)) refuse(`${key} must be a list of numbers`);
  if (list.length === 0) return null;
  const expected = sizes.slice(1).reduce((sum, size, i) => sum + (sizes[i] + 1) * size, 0);
  if (list.length !== expected) refuse(`${key} has ${list.length} numbers, its network_config needs ${expected}`);
  if (!list.every((number) => typeof number === "number")) refuse(`${key} must hold numbers only`);
  const flat = Float32Array.from(list);
  if (!flat.every(Number.isFinite)) refuse(`${key} holds a number that is not finite in float32`);
  if (flat.some((number) => Math.abs(number) > largestWeight))
    refuse(`${key} holds a number above ${largestWeight} in size`);
  return { flat, parameters: expected };
}

// --- quantised files ---------------------------------------------------------------------------------------------------

function quantizedNetwork(document, head, sizes, constants) {
  const values = document[`${head}_layers`] ?? null;
  if (values === null) return null;
  const shapes = sizes.slice(1).map((outputs, i) => ({ inputs: sizes[i], outputs, count: sizes[i] * outputs }));
  if (!Array.isArray(values) || values.length !== shapes.length)
    refuse(`${head}_layers must list ${shapes.length} layers, as its network_config says`);
  const names = values.map((_, i) => `${head}_layers[${i}]`);
  const low = values.map((layer, i) => Math.max(0, bitsOf(layer, names[i], constants.bits) - CHARACTER_BITS));
  const lowCounts = shapes.map(({ count }, i) => (low[i] ? Math.ceil(count / Math.floor(CHARACTER_BITS / low[i])) : 0));
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const numbersOf = (key, text, expected) => characters(text, expected, `${head}_${key}`, constants.alphabet);
  const upper = numbersOf("levels", document[`${head}_levels`], sum(shapes.map(({ count }) => count)));
  const lower = numbersOf("low", document[`${head}_low`] ?? "", sum(lowCounts));

  let at = 0;
  let lowAt = 0;
  const layers = shapes.map(({ outputs, count }, i) => {
    const levels = levelsOf(upper.subarray(at, (at += count)), lower.subarray(lowAt, (lowAt += lowCounts[i])), low[i]);
    return layerOf(values[i], levels, outputs, names[i], constants.largestInput);
  });
  checkSizes(layers, head, constants.largestWeight);
  return { layers, parameters: sum(shapes.map(({ outputs, count }) => count + outputs)) };
}

function bitsOf(layer, name, [least, most]) {
  if (!isObject(layer)) refuse(`${name} must be an object`);
  const { bits } = layer;
  if (!Number.isInteger(bits) || bits < least || bits > most)
    refuse(`${name}.bits must be an integer from ${least} to ${most}, got ${show(bits)}`);
  return bits;
}

/** The numbers from 0 to 63 of a text. */
function characters(text, expected, name, alphabet) {
  const known = typeof text === "string" && /^[\0-\x7f]*$/.test(text);
  if (!known) refuse(`${name} must be a text of base64's characters`);
  if (text.length !== expected) refuse(`${name} has ${text.length} characters, its network_config needs ${expected}`);
  const codes = new Int16Array(128).fill(-1);
  [...alphabet].forEach((character, number) => (codes[character.charCodeAt(0)] = number));
  const numbers = Int16Array.from(text, (character) => codes[character.charCodeAt(0)]);
  if (numbers.includes(-1)) refuse(`${name} must be a text of base64's characters`);
  return numbers;
}

/** The levels of a layer from the numbers of its upper bits and of its `low` lower bits, packed. */
function levelsOf(upper, packed, low) {
  if (!low) return upper.map((number) => number - MIDDLE);
  const each = Math.floor(CHARACTER_BITS / low);
  const mask = (1 << low) - 1;
  return upper.map(
    (number, i) => ((number - MIDDLE) << low) + ((packed[Math.floor(i / each)] >> (low * (i % each))) & mask),
  );
}

function numbers(values, expected, name) {
  if (!Array.isArray(values) || !values.every((value) => typeof value === "number")) refuse(`${name} must be numbers`);
  if (values.length !== expected) refuse(`${name} has ${values.length} numbers, its network_config needs ${expected}`);
  return values;
}

function layerOf({ bits, ...values }, levels, outputs, name, largestInput) {
  const step = Math.fround(numbers([values.step], 1, `${name}.step`)[0]);
  const scales = numbers(values.scales, outputs, `${name}.scales`).map(Math.fround);
  if (![step, ...scales].every((number) => isFloat(number) && number > 0))
    refuse(`${name}: step and scales must be positive float32 numbers`);
  const biases = numbers(values.biases, outputs, `${name}.biases`);
  if (!biases.every((bias) => Number.isInteger(bias) && Math.abs(bias) <= INT32))
    refuse(`${name}.biases must be integers of 32 bits`);
  const top = 2 ** (bits - 1) - 1;
  if (levels.some((level) => Math.abs(level) > top)) refuse(`${name} has a level beyond ${bits} bits`);
  const reach = biases.map(Math.abs);
  levels.forEach((level, i) => (reach[i % outputs] += Math.abs(level) * largestInput));
  if (reach.some((sum) => sum > INT32)) refuse(`${name}: its sums may leave 32 bits`);
  return {
    bits,
    step,
    exactStep: values.step,
    levels: Int8Array.from(levels),
    biases: Int32Array.from(biases),
    scales: Float32Array.from(scales),
  };
}

/** Refuses weights that are too large as floating-point numbers. */
function checkSizes(layers, head, largestWeight) {
  for (const { exactStep, levels, biases, scales } of layers) {
    const large = (number) => !(Math.abs(number) <= largestWeight);
    const outputs = scales.length;
    if (
      levels.some((level, i) => large(level * (scales[i % outputs] / exactStep))) ||
      biases.some((bias, j) => large(bias * scales[j]))
    )
      refuse(`${head}_layers holds a weight above ${largestWeight} in size`);
  }
}
