// Random games through every writer and reader of the page's records, for tests/web/test_records.py.
//
//     node tests/support/record_cases.mjs UR_WASM GAMES FILE...
//
// Plays GAMES games of every rule set at random, writes and reads them in each format, and prints as JSON how each FILE
// is read: {format, players, turns, roll, notes}, or the reason why it is refused. Exit code 1 where a game changes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readRecord, writeOwn } from "../../web/records.js";
import { writeRgn, writeRoyalUr } from "../../web/royalur.js";
import { RULE_SETS } from "../../web/rules.js";
import { Ur } from "../../web/ur.js";

const [wasm, games, ...files] = process.argv.slice(2);
const ur = await Ur.load(readFileSync(wasm));

let state = 1; // Numerical Recipes' generator; its upper bits
const below = (count) => Math.floor(((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * count);

function randomGame({ name, dice }) {
  const start = { own: 0, opp: 0, ownOff: 0, oppOff: 0 };
  const turns = [];
  let position = { ...start, rules: name };
  let player = 0;
  while (!ur.isOver(position)) {
    const roll = Array.from({ length: dice.count }, () => below(2)).reduce((sum, tip) => sum + tip) || dice.none;
    const legal = ur.legalMoves(position, roll);
    const square = legal.length ? legal[below(legal.length)] : null;
    turns.push({ player, position, roll, square });
    const { position: next, again } =
      square === null ? { position: ur.pass(position), again: false } : ur.play(position, roll, square);
    position = next;
    if (!again) player = 1 - player;
  }
  const players = ['Ann "B"', "Ben"];
  if (below(3)) return { rules: name, players, start, turns, winner: turns.at(-1).player, ending: null };
  const ending = [
    { how: "resigned", winner: below(2), reason: "" },
    { how: "abandoned", winner: null, reason: "left" },
    { how: "stopped", winner: null, reason: "" },
  ];
  return {
    rules: name,
    players,
    start,
    turns: turns.slice(0, 1 + below(turns.length - 1)),
    winner: null,
    ending: ending[below(3)],
  };
}

const plain = ({ turns }) => turns.map(({ player, roll, square }) => [player, roll, square]);

for (const rules of Object.values(RULE_SETS))
  for (let game = 0; game < Number(games); game++) {
    const record = randomGame(rules);
    for (const write of [writeOwn, writeRoyalUr, writeRgn]) {
      const read = readRecord(ur, write(record));
      assert.deepEqual(plain(read), plain(record), `${write.name}, ${rules.name}, game ${game}`);
      assert.deepEqual(
        [read.rules, read.players, read.ending],
        [record.rules, record.players, record.ending],
        write.name,
      );
    }
  }

const answers = Object.fromEntries(
  files.map((file) => {
    try {
      const { format, players, roll, notes, ending: _, ...record } = readRecord(ur, readFileSync(file, "utf8"));
      return [file, { format, players, turns: plain(record), roll, notes }];
    } catch (error) {
      return [file, { refused: error.message }];
    }
  }),
);
console.log(JSON.stringify(answers));
