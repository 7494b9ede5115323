// The engine's worker: holds the WebAssembly engine and the loaded networks, and answers the page's requests.
//
// A request is {id, method, values}. The answer is {id, result} or {id, error}; an error is one line.
import { Ur } from "./ur.js";

const MAX_FILE_BYTES = 256 << 20; // the limit of the engine's reader in Python
const GZIP_MAGIC = [0x1f, 0x8b];
const canInflate = "DecompressionStream" in globalThis;

const networks = new Map(); // name -> the engine's network

const refusal = (name, why) => new Error(`${name}: not a usable weights file: ${why}`);
const tooLarge = `larger than ${MAX_FILE_BYTES >> 20} MiB`;

/** The document of a weights file, plain JSON or gzip. The first bytes decide, not the name. */
async function parse(name, buffer) {
  if (buffer.byteLength > MAX_FILE_BYTES) throw refusal(name, tooLarge);
  const head = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  let body = new Response(buffer);
  let problem = "damaged gzip";
  if (GZIP_MAGIC.every((byte, index) => head[index] === byte)) {
    if (!canInflate) throw new Error(`${name}: this browser can't read gzip; open the plain .json file`);
    let bytes = 0;
    const limit = new TransformStream({
      transform(chunk, stream) {
        bytes += chunk.byteLength;
        if (bytes > MAX_FILE_BYTES) stream.error((problem = tooLarge));
        else stream.enqueue(chunk);
      },
    });
    body = new Response(body.body.pipeThrough(new DecompressionStream("gzip")).pipeThrough(limit));
  }
  let bytes;
  try {
    bytes = await body.arrayBuffer();
  } catch {
    throw refusal(name, problem);
  }
  problem = "not UTF-8";
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw refusal(name, error instanceof SyntaxError ? "not JSON" : problem);
  }
}

/** The server's answer. The browser's own error, "Failed to fetch", would not say what it asked for. */
const ask = (name, address) =>
  fetch(address).catch(() => {
    throw new Error(`${name}: ${new URL(address).host} can't be reached`);
  });

const engine = ask("ur.wasm", new URL("ur.wasm", import.meta.url)).then((response) => {
  if (!response.ok) throw new Error(`ur.wasm: the server answers ${response.status}; \`make wasm\` builds it`);
  return Ur.load(response);
});

/** The bytes of the first address that the server has. */
async function download(name, addresses) {
  let answer = "this browser can't read gzip";
  for (const address of addresses) {
    const response = await ask(name, address);
    if (response.ok) return response.arrayBuffer();
    answer = `the server answers ${response.status}`;
  }
  throw new Error(`${name}: ${answer}`);
}

function take(ur, name, document) {
  let network;
  try {
    network = ur.loadNetwork(document);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
  drop(ur, name);
  networks.set(name, network);
  return { hasValue: network.hasValue };
}

function drop(ur, name) {
  if (networks.has(name)) ur.free(networks.get(name));
  networks.delete(name);
}

/** The network of a name. */
function loaded(name) {
  if (!networks.has(name)) throw new Error(`${name}: this network is not loaded`);
  return networks.get(name);
}

/** An agent's legal moves as {square, value}: an agent is {depth} for expectiminimax, {network} for a network. */
function valued(ur, { depth, network: name }, position, roll) {
  if (!name) return ur.search(position, roll, depth);
  const network = loaded(name);
  if (network.hasValue) return ur.networkMoves(network, position, roll);
  return ur.policy(network, position, roll).map(({ square, probability }) => ({ square, value: probability }));
}

const methods = {
  /** Answers once the engine is loaded. */
  ready() {},

  /** Fetches a network from the first of its addresses that the server has and this browser can read. */
  async fetchNetwork(ur, name, addresses) {
    if (networks.has(name)) return { hasValue: networks.get(name).hasValue };
    const readable = addresses.filter((address) => canInflate || !address.endsWith(".gz"));
    return take(ur, name, await parse(name, await download(name, readable)));
  },

  /** Reads a network from the bytes of a file. */
  async readNetwork(ur, name, buffer) {
    return take(ur, name, await parse(name, buffer));
  },

  /** Frees all networks except those with these names. */
  keepNetworks(ur, names) {
    for (const name of networks.keys()) if (!names.includes(name)) drop(ur, name);
  },

  /**
   * The legal moves: {moves, passed}. A move is {square, to, again, captures, next, wins}. `next` is the successor, seen
   * by the next player to move; `passed` is the position after a turn that passes.
   */
  options(ur, position, roll) {
    const moves = ur.legalMoves(position, roll).map((square) => {
      const { position: next, again } = ur.play(position, roll, square);
      const theirs = again ? next.opp : next.own;
      return { square, to: square + roll, again, captures: theirs !== position.opp, next, wins: ur.isOver(next) };
    });
    return { moves, passed: ur.pass(position) };
  },

  /** An agent's best move, the lowest square among equal moves: {square, microseconds}. */
  choose(ur, agent, position, roll) {
    const start = performance.now();
    const { square } = valued(ur, agent, position, roll).reduce((best, move) =>
      move.value > best.value ? move : best,
    );
    return { square, microseconds: 1000 * (performance.now() - start) };
  },

  /** A network's values: {win, moves}. `win` is the mover's win probability, before the roll if `roll` is null, else after it. */
  judge(ur, name, position, roll) {
    const network = loaded(name);
    if (roll === null) return { win: ur.value(network, position), moves: [] };
    const moves = ur.networkMoves(network, position, roll);
    const win = moves.length ? Math.max(...moves.map((move) => move.value)) : 1 - ur.value(network, ur.pass(position));
    return { win, moves };
  },
};

self.onmessage = async ({ data: { id, method, values } }) => {
  try {
    self.postMessage({ id, result: await methods[method](await engine, ...values) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
