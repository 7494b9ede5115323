// Path notation, a position as one line: "x.............:0|..............:6" (docs/records.md).

const NOTATION = /^([x.]{14}):([0-7])\|([x.]{14}):([0-7])$/;

/** The position of a line. The engine checks it against the rules. */
export function fromNotation(text) {
  const match = NOTATION.exec(String(text).trim());
  if (!match) throw new Error(`expected '<14 squares>:<borne off>|<14 squares>:<borne off>', got '${text}'`);
  const mask = (squares) => [...squares].reduce((sum, c, i) => (c === "x" ? sum | (2 << i) : sum), 0);
  return { own: mask(match[1]), opp: mask(match[3]), ownOff: Number(match[2]), oppOff: Number(match[4]) };
}

/** The line of a position. */
export function toNotation(position) {
  const squares = (mask) => Array.from({ length: 14 }, (_, i) => ((mask >> (i + 1)) & 1 ? "x" : ".")).join("");
  return `${squares(position.own)}:${position.ownOff}|${squares(position.opp)}:${position.oppOff}`;
}
