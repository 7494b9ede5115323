// How a rule set is played: its path as a picture, and its rules in words.
import { draw, make } from "./dom.js";

/** The picture and the words of a rule set, as elements. */
export function guide(rules) {
  const { pieces, last, off, dice, safe, captureRolls } = rules;
  const squares = Array.from({ length: last }, (_, index) => index + 1);
  const shared = squares.filter((square) => rules.isShared(rules.tile(0, square)));
  const own = squares.filter((square) => !shared.includes(square));
  const none = dice.none ? `no marked tip counts ${dice.none}` : "no marked tip is a roll of 0";
  const items = [
    `Squares ${ranges(own)} are private, squares ${ranges(shared)} are shared: a piece that lands on an opponent’s piece there ` +
      `sends it back to the hand${captureRolls ? ", and rolls again" : ""}.`,
    `A rosette gives another roll.${safe ? " On a shared rosette a piece is safe." : " A piece on a rosette is not safe."}`,
    `A piece leaves the board by the exact roll. A roll ${dice.none ? "" : "of 0, or one "}without a legal move passes the turn.`,
  ];
  const goal =
    `Move your ${pieces} pieces from your hand along your path, squares 1 to ${last}, and off the board (to ${off}) before your ` +
    `opponent does. The roll is the number of marked tips of ${dice.count} dice; ${none}.`;
  return [path(rules), make("p", "", {}, goal), make("ul", "", {}, ...items.map((text) => make("li", "", {}, text)))];
}

/** 1 2 3 4 13 14 -> "1 to 4, 13 and 14". */
function ranges(numbers) {
  const runs = [];
  for (const number of numbers)
    if (runs.at(-1)?.at(-1) === number - 1) runs.at(-1).push(number);
    else runs.push([number]);
  const words = runs.flatMap((run) => (run.length > 2 ? [`${run[0]} to ${run.at(-1)}`] : run.map(String)));
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words[0];
}

/** The path of Blue over the tiles, as a picture. */
function path(rules) {
  const column = (tile) => Number(tile.slice(1)) - 1;
  const row = (tile) => "CBA".indexOf(tile[0]);
  const middle = (tile) => `${column(tile) * 10 + 5} ${row(tile) * 10 + 5}`;
  const tiles = rules.tiles.map((tile) =>
    draw("rect", {
      class: rules.rosettes.has(tile) ? "rosette" : "",
      x: column(tile) * 10 + 0.5,
      y: row(tile) * 10 + 0.5,
      width: 9,
      height: 9,
      rx: 1,
    }),
  );
  const line = draw("path", { d: `M${rules.paths[0].map(middle).join("L")}` });
  const numbers = rules.paths[0].map((tile, index) =>
    draw("text", { x: column(tile) * 10 + 2, y: row(tile) * 10 + 3.8 }, String(index + 1)),
  );
  const attributes = { role: "img", "aria-label": "The path of Blue over the board", viewBox: `-1 -1 ${rules.rows * 10 + 2} 32` };
  return draw("svg", { class: "path-picture", ...attributes }, ...tiles, line, ...numbers);
}
