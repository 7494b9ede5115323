// The engine's worker: holds the WebAssembly engine and the loaded networks, and answers the page's requests.
//
// A request is {id, method, values}. The answer is {id, result} or {id, error}; an error is one line.
import { readRecord } from "./records.js";
import { readLink } from "./share.js";
import { Ur } from "./ur.js";

const MAX_FILE_BYTES = 256 << 20; // the limit of the engine's reader in Python
const GZIP_MAGIC = [0x1f, 0x8b];
const canInflate = "DecompressionStream" in globalThis;

/** The server's answer. The browser's own error, "Failed to fetch", would not say what it asked for. */
const ask = (address) =>
  fetch(address).catch(() => {
    throw new Error(`${new URL(address).host} can't be reached`);
  });

const engine = ask(new URL("ur.wasm", import.meta.url)).then((response) => {
  if (!response.ok) throw new Error(`ur.wasm, the engine: the server answers ${response.status}`);
  return Ur.load(response);
});
const networks = new Map(); // name -> the engine's network

// --- files -----------------------------------------------------------------------------------------------------------

const tooLarge = `larger than ${MAX_FILE_BYTES >> 20} MiB`;

/** The text of a file, plain or gzip. The first bytes decide, not the name. */
async function textOf(buffer) {
  if (buffer.byteLength > MAX_FILE_BYTES) throw new Error(tooLarge);
  const head = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  if (!GZIP_MAGIC.every((byte, index) => head[index] === byte)) return decoded(buffer);
  if (!canInflate) throw new Error("this browser can't read gzip; open the plain file");
  let bytes = 0;
  let problem = "damaged gzip";
  const limit = new TransformStream({
    transform(chunk, stream) {
      bytes += chunk.byteLength;
      if (bytes > MAX_FILE_BYTES) stream.error((problem = tooLarge));
      else stream.enqueue(chunk);
    },
  });
  const body = new Response(buffer).body.pipeThrough(new DecompressionStream("gzip")).pipeThrough(limit);
  const inflated = await new Response(body).arrayBuffer().catch(() => {
    throw new Error(problem);
  });
  return decoded(inflated);
}

function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("not UTF-8");
  }
}

/** The object of a JSON text, or null. */
function objectOf(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The bytes of the first address that the server has. */
async function download(addresses) {
  let answer = "this browser can't read gzip";
  for (const address of addresses) {
    const response = await ask(address);
    if (response.ok) return response.arrayBuffer();
    answer = `the server answers ${response.status}`;
  }
  throw new Error(answer);
}

const isWeights = (document) => document && ["network_config", "valueNetworkConfig"].some((key) => key in document);

function take(ur, name, document) {
  const network = ur.loadNetwork(document);
  drop(ur, name);
  networks.set(name, network);
  return described(network);
}

const described = ({ hasValue, rules = "finkel" }) => ({ hasValue, rules });

function drop(ur, name) {
  if (networks.has(name)) ur.free(networks.get(name));
  networks.delete(name);
}

/** The network of a name. */
function loaded(name) {
  if (!networks.has(name)) throw new Error(`${name}: this network is not loaded`);
  return networks.get(name);
}

// --- moves -----------------------------------------------------------------------------------------------------------

/** The legal moves {moves, passed}; `methods.options` says what they are. */
function optionsOf(ur, position, roll) {
  const moves = ur.legalMoves(position, roll).map((square) => {
    const { position: next, again } = ur.play(position, roll, square);
    const theirs = again ? next.opp : next.own;
    return { square, to: square + roll, again, captures: theirs !== position.opp, next, wins: ur.isOver(next) };
  });
  return { moves, passed: ur.pass(position) };
}

/** A record whose turns have their options and their move, as game.js stores them. */
function complete(ur, record) {
  const turns = record.turns.map(({ square, ...turn }) => {
    const options = optionsOf(ur, turn.position, turn.roll);
    return { ...turn, options, move: options.moves.find((move) => move.square === square) ?? null };
  });
  return { ...record, turns };
}

/** An agent's legal moves as {square, value}: an agent is {depth} for expectiminimax, {network} for a network. */
function valued(ur, { depth, network: name }, position, roll) {
  if (!name) return ur.search(position, roll, depth);
  const network = loaded(name);
  if (network.hasValue) return ur.networkMoves(network, position, roll);
  return ur.policy(network, position, roll).map(({ square, probability }) => ({ square, value: probability }));
}

const highest = (moves) => moves.reduce((best, move) => (move.value > best.value ? move : best));

/** A move drawn with a probability proportional to exp(-regret / temperature), both in points (weights/manifest.json). */
function drawn(moves, temperature) {
  const best = highest(moves).value;
  const odds = moves.map(({ value }) => Math.exp((100 * (value - best)) / temperature));
  let left = Math.random() * odds.reduce((sum, odd) => sum + odd, 0);
  return moves.find((_, index) => (left -= odds[index]) < 0) ?? moves.at(-1);
}

const methods = {
  /** The names of the rule sets that the engine plays, once it is loaded. */
  ready(ur) {
    return ur.constants.ruleSets;
  },

  /** Fetches a network from the first of its addresses that the server has and this browser can read. */
  async fetchNetwork(ur, name, addresses) {
    if (networks.has(name)) return described(networks.get(name));
    const readable = addresses.filter((address) => canInflate || !address.endsWith(".gz"));
    const document = objectOf(await textOf(await download(readable)));
    if (!document) throw new Error("not a usable weights file: not JSON");
    return take(ur, name, document);
  },

  /** Reads a file, a network under `name` or a record: {network: {hasValue, rules}} or {record}. */
  async open(ur, name, buffer) {
    const text = await textOf(buffer);
    const document = objectOf(text);
    if (isWeights(document)) return { network: take(ur, name, document) };
    return { record: complete(ur, readRecord(ur, text)) };
  },

  /** Reads a record from a text, or from the link's part after #; null where the link says nothing. */
  read(ur, text) {
    const record = text.startsWith("#") && text.includes("=") ? readLink(ur, text) : readRecord(ur, text);
    return record && complete(ur, record);
  },

  /** Frees all networks except those with these names. */
  keepNetworks(ur, names) {
    for (const name of networks.keys()) if (!names.includes(name)) drop(ur, name);
  },

  /**
   * The legal moves: {moves, passed}. A move is {square, to, again, captures, next, wins}. `next` is the successor, seen
   * by the next player to move; `passed` is the position after a turn that passes.
   */
  options: optionsOf,

  /** Refuses what is no position; says whether the game is over in it. */
  isOver(ur, position) {
    return ur.isOver(position);
  },

  /**
   * An agent's move: {square, microseconds}. With a temperature it is drawn, else the best, the lowest square among
   * equal moves.
   */
  choose(ur, agent, position, roll) {
    const start = performance.now();
    const moves = valued(ur, agent, position, roll);
    const { square } = agent.temperature ? drawn(moves, agent.temperature) : highest(moves);
    return { square, microseconds: 1000 * (performance.now() - start) };
  },

  /**
   * A network's values, win probabilities of the mover: {before, best, moves}, `best` after the roll and the best move.
   * Before the roll (`roll` null) `best` is null.
   */
  judge(ur, name, position, roll) {
    const network = loaded(name);
    const before = ur.value(network, position);
    if (roll === null) return { before, best: null, moves: [] };
    const moves = ur.networkMoves(network, position, roll);
    const best = moves.length ? highest(moves).value : 1 - ur.value(network, ur.pass(position));
    return { before, best, moves };
  },
};

self.onmessage = async ({ data: { id, method, values } }) => {
  try {
    self.postMessage({ id, result: await methods[method](await engine, ...values) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
