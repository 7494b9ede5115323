// The summary of a judged game: what each side did, and the costliest moves.
import { make, percent, swatch } from "./dom.js";
import { moveWords } from "./log.js";
import { costliest, MARKS, regretText, totals } from "./review.js";

const points = (share, signed) =>
  `${signed && share >= 0 ? "+" : share < 0 ? "−" : ""}${Math.abs(100 * share).toFixed(1)}`;

/** Fills the summary; `go` gets the number of a turn. */
export function showSummary(root, { rules, turns }, names, go) {
  const sides = [totals(turns, 0), totals(turns, 1)];
  const rows = [
    ["Decisions", ({ decisions }) => decisions],
    ["Best moves", ({ bestShare }) => (bestShare === null ? "–" : percent(bestShare))],
    ["Points given away", ({ givenAway }) => points(givenAway)],
    ["Luck, points", ({ luck }) => points(luck, true)],
    [
      `Marked ${MARKS.map(({ sign }) => sign)
        .reverse()
        .join(" ")}`,
      ({ marks }) => [...marks].reverse().join(" · "),
    ],
  ];
  const head = make(
    "tr",
    "",
    {},
    make("td"),
    ...names.map((name, player) => make("th", "", { scope: "col" }, swatch(player), ` ${name}`)),
  );
  const body = rows.map(([title, value]) =>
    make(
      "tr",
      "",
      {},
      make("th", "", { scope: "row" }, title),
      ...sides.map((side) => make("td", "", {}, String(value(side)))),
    ),
  );
  const worst = costliest(turns).map((index) => {
    const { player, move, verdict, options } = turns[index];
    const best = options.moves.find(({ square }) => square === verdict.square);
    const text = `Turn ${index + 1}: ${moveWords(rules, move)} ${regretText(verdict.regret)}; best was ${moveWords(rules, best)}`;
    const button = make("button", "costly", { type: "button" }, swatch(player), text);
    button.addEventListener("click", () => go(index));
    return make("li", "", {}, button);
  });
  root.replaceChildren(
    make("table", "totals", {}, make("thead", "", {}, head), make("tbody", "", {}, ...body)),
    ...(worst.length
      ? [make("h3", "", {}, "The costliest moves"), make("ol", "worst", {}, ...worst)]
      : [make("p", "quiet", {}, "No move gave away two points or more.")]),
  );
}
