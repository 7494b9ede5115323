// What ur.js promises beside the engine's answers, for tests/portable/test_wasm.py.
//
//     node tests/support/ur_cases.mjs UR_WASM NETWORK DOCUMENTS
//
// Prints, for each of the weights files in DOCUMENTS (a JSON object by name), why it is refused, or null. Exit code 1
// where a promise is broken.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ur, fromNotation, toNotation } from "../../web/ur.js";

const [wasm, networkPath, documentsPath] = process.argv.slice(2);
const bytes = readFileSync(wasm);
const standard = JSON.parse(readFileSync(networkPath, "utf8"));
const documents = JSON.parse(readFileSync(documentsPath, "utf8"));

assert.deepEqual(WebAssembly.Module.imports(new WebAssembly.Module(bytes)), [], "ur.wasm needs nothing of its host");
const ur = await Ur.load(new Response(bytes));
await assert.rejects(Ur.load(new Response("", { status: 404 })), /404/);

const opening = fromNotation("..............:0|..............:0");
const position = fromNotation(" ...x..........:0|......x.......:6 ");
const over = fromNotation("..............:7|......x.......:0");
assert.deepEqual(position, { own: 1 << 4, opp: 1 << 7, ownOff: 0, oppOff: 6 });
for (const line of ["x............x:3|.x..x...x.....:2", "..............:0|..............:7"])
  assert.equal(toNotation(fromNotation(line)), line);
for (const text of ["", "..............:0", "..............:8|..............:0", "...o..........:0|..............:0"])
  assert.throws(() => fromNotation(text), /expected '<14 squares>/);

// What is no position, no roll, no move.
for (const wrong of [
  fromNotation("....x.........:0|....x.........:0"),
  fromNotation("..............:7|..............:7"),
  fromNotation("xxxx..........:4|..............:0"),
  { ...opening, own: 1 },
  { ...opening, own: 1.5 },
  { ...opening, own: 2 ** 32 + 2 },
  { ...opening, ownOff: -1 },
  { own: 0, opp: 0 },
])
  assert.throws(() => ur.legalMoves(wrong, 1), /not a position that the rules allow/);
for (const roll of [-1, 5, 1.5, "2", null, undefined]) assert.throws(() => ur.legalMoves(opening, roll), /a roll is 0 to 4/);
for (const square of [1, 15, -1, 32, 0.5, null]) assert.throws(() => ur.play(opening, 2, square), /is not legal in/);
assert.throws(() => ur.play(opening, 0, 0), /is not legal in/);
assert.deepEqual(ur.legalMoves(over, 2), []);
assert.equal(ur.isOver(over), true);
assert.equal(ur.isOver(position), false);
assert.equal(ur.features(opening).length, 150);
assert.notDeepEqual(ur.features(opening, 2), ur.features(opening));

for (const depth of [0, 13, 1.5, "3"]) assert.throws(() => ur.search(opening, 2, depth), /search depth must be 1 to 12 turns/);
assert.throws(() => ur.search(opening, 2, 1, "toString"), /unknown weights 'toString'; known: default, evolved/);
assert.throws(() => ur.search(over, 2, 1), /the game is over/);
assert.deepEqual(ur.search(opening, 0, 3), []);

// Networks: what is given back is used again, and asked no more.
for (const weights of ["default", "evolved"]) ur.search(opening, 1, 2, weights);
ur.free(ur.loadNetwork(standard));
const before = ur.memoryBytes;
const kept = ur.loadNetwork(standard);
const value = ur.value(kept, position);
for (let i = 0; i < 20; i++) {
  const net = ur.loadNetwork(documents.accepted);
  assert.ok(net.hasValue && net.hasPolicy);
  if (i % 2) ur.free(net);
}
assert.equal(ur.value(kept, position), value);
assert.ok(ur.memoryBytes - before < 3 << 20, "ten small networks and one large take no more");
ur.free(kept);
ur.free(kept);
assert.throws(() => ur.value(kept, position), /there is no value network/);
assert.throws(() => ur.value({}, position), /not a network of loadNetwork/);

const net = ur.loadNetwork(documents["policy alone"]);
assert.ok(!net.hasValue && net.hasPolicy);
assert.throws(() => ur.networkMoves(net, position, 2), /there is no value network/);
const chances = ur.policy(net, position, 2).map(({ probability }) => probability);
assert.ok(Math.abs(chances.reduce((sum, p) => sum + p) - 1) < 1e-12);
assert.throws(() => ur.policy(net, over, 2), /the game is over/);
const valueAlone = ur.loadNetwork(documents["value alone"]);
assert.throws(() => ur.policy(valueAlone, position, 2), /there is no policy network/);
for (const depth of [0, 5]) assert.throws(() => ur.networkMoves(valueAlone, position, 2, depth), /look-ahead must be 1 to 4/);
assert.equal(ur.value(valueAlone, over), 1);
assert.equal(ur.value(valueAlone, ur.pass(over)), 0);

// Look-ahead over the widest network finds room on the stack.
const { width } = ur.constants.limits;
const widest = ur.loadNetwork({
  ...documents.accepted,
  network_config: { ...documents.accepted.network_config, hidden_sizes: [width] },
  value_weights: Array((150 + 1) * width + width + 1).fill(0),
  policy_weights: [],
});
for (const { value } of ur.networkMoves(widest, position, 2, 3)) assert.equal(value, 0.5);
ur.free(widest);

const refusals = Object.entries(documents).map(([name, document]) => {
  try {
    ur.free(ur.loadNetwork(document));
    return [name, null];
  } catch (error) {
    return [name, error.message];
  }
});
console.log(JSON.stringify(Object.fromEntries(refusals)));
