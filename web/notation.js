// Path notation, a position as one line: "x.............:0|..............:6" (docs/records.md).
import { RULE_SETS } from "./rules.js";

/** The position of a line. The engine checks it against the rules. */
export function fromNotation(text, rules = RULE_SETS.finkel) {
  const side = `([x.]{${rules.last}}):([0-${rules.pieces}])`;
  const match = new RegExp(`^${side}\\|${side}$`).exec(String(text).trim());
  if (!match) {
    const form = `<${rules.last} squares>:<borne off>`;
    throw new Error(`expected '${form}|${form}', got '${text}'`);
  }
  const mask = (squares) => [...squares].reduce((sum, sign, i) => (sign === "x" ? sum | (2 << i) : sum), 0);
  return { own: mask(match[1]), opp: mask(match[3]), ownOff: Number(match[2]), oppOff: Number(match[4]) };
}

/** The line of a position. */
export function toNotation(position, rules = RULE_SETS.finkel) {
  const squares = (mask) => Array.from({ length: rules.last }, (_, i) => ((mask >> (i + 1)) & 1 ? "x" : ".")).join("");
  return `${squares(position.own)}:${position.ownOff}|${squares(position.opp)}:${position.oppOff}`;
}
