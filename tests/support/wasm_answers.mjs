// Asks ur.wasm about positions and writes its answers, for tests/support/answers.py to compare with the native engine's.
//
//     node tests/support/wasm_answers.mjs UR_WASM FOLDER NETWORK...
//
// Questions and answers are files in FOLDER, as portable/check.pyx describes them; the networks come as JSON.
import { readFileSync, writeFileSync } from "node:fs";
import { Ur } from "../../web/ur.js";

const MOVES = 7;
const AHEAD = 200; // positions that the networks look ahead from
const [wasm, folder, ...networks] = process.argv.slice(2);

const ur = await Ur.load(readFileSync(wasm));
const bytes = readFileSync(`${folder}/positions`);
const given = new BigUint64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const count = given.length;
const positions = [];
const rolls = new Uint8Array(count);
for (let i = 0; i < count; i++) {
  const [low, high] = [Number(given[i] & 0xffffffffn), Number(given[i] >> 32n)];
  positions.push({ own: low & 0xffff, opp: low >>> 16, ownOff: high & 0xff, oppOff: (high >> 8) & 0xff });
  rolls[i] = high >>> 24;
}

const packed = ({ own, opp, ownOff, oppOff }) => BigInt(own + opp * 2 ** 16) | (BigInt(ownOff + oppOff * 256) << 32n);
const write = (name, array) => writeFileSync(`${folder}/${name}`, array);

/** One place for each move of the first `n` positions, filled from lists of { square, [key] }. */
function ofMoves(name, key, moves, n = count) {
  const values = new Float64Array(n * MOVES);
  for (let i = 0; i < n; i++) {
    const list = moves(positions[i], rolls[i]);
    for (let k = 0; k < list.length; k++) values[i * MOVES + k] = list[k][key];
  }
  write(name, values);
}

const legal = new Uint16Array(count);
const successors = new BigUint64Array(count * MOVES);
const passed = new BigUint64Array(count);
const width = ur.constants.inputs.finkel;
const features = new Float32Array(count * width);
for (let i = 0; i < count; i++) {
  ur.legalMoves(positions[i], rolls[i]).forEach((square, k) => {
    const { position, again } = ur.play(positions[i], rolls[i], square);
    legal[i] |= 1 << square;
    successors[i * MOVES + k] = packed(position) | (BigInt(again) << 63n);
  });
  passed[i] = packed(ur.pass(positions[i]));
  features.set(ur.features(positions[i], i % 2 ? rolls[i] : null), i * width);
}
write("legal", legal);
write("successors", successors);
write("passed", passed);
write("features", features);

Object.keys(ur.constants.weights).forEach((weights, preset) => {
  for (const depth of [1, 2, 3])
    ofMoves(`search-${preset}-${depth}`, "value", (position, roll) => ur.search(position, roll, depth, weights));
});

networks.forEach((path, n) => {
  const net = ur.loadNetwork(JSON.parse(readFileSync(path, "utf8")));
  write(`value-${n}`, Float64Array.from(positions, (position) => ur.value(net, position)));
  ofMoves(`moves-${n}`, "value", (position, roll) => ur.networkMoves(net, position, roll));
  ofMoves(`ahead-${n}`, "value", (position, roll) => ur.networkMoves(net, position, roll, 2), AHEAD);
  if (net.hasPolicy) ofMoves(`policy-${n}`, "probability", (position, roll) => ur.policy(net, position, roll));
  ur.free(net);
});
