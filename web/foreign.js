// Two formats of other programs: the `.ur` files of jheled/royalur, and the JSON of the browser game of
// tre-systems/rgou-cloudflare. Both play Finkel's rules.
import { Replay } from "./records.js";
import { HAND, RULE_SETS } from "./rules.js";

const rules = RULE_SETS.finkel;

// --- jheled: a line a turn, "X: 4 e" -----------------------------------------------------------------------------------

const JHELED_PATH = "abcd12345678yz"; // of X; O writes the letters in capitals
const JHELED_LINE = /^([XO])\s*:\s*(?:(wins)|([0-4])(?:\s+(\S))?)\s*$/;

export function readJheled(ur, text) {
  const replay = new Replay(ur, rules);
  let first = null;
  const notes = [];
  text.split("\n").forEach((line, index) => {
    const content = line.replace(/#.*/, "").trim();
    if (!content) return;
    try {
      const match = JHELED_LINE.exec(content);
      if (!match) throw new Error(`expected 'X: <roll> <square>' or 'O: <roll>', got '${content.slice(0, 40)}'`);
      const [, side, wins, roll, square] = match;
      first ??= side;
      if (wins) {
        const winner = replay.turns.at(-1)?.player === 0 ? first : first === "X" ? "O" : "X";
        if (!replay.over) notes.push(`The record says that ${side} wins; the game is not over.`);
        else if (winner !== side) throw new Error(`${winner} has won, not ${side}`);
        return;
      }
      if (!replay.over && (side === first) !== (replay.player === 0)) throw new Error(`it is not ${side}'s turn`);
      replay.turn(Number(roll), jheledSquare(square));
    } catch (error) {
      throw new Error(`line ${index + 1}: ${error.message}`);
    }
  });
  if (first === null) throw new Error("there is no turn in the file");
  return replay.record("jheled .ur", first === "X" ? ["X", "O"] : ["O", "X"], { notes });
}

function jheledSquare(sign) {
  if (sign === undefined) return null;
  if (/e/i.test(sign)) return HAND;
  const square = JHELED_PATH.indexOf(sign.toLowerCase()) + 1;
  if (square === 0) throw new Error(`'${sign}' is no square`);
  return square;
}

// --- the browser game: 20 squares, -1 the hand, 20 borne off ----------------------------------------------------------

const RGOU_PATHS = {
  player1: [3, 2, 1, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
  player2: [19, 18, 17, 16, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15],
};

export function readRgou(ur, { history, winner }) {
  const replay = new Replay(ur, rules);
  const first = history[0]?.player ?? "player1";
  const names = first === "player2" ? ["player2", "player1"] : ["player1", "player2"];
  history.forEach((entry, index) => {
    try {
      const player = names.indexOf(entry?.player);
      if (player < 0) throw new Error(`player must be player1 or player2, got ${JSON.stringify(entry?.player)}`);
      // A pass is not recorded. That it happened follows from whose turn is next; that its roll was 0 is a guess.
      if (!replay.over && player !== replay.player) replay.turn(0, null);
      replay.turn(entry.diceRoll, rgouSquare(entry));
    } catch (error) {
      throw new Error(`history[${index}]: ${error.message}`);
    }
  });
  const last = replay.turns.at(-1)?.player;
  if (replay.over && names.includes(winner) && winner !== names[last]) throw new Error(`${names[last]} has won, not ${winner}`);
  const notes = !replay.over && names.includes(winner) ? [`The record says that ${winner} wins; the game is not over.`] : [];
  return replay.record("browser game's JSON", names, { notes });
}

function rgouSquare({ player, fromSquare }) {
  if (fromSquare === -1) return HAND;
  const square = RGOU_PATHS[player].indexOf(fromSquare) + 1;
  if (square === 0) throw new Error(`${player} does not walk square ${JSON.stringify(fromSquare)}`);
  return square;
}
