// Links to a game or a position, in the part of the address after #, which no browser sends anywhere.
//
//     #game=2024...&players=You,Level 3        two signs a turn: the roll, and the square moved from or - for a pass
//     #position=..............:0|..............:0&roll=2
import { fromNotation, toNotation } from "./notation.js";
import { Replay } from "./records.js";
import { ruleSet } from "./rules.js";

const squareSign = (square) => (square === null ? "-" : square.toString(36));
const opening = ({ own, opp, ownOff, oppOff }) => !(own || opp || ownOff || oppOff);

const address = (words) => `${location.href.split(/[?#]/)[0]}#${new URLSearchParams(words)}`;

/** The link to a game (a record as `Game.record`). */
export function gameLink({ rules, players, start, turns }) {
  const words = { game: turns.map(({ roll, square }) => `${roll}${squareSign(square)}`).join("") };
  if (rules !== "finkel") words.rules = rules;
  if (!opening(start)) words.start = toNotation(start, ruleSet(rules));
  return address({ ...words, players: players.join(",") });
}

/** The link to a position, with its roll if it is known. */
export function positionLink(position, roll, rules) {
  const words = { position: toNotation(position, rules) };
  if (rules.name !== "finkel") words.rules = rules.name;
  return address(roll === null ? words : { ...words, roll });
}

/** What a link says, as a record; null if it says nothing. Throws one line for a link that is wrong. */
export function readLink(ur, hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const rules = ruleSet(words.get("rules") ?? "finkel");
  if (words.has("position")) {
    const replay = new Replay(ur, rules, fromNotation(words.get("position"), rules));
    const roll = words.has("roll") ? Number(words.get("roll")) : null;
    if (roll !== null) replay.roll(roll);
    return replay.record("link", ["", ""]);
  }
  if (!words.has("game")) return null;
  const start = words.has("start") ? fromNotation(words.get("start"), rules) : undefined;
  const replay = new Replay(ur, rules, start);
  const signs = words.get("game");
  if (!/^([0-4][0-9a-z-])*$/.test(signs))
    throw new Error("the link is not a game: it has other signs than rolls and squares");
  for (let at = 0; at < signs.length; at += 2) {
    const square = signs[at + 1] === "-" ? null : Number.parseInt(signs[at + 1], 36);
    try {
      replay.turn(Number(signs[at]), square);
    } catch (error) {
      throw new Error(`the link's turn ${at / 2 + 1}: ${error.message}`);
    }
  }
  const names = (words.get("players") ?? "").split(",");
  return replay.record("link", [names[0] ?? "", names[1] ?? ""]);
}
