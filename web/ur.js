// The engine in the browser: the kernels of engine/, compiled to WebAssembly (ur.wasm, `make wasm`).
//
//     const ur = await Ur.load(await fetch("ur.wasm"));
//     ur.search(fromNotation("..............:0|..............:0"), 2, 3);
//
// A position is { own, opp, ownOff, oppOff, rules }, seen from the side to move: masks (bit s = path square s, each side
// along its own path), the pieces borne off, and the name of the rule set, "finkel" where it is missing. Squares are path squares; 0 is the hand. A roll is 0 to 4. Positions, rolls
// and moves that the rules forbid raise an Error. docs/portable.md has more.

import { toNotation } from "./notation.js";
import { RULE_SETS } from "./rules.js";
import { checkedWeights } from "./weights.js";

export { fromNotation, toNotation } from "./notation.js";
export { RULE_SETS } from "./rules.js";

/** Two networks in the engine's memory, made by `Ur.loadNetwork`. */
class Network {
  constructor(fields) {
    Object.assign(this, fields);
  }

  get hasValue() {
    return this.value !== null;
  }

  get hasPolicy() {
    return this.policy !== null;
  }
}

export class Ur {
  #c; // the exports of ur.wasm
  #top; // the beginning of the unused memory
  #free = []; // freed blocks: { at, size }
  #searchers = new Map(); // "rules weights" -> { at, tabled }
  #board;
  #squares;
  #values;
  #row;

  /** Loads the engine from the bytes of ur.wasm, or from a Response with these bytes. */
  static async load(source) {
    const given = await source;
    const bytes = typeof Response !== "undefined" && given instanceof Response ? await bytesOf(given) : given;
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Ur(instance.exports);
  }

  /** @private Use `Ur.load`. */
  constructor(exports) {
    this.#c = exports;
    exports._initialize();
    this.#top = align(exports.__heap_base.value);
    const limits = this.#allocate(6 * 4);
    exports.ur_limits(limits);
    const [roll, moves, depth, lookahead, layers, width] = new Int32Array(this.#buffer, limits, 6);
    this.#release(limits, 6 * 4);
    /** The engine's names and limits. */
    this.constants = { ...this.#readConstants(), limits: { roll, moves, depth, lookahead, layers, width } };
    this.#board = this.#allocate(this.#c.ur_board_bytes());
    this.#squares = this.#allocate(4 * moves);
    this.#values = this.#allocate(8 * moves);
    this.#row = this.#allocate(4 * Math.max(...Object.values(this.constants.inputs)));
  }

  /** Bytes of memory that the engine holds, networks and tables included. */
  get memoryBytes() {
    return this.#buffer.byteLength;
  }

  /** Whether the engine plays a rule set. */
  plays(rules) {
    return this.constants.ruleSets.includes(rules);
  }

  // --- rules ---------------------------------------------------------------------------------------------------------

  /** Squares of the pieces that can move, ascending; empty when the turn passes or the game is over. */
  legalMoves(position, roll) {
    this.#enter(position);
    return squaresOf(this.#c.ur_legal_moves(this.#board, this.#roll(roll)));
  }

  /** Moves the piece on a square: { position, again }. The position is seen by the next player to move. */
  play(position, roll, square) {
    this.#enter(position);
    if (!squaresOf(this.#c.ur_legal_moves(this.#board, this.#roll(roll))).includes(square))
      throw new Error(
        `moving from square ${square} with a roll of ${roll} is not legal in ${toNotation(position, RULE_SETS[position.rules])}`,
      );
    const again = this.#c.ur_play(this.#board, roll, square) !== 0;
    return { position: this.#leave(position), again };
  }

  /** The position after a turn that passes. */
  pass(position) {
    this.#enter(position);
    this.#c.ur_pass(this.#board);
    return this.#leave(position);
  }

  /** Whether a side has borne off all its pieces. */
  isOver(position) {
    this.#enter(position);
    return this.#c.ur_is_over(this.#board) !== 0;
  }

  /** The inputs of the networks, a Float32Array. With roll null they are the inputs before the roll. */
  features(position, roll = null) {
    this.#enter(position);
    this.#c.ur_features(this.#board, roll === null ? -1 : this.#roll(roll), this.#row);
    return new Float32Array(this.#buffer, this.#row, this.constants.inputs[position.rules ?? "finkel"]).slice();
  }

  // --- search --------------------------------------------------------------------------------------------------------

  /**
   * Expectiminimax with the classic evaluation: every legal move as { square, value }, ascending squares.
   *
   * depth: turns. weights: "default" or "evolved". Values are in evaluation units, for the side to move. Among equal moves
   * `emm:N` plays the lowest square.
   */
  search(position, roll, depth, weights = "default") {
    this.#enterUnfinished(position);
    within("search depth", depth, this.constants.limits.depth);
    const searcher = this.#searcher(weights, position.rules ?? "finkel", depth > 1);
    return this.#moves(
      this.#c.ur_search(searcher, this.#board, this.#roll(roll), depth, this.#squares, this.#values),
      "value",
    );
  }

  #searcher(weights, rules, tabled) {
    const points = Object.hasOwn(this.constants.weights, weights) && this.constants.weights[weights];
    const known = Object.keys(this.constants.weights);
    if (!points) throw new Error(`unknown weights '${weights}'; known: ${known.join(", ")}`);
    let searcher = this.#searchers.get(`${rules} ${weights}`);
    if (!searcher) {
      searcher = { at: this.#allocate(this.#c.ur_searcher_bytes()), tabled: false };
      const given = this.#allocate(8 * points.length);
      new Float64Array(this.#buffer, given, points.length).set(points);
      this.#c.ur_searcher(searcher.at, this.constants.ruleSets.indexOf(rules), given);
      this.#release(given, 8 * points.length);
      this.#searchers.set(`${rules} ${weights}`, searcher);
    }
    if (tabled && !searcher.tabled && rules === "finkel") {
      // One look-up replaces the last chance node. The table takes 1.7 MB and some hundredths of a second, once; it is laid
      // out for Finkel's path.
      const table = this.#allocate(this.#c.ur_search_table_bytes());
      if (!this.#c.ur_search_table(searcher.at, table)) throw new Error(`the weights '${weights}' are too large`);
      searcher.tabled = true;
    }
    return searcher.at;
  }

  // --- networks ------------------------------------------------------------------------------------------------------

  /** Loads a parsed weights file, flat or quantised (docs/weights.md). An Error of one line has the reason of a refusal. */
  loadNetwork(document) {
    const { rules, config, activation, value, policy, metadata } = checkedWeights(document, this.constants);
    const make = (part, outputs) => {
      if (part === null) return null;
      const sizes = [config.input_size, ...config.hidden_sizes, outputs];
      const number = this.constants.ruleSets.indexOf(rules);
      return part.layers
        ? this.#quantized(number, sizes, activation, part.layers)
        : this.#net(number, sizes, activation, part.flat);
    };
    return new Network({
      rules,
      value: make(value, 1),
      policy: make(policy, this.constants.policyOutputs),
      hiddenSizes: config.hidden_sizes,
      activation: this.constants.activations[activation],
      metadata,
      parameters: (value?.parameters ?? 0) + (policy?.parameters ?? 0),
    });
  }

  /** Frees a network's memory. The network can't be used afterwards. */
  free(net) {
    for (const part of ["value", "policy"]) {
      const network = this.#part(net, part, false);
      if (!network) continue;
      this.#release(network.at, this.#c.ur_net_bytes());
      this.#release(network.storage, network.bytes);
    }
    net.value = net.policy = null;
  }

  /** The win probability of the side to move, before its roll. */
  value(net, position) {
    const at = this.#player(net, "value", position);
    this.#enter(position);
    return this.#c.ur_value(at, this.#board);
  }

  /** Every legal move as { square, value }: the mover's win probability after it, `depth` turns looked ahead. */
  networkMoves(net, position, roll, depth = 1) {
    const at = this.#player(net, "value", position);
    this.#enterUnfinished(position);
    within("look-ahead", depth, this.constants.limits.lookahead);
    return this.#moves(
      this.#c.ur_network_moves(at, this.#board, this.#roll(roll), depth, this.#squares, this.#values),
      "value",
    );
  }

  /** Every legal move as { square, probability }, by the policy network. */
  policy(net, position, roll) {
    const at = this.#player(net, "policy", position);
    this.#enterUnfinished(position);
    return this.#moves(
      this.#c.ur_policy(at, this.#board, this.#roll(roll), this.#squares, this.#values),
      "probability",
    );
  }

  /** The network of a file that values a position. */
  #player(net, part, { rules = "finkel" }) {
    const network = this.#part(net, part);
    if (net.rules !== rules) throw new Error(`the network plays ${net.rules}, the position ${rules}`);
    return network.at;
  }

  #part(net, part, needed = true) {
    if (!(net instanceof Network)) throw new Error("not a network of loadNetwork");
    if (needed && net[part] === null) throw new Error(`there is no ${part} network in this file`);
    return net[part];
  }

  #net(rules, sizes, activation, flat) {
    const layers = sizes.length - 1;
    const given = { sizes: this.#allocate(4 * sizes.length), flat: this.#allocate(4 * flat.length) };
    new Int32Array(this.#buffer, given.sizes, sizes.length).set(sizes);
    const bytes = 4 * this.#c.ur_net_storage(given.sizes, layers);
    const net = { at: this.#allocate(this.#c.ur_net_bytes()), storage: this.#allocate(bytes), bytes };
    new Float32Array(this.#buffer, given.flat, flat.length).set(flat);
    new Uint8Array(this.#buffer, net.storage, bytes).fill(0);
    this.#c.ur_net(net.at, rules, given.sizes, layers, activation, given.flat, net.storage);
    this.#release(given.sizes, 4 * sizes.length);
    this.#release(given.flat, 4 * flat.length);
    return net;
  }

  /** A quantised network: its storage holds the Quantized, the factors of the inputs, and each layer's padded rows. */
  #quantized(rules, sizes, activation, layers) {
    const silu = this.constants.activations[activation] === "silu";
    const lanes = this.#c.ur_quantized_lanes();
    const padded = (size) => Math.ceil(size / lanes) * lanes;
    const head = align(this.#c.ur_quantized_bytes());
    const inputs = 4 * padded(sizes[0]);
    const bytes = layers.reduce((sum, _, i) => sum + (sizes[i] + 8) * padded(sizes[i + 1]), head + inputs);
    const net = { at: this.#allocate(this.#c.ur_net_bytes()), storage: this.#allocate(bytes), bytes };
    new Uint8Array(this.#buffer, net.storage, bytes).fill(0);
    let at = net.storage + head + inputs;
    layers.forEach(({ levels, biases, scales }, i) => {
      const [rows, outputs, width] = [sizes[i], sizes[i + 1], padded(sizes[i + 1])];
      const next = layers[i + 1]?.step ?? 1;
      const weights = at + 8 * width;
      new Int32Array(this.#buffer, at, outputs).set(biases);
      new Float32Array(this.#buffer, at + 4 * width, outputs).set(silu ? scales : scales.map((scale) => scale / next));
      const matrix = new Int8Array(this.#buffer, weights, rows * width);
      for (let row = 0; row < rows; row++) matrix.set(levels.subarray(row * outputs, (row + 1) * outputs), row * width);
      this.#c.ur_set_quantized_layer(net.storage, i, rows, outputs, width, weights, at, at + 4 * width, 1 / next);
      at = weights + rows * width;
    });
    this.#c.ur_quantized_net(net.at, rules, net.storage, layers.length, silu, layers[0].step, net.storage + head);
    return net;
  }

  // --- memory --------------------------------------------------------------------------------------------------------

  get #buffer() {
    return this.#c.memory.buffer;
  }

  #readConstants() {
    const at = this.#c.ur_constants();
    const bytes = new Uint8Array(this.#buffer, at);
    return JSON.parse(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
  }

  #allocate(bytes) {
    const size = align(bytes);
    const index = this.#free.findIndex((block) => block.size >= size);
    if (index >= 0) {
      const block = this.#free[index];
      if (block.size === size) this.#free.splice(index, 1);
      else this.#free[index] = { at: block.at + size, size: block.size - size };
      return block.at;
    }
    const at = this.#top;
    const lacking = at + size - this.#buffer.byteLength;
    if (lacking > 0) this.#c.memory.grow(Math.ceil(lacking / 65536));
    this.#top = at + size;
    return at;
  }

  /** Frees memory, and joins it with the free blocks beside it. */
  #release(at, bytes) {
    this.#free.push({ at, size: align(bytes) });
    this.#free.sort((a, b) => a.at - b.at);
    this.#free = this.#free.reduce((joined, block) => {
      const last = joined.at(-1);
      if (last && last.at + last.size === block.at) last.size += block.size;
      else joined.push({ ...block });
      return joined;
    }, []);
    const last = this.#free.at(-1);
    if (last.at + last.size === this.#top) {
      this.#top = last.at;
      this.#free.pop();
    }
  }

  // --- positions and moves -------------------------------------------------------------------------------------------

  #enter(position) {
    const { own, opp, ownOff, oppOff, rules = "finkel" } = position;
    if (!this.plays(rules)) throw new Error(`this engine does not play the rules ${JSON.stringify(rules)}`);
    const fit = [own, opp, ownOff, oppOff].every((number) => number === (number & 0x1ffff));
    const number = this.constants.ruleSets.indexOf(rules);
    if (!fit || !this.#c.ur_board(this.#board, number, own, opp, ownOff, oppOff))
      throw new Error(`not a position that the rules allow: ${JSON.stringify(position)}`);
  }

  #enterUnfinished(position) {
    this.#enter(position);
    if (this.#c.ur_is_over(this.#board))
      throw new Error(`the game is over in ${toNotation(position, RULE_SETS[position.rules])}`);
  }

  /** The position on the board, of the same rule set as `position`. */
  #leave({ rules }) {
    const [own, opp] = new Uint32Array(this.#buffer, this.#board, 2);
    const [ownOff, oppOff] = new Uint8Array(this.#buffer, this.#board + 8, 2);
    return rules ? { own, opp, ownOff, oppOff, rules } : { own, opp, ownOff, oppOff };
  }

  #roll(roll) {
    if (!Number.isInteger(roll) || roll < 0 || roll > this.constants.limits.roll)
      throw new Error(`a roll is 0 to ${this.constants.limits.roll}, not ${roll}`);
    return roll;
  }

  #moves(count, name) {
    const squares = new Int32Array(this.#buffer, this.#squares, count);
    const values = new Float64Array(this.#buffer, this.#values, count);
    return Array.from(squares, (square, i) => ({ square, [name]: values[i] }));
  }
}

async function bytesOf(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

/** A size rounded up to 16 bytes, the alignment of vectors. */
function align(bytes) {
  return (bytes + 15) & ~15;
}

function squaresOf(mask) {
  const squares = [];
  for (let rest = mask; rest; rest &= rest - 1) squares.push(31 - Math.clz32(rest & -rest));
  return squares;
}

function within(what, depth, most) {
  if (!Number.isInteger(depth) || depth < 1 || depth > most)
    throw new Error(`${what} must be 1 to ${most} turns, got ${depth}`);
}
